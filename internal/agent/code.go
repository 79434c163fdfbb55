package agent

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// modeLink marks a symbolic link in a manifest, as driver.ModeLink does.
const modeLink = 0o120000

// layCode makes the job's working folder: its files, and the folders outputs and logs. It starts
// from nothing, so that one which was cut short does no harm. Files are copies: a job may write
// to its code without touching another's.
func (s *supervisor) layCode() error {
	dir := filepath.Join(s.dir, codeDir)
	if err := removeAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	c := copier{root: root, cache: filepath.Join(rootOf(s.dir), filesDir), made: map[string]bool{".": true}}
	files, err := readManifest(rootOf(s.dir), s.spec.Job.Manifest)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := c.lay(f); err != nil {
			return fmt.Errorf("file %q: %w", f.Path, err)
		}
	}
	for _, d := range outputDirs {
		if err := root.Mkdir(d, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// copier lays files from the cache into a folder that they cannot leave, links or not.
type copier struct {
	root  *os.Root
	cache string
	made  map[string]bool // folders
	plain bool            // the file system shares no blocks
}

func (c *copier) lay(f wire.File) error {
	if d := path.Dir(f.Path); !c.made[d] {
		if err := c.root.MkdirAll(d, 0o755); err != nil {
			return err
		}
		c.made[d] = true
	}
	src := cachePath(c.cache, f.Hash)
	if f.Mode&modeLink == modeLink {
		b, err := os.ReadFile(src)
		if err != nil {
			return err
		}
		return c.root.Symlink(string(b), f.Path)
	}
	return c.copy(src, f)
}

func (c *copier) copy(src string, f wire.File) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	perm := os.FileMode(f.Mode)&0o755 | 0o600
	out, err := c.root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if !c.plain {
		if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
			return out.Close()
		}
		c.plain = true
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// cachePath returns where the cache has the file with a hash.
func cachePath(cache, hash string) string { return filepath.Join(cache, hash[:2], hash) }

// validHash reports whether s is a SHA-256 in lower-case hex.
func validHash(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
