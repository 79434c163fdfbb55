package snapshot

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

const (
	maxTarget = 4095 // bytes of a link's target: PATH_MAX of Linux less its NUL
	maxHops   = 40   // links that Linux follows in one path
)

// checkLinks reports a link that leaves the folder, if need be through other links.
func (s *Blobs) checkLinks(ctx context.Context, files []driver.File) error {
	links := map[string]string{}
	for _, f := range files {
		if !isLink(f.Mode) {
			continue
		}
		target, err := s.readTarget(ctx, f)
		if err != nil {
			return err
		}
		links[f.Path] = target
	}
	for p := range links {
		hops := 0
		if _, why := resolve(links, path.Dir(p), links[p], &hops); why != "" {
			return invalidFile("LinkLeaves", p, why, "make it a relative link to something in the folder, or leave it out by .amlignore")
		}
	}
	return nil
}

func (s *Blobs) readTarget(ctx context.Context, f driver.File) (string, error) {
	if f.Size == 0 || f.Size > maxTarget {
		return "", invalidFile("LinkInvalid", f.Path, fmt.Sprintf("a link's target has 1 to %d bytes, not %d", maxTarget, f.Size), "leave it out by .amlignore")
	}
	r, err := s.blobs.Open(ctx, fileName(f.Hash), 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	target, err := io.ReadAll(io.LimitReader(r, maxTarget+1))
	if err != nil {
		return "", fmt.Errorf("read the target of the link %q: %w", f.Path, err)
	}
	if strings.ContainsRune(string(target), 0) {
		return "", invalidFile("LinkInvalid", f.Path, "its target holds a NUL", "leave it out by .amlignore")
	}
	return string(target), nil
}

// resolve walks target from the folder dir as a kernel would, with links telling what the links
// of the snapshot point to. It returns where target leads, or why it may not.
func resolve(links map[string]string, dir, target string, hops *int) (at, why string) {
	if *hops++; *hops > maxHops {
		return "", "it leads through too many links, or in a circle"
	}
	if strings.HasPrefix(target, "/") {
		return "", fmt.Sprintf("its target %q is absolute", target)
	}
	at = dir
	for e := range strings.SplitSeq(target, "/") {
		if e == ".." && at == "." {
			return "", fmt.Sprintf("its target %q is outside the folder", target)
		}
		at = path.Join(at, e)
		if next, ok := links[at]; ok && e != "" && e != "." && e != ".." {
			if at, why = resolve(links, path.Dir(at), next, hops); why != "" {
				return "", why
			}
		}
	}
	return at, ""
}
