package envbuild

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

var option = lazy(`^(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|$)(.*)$`)

// pipOptions parts pip's lines into options for uv's command line and lines that uv reads from a
// file as pip does. Extra indexes are searched as pip searches them: the best version of any wins.
func pipOptions(lines []string) (options, rest []string) {
	extra := false
	for _, line := range lines {
		m := option().FindStringSubmatch(line)
		if m == nil {
			rest = append(rest, line)
			continue
		}
		switch m[1] {
		case "--pre":
			options = append(options, "--prerelease=allow")
		case "--trusted-host":
			options = append(options, "--allow-insecure-host", m[2])
		case "--no-deps", "--no-build-isolation", "--require-hashes":
			options = append(options, m[1])
		case "--prefer-binary", "--use-feature", "--use-pep517", "--no-cache-dir", "--no-warn-script-location", "--upgrade", "-U", "--quiet", "-q", "--timeout", "--retries":
			// without a meaning for uv, or its habit
		case "--extra-index-url":
			extra = true
			rest = append(rest, line)
		default:
			rest = append(rest, line)
		}
	}
	if extra && os.Getenv("UV_INDEX_STRATEGY") == "" {
		options = append(options, "--index-strategy=unsafe-best-match")
	}
	return options, rest
}

// localPath finds the file or folder that a line of pip's names: -r FILE, -e PATH, ./PATH, /PATH.
var localPath = lazy(`^(?:(?:-r|-c|-e|--requirement|--constraint|--editable)(?:\s*=\s*|\s+))?((?:file://)?/[^\s;\[]+|\.{1,2}(?:/[^\s;\[]*)?)(?:\[[^\]]*\])?(?:\s*;.*|\s.*)?$`)

var fileOption = lazy(`^(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+)([^\s:]+)$`)

// checkPaths sees that the paths in pip's lines are whole and there: the build has no folder of the
// user's to start from.
func (b *build) checkPaths(lines []string) error {
	for _, line := range lines {
		m := localPath().FindStringSubmatch(line)
		if m == nil {
			m = fileOption().FindStringSubmatch(line)
		}
		if m == nil {
			continue
		}
		path := strings.TrimPrefix(m[1], "file://")
		why := fmt.Sprintf("%q starts at no known folder: the build runs on the target, without the script's folder", path)
		if filepath.IsAbs(path) {
			if _, err := os.Stat(path); err == nil {
				continue
			}
			why = fmt.Sprintf("%q is not on the target", path)
		}
		return &fault.Error{
			Code: fault.NotFound, Reason: "PathNotFound", What: fmt.Sprintf("cannot install %q", line), Why: why,
			Fix: "give a whole path that is on the target, a URL, or the requirements themselves",
		}
	}
	return nil
}
