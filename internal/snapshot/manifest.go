package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

const (
	maxPath    = 3072 // bytes of a path: PATH_MAX of Linux less the folder on a target that it goes into
	maxElement = 255  // bytes of one part of it: ext4, XFS, APFS
)

// canonical returns the files in the order of their paths with their modes reduced, or the first
// reason why they are no snapshot.
func canonical(files []driver.File) ([]driver.File, error) {
	out := make([]driver.File, len(files))
	paths := make(map[string]bool, len(files))
	for i, f := range files {
		if err := checkFile(f); err != nil {
			return nil, err
		}
		if paths[f.Path] {
			return nil, invalidFile("PathTwice", f.Path, "it stands twice in the list", "name each path once")
		}
		paths[f.Path] = true
		f.Mode = canonicalMode(f.Mode)
		out[i] = f
	}
	for _, f := range out {
		if p, ok := through(paths, f.Path); ok {
			return nil, invalidFile("PathThroughFile", f.Path, fmt.Sprintf("it runs through %q, which is a file or a link", p), "a path may run through folders only")
		}
	}
	slices.SortFunc(out, func(a, b driver.File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func checkFile(f driver.File) error {
	why := ""
	switch {
	case len(f.Path) > maxPath:
		why = fmt.Sprintf("it is longer than %d bytes", maxPath)
	case strings.HasPrefix(f.Path, "/"):
		why = "it is absolute"
	case strings.ContainsRune(f.Path, 0):
		why = "it holds a NUL"
	case !fs.ValidPath(f.Path) || f.Path == ".":
		why = `it is not a clean path of valid UTF-8 without "." and ".."`
	case slices.ContainsFunc(strings.Split(f.Path, "/"), func(e string) bool { return len(e) > maxElement }):
		why = fmt.Sprintf("a part of it is longer than %d bytes", maxElement)
	case f.Mode&^0o777 != 0 && f.Mode&^0o777 != driver.ModeLink:
		return invalidFile("ModeInvalid", f.Path, fmt.Sprintf("its mode %o is neither a file's nor a link's", f.Mode), "leave it out: only files and symbolic links can be sent")
	case f.Size < 0:
		return invalidFile("SizeMismatch", f.Path, "its size is negative", "declare the file's size in bytes")
	default:
		return checkHash(f.Hash)
	}
	return invalidFile("PathInvalid", f.Path, why, `use a path below the folder, such as "src/train.py"`)
}

// canonicalMode keeps what git keeps: link or file, and whether it may be executed.
func canonicalMode(mode uint32) uint32 {
	switch {
	case isLink(mode):
		return driver.ModeLink
	case mode&0o111 != 0:
		return 0o755
	}
	return 0o644
}

func isLink(mode uint32) bool { return mode&^0o777 == driver.ModeLink }

// through returns the first part of p that is an entry itself.
func through(paths map[string]bool, p string) (string, bool) {
	for i := range len(p) {
		if p[i] == '/' && paths[p[:i]] {
			return p[:i], true
		}
	}
	return "", false
}

// manifest is the stored form. Its bytes are hashed, so a change of it changes the IDs of the
// snapshots made from then on; older ones stay readable, because each is checked as it is.
type manifest struct {
	Version int           `json:"version"`
	Files   []driver.File `json:"files"`
}

func encode(files []driver.File) (ID, []byte, error) {
	text, err := json.Marshal(manifest{Version: 1, Files: files})
	if err != nil {
		return "", nil, fmt.Errorf("write the manifest: %w", err)
	}
	sum := sha256.Sum256(text)
	return ID(hex.EncodeToString(sum[:])), text, nil
}

func decode(text []byte) ([]driver.File, error) {
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	if m.Version != 1 {
		return nil, fmt.Errorf("the manifest has version %d, and this zaffre reads 1", m.Version)
	}
	return m.Files, nil
}

func (s *Blobs) putManifest(ctx context.Context, id ID, text []byte) error {
	_, err := s.blobs.Put(ctx, manifestName(id), bytes.NewReader(text))
	return err
}

func (s *Blobs) readManifest(ctx context.Context, id ID) (text []byte, err error) {
	r, err := s.blobs.Open(ctx, manifestName(id), 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if text, err = io.ReadAll(r); err != nil {
		return nil, fmt.Errorf("read the manifest of snapshot %s: %w", id, err)
	}
	return text, nil
}
