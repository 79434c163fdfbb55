package envbuild

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Prune removes environments that keep does not hold: those unused for longer than maxAge, and then
// the longest unused until all together have at most maxBytes. Zero is no limit. What crashes left
// goes too. An environment that is being built stays. It returns what it removed, also when it
// returns an error; files that hard links share with uv's cache count in full.
func Prune(root string, keep func(digest string) bool, maxAge time.Duration, maxBytes int64) ([]wire.Item, error) {
	list, err := kept(root)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, e := range list {
		total += e.bytes
	}
	var removed []wire.Item
	var failed error
	for _, e := range list { // the longest unused first
		old := maxAge > 0 && time.Since(e.used) > maxAge
		if !old && !e.trash && (maxBytes <= 0 || total <= maxBytes) || !e.trash && keep != nil && keep(e.name) {
			continue
		}
		ok, err := e.remove()
		failed = errors.Join(failed, err)
		if ok {
			total -= e.bytes
			removed = append(removed, wire.Item{Type: "environment", Name: e.name, Bytes: e.bytes, Removed: true})
		}
	}
	return removed, failed
}

// An entry is an environment, or what is left of one.
type entry struct {
	path, name string
	trash      bool
	used       time.Time
	bytes      int64
}

// kept lists the environments, the longest unused first.
func kept(root string) ([]entry, error) {
	digests, err := os.ReadDir(filepath.Join(root, envsFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unwritable(err)
	}
	var out []entry
	for _, d := range digests {
		if !validDigest(d.Name()) {
			continue
		}
		prefix := Prefix(root, d.Name())
		trash, _ := filepath.Glob(filepath.Join(globEscape(filepath.Dir(prefix)), trashName+"*"))
		for _, path := range append(trash, prefix) {
			if e, ok := entryOf(path, d.Name()); ok {
				out = append(out, e)
			}
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	return out, nil
}

// entryOf reads one environment; the last use of one that was never finished is its last change.
func entryOf(path, digest string) (entry, bool) {
	info, err := os.Stat(filepath.Join(path, markerFile))
	if err != nil {
		info, err = os.Stat(path)
	}
	if err != nil {
		return entry{}, false
	}
	trash := strings.HasPrefix(filepath.Base(path), trashName)
	return entry{path: path, name: digest, trash: trash, used: info.ModTime(), bytes: size(path)}, true
}

// remove reports whether the environment is gone; one that is being built stays.
func (e entry) remove() (bool, error) {
	if e.trash {
		return true, os.RemoveAll(e.path)
	}
	unlock, ok := tryLock(e.path + lockSuffix)
	if !ok {
		return false, nil
	}
	defer unlock()
	if r, ok := readMarker(e.path); ok && r.Image != "" {
		if _, err := Docker(context.Background(), "image", "rm", r.Image); err != nil && fault.ReasonOf(err) != "DockerRefused" {
			return false, err // the image stays, and so does what tells of it
		}
	}
	if err := discard(e.path); err != nil {
		return false, unwritable(err)
	}
	return true, nil
}

func size(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// readMarker reads what Run answered.
func readMarker(prefix string) (r wire.BuildResult, ok bool) {
	text, err := os.ReadFile(filepath.Join(prefix, markerFile))
	return r, err == nil && json.Unmarshal(text, &r) == nil
}
