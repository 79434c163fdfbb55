package agent

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// cleanDocker lists what jobs and builds of the root made in Docker, and removes it unless dryRun. Where Docker does
// not answer, what the builds wrote down is listed as not removed.
func (s *server) cleanDocker(dryRun bool) (items []wire.Item) {
	made := s.builtImages()
	containers, err := envbuild.Docker(context.Background(), "container", "ls", "--all", "--filter", "label="+runLabel,
		"--filter", "label="+envbuild.TargetLabel+"="+s.root, "--format", "{{.Names}}")
	images, failed := envbuild.Images(context.Background(), s.root)
	if err != nil || failed != nil {
		for _, name := range made {
			items = append(items, wire.Item{Type: "image", Name: name})
		}
		return items
	}
	for name := range strings.FieldsSeq(containers) {
		it := wire.Item{Type: "container", Name: name}
		if !dryRun {
			it.Removed = (&container{name: name}).remove() == nil
		}
		items = append(items, it)
	}
	for _, name := range images {
		it := wire.Item{Type: "image", Name: name, Bytes: imageSize(name)}
		if !dryRun {
			_, err := envbuild.Docker(context.Background(), "image", "rm", name)
			it.Removed = err == nil
		}
		items = append(items, it)
	}
	if !dryRun {
		_ = envbuild.PruneStages(envbuild.TargetLabel + "=" + s.root) // of builds that were killed
	}
	return items
}

// builtImages returns the images that builds of the root wrote down.
func (s *server) builtImages() (names []string) {
	for _, dir := range s.folders(buildsDir) {
		var r wire.BuildResult
		if ok, err := readJSON(filepath.Join(dir, resultFile), &r); ok && err == nil && r.Image != "" {
			names = append(names, r.Image)
		}
	}
	return names
}

func imageSize(name string) (n int64) {
	out, err := envbuild.Docker(context.Background(), "image", "inspect", "--format", "{{.Size}}", name)
	if err != nil {
		return 0
	}
	n, _ = strconv.ParseInt(out, 10, 64)
	return n
}
