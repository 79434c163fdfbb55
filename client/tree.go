package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// modeLink in File.Mode marks a symbolic link, as git does.
const modeLink = 0o120000

// TreeOptions says how to read a folder.
type TreeOptions struct {
	Cache    string // a file that remembers hashes, so that unchanged files are not read again; "" is none
	MaxFiles int    // 0 is 100,000
	MaxBytes int64  // 0 is 1 GiB
}

// Tree is a folder's content as a snapshot takes it: without what .amlignore (or else .gitignore)
// ignores, with links as links, and with the executable bit.
type Tree struct {
	root  *os.Root
	files []File
}

// ReadTree reads a folder. Close the tree when it was sent. It fails with CodeExhausted, Reason
// "SnapshotTooLarge", when the folder is above the limits, and then names the largest files.
func ReadTree(ctx context.Context, dir string, o TreeOptions) (*Tree, error) {
	if o.MaxFiles == 0 {
		o.MaxFiles = 100_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unreadableFile(dir, err)
	}
	w := &walker{ctx: ctx, root: root, limits: o, cache: loadHashes(o.Cache)}
	if err := w.folder(".", nil); err != nil {
		root.Close()
		return nil, err
	}
	if w.over() {
		root.Close()
		return nil, w.tooLarge(dir)
	}
	if err := w.hashAll(); err != nil {
		root.Close()
		return nil, err
	}
	w.cache.save(o.Cache)
	return &Tree{root: root, files: w.files}, nil
}

// Files returns the entries in the order of their paths.
func (t *Tree) Files() []File { return t.files }

// Bytes returns the size of all files together.
func (t *Tree) Bytes() int64 {
	n := int64(0)
	for _, f := range t.files {
		n += f.Size
	}
	return n
}

// Close ends the use of the tree.
func (t *Tree) Close() error { return t.root.Close() }

// Open opens a file of the tree, or the target of a link. No path leads out of the folder.
func (t *Tree) Open(f File) (io.ReadCloser, error) {
	if f.Mode&modeLink == modeLink {
		target, err := t.root.Readlink(f.Path)
		return io.NopCloser(strings.NewReader(target)), err
	}
	return t.root.Open(f.Path)
}

// walker reads a folder. It first lists, then checks the limits, and only then reads files.
type walker struct {
	ctx    context.Context
	root   *os.Root
	limits TreeOptions
	cache  *hashes
	ignore string // name of the ignore file
	files  []File
	infos  []fs.FileInfo
	bytes  int64
}

// over reports whether the limits are passed. Listing goes on a little, to name what is large.
func (w *walker) over() bool { return len(w.files) > w.limits.MaxFiles || w.bytes > w.limits.MaxBytes }

func (w *walker) folder(dir string, above *rules) error {
	if err := w.ctx.Err(); err != nil {
		return context.Cause(w.ctx)
	}
	entries, err := fs.ReadDir(w.root.FS(), dir) // sorted
	if err != nil {
		return unreadableFile(dir, err)
	}
	if dir == "." {
		w.ignore = ignoreFile(entries)
	}
	here, err := above.read(w.root, dir, w.ignore, entries)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.entry(path.Join(dir, e.Name()), e, here); err != nil {
			return err
		}
		if len(w.files) > 4*w.limits.MaxFiles {
			return nil
		}
	}
	return nil
}

func (w *walker) entry(name string, e fs.DirEntry, r *rules) error {
	if e.Name() == ".git" || r.match(name, e.IsDir()) {
		return nil
	}
	if !utf8.ValidString(name) {
		return invalid("FileNameInvalid", fmt.Sprintf("the file %q cannot be sent", name), "its name is not valid UTF-8", "rename it, or list it in .amlignore")
	}
	if e.IsDir() {
		return w.folder(name, r)
	}
	info, err := e.Info()
	if err != nil {
		return unreadableFile(name, err)
	}
	f := File{Path: name, Mode: 0o644, Size: info.Size()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		f.Mode = modeLink | 0o777
	case !info.Mode().IsRegular():
		return nil // a socket, a pipe, a device: no code
	case info.Mode()&0o100 != 0:
		f.Mode = 0o755
	}
	w.files, w.infos, w.bytes = append(w.files, f), append(w.infos, info), w.bytes+f.Size
	return nil
}

func (w *walker) hashAll() error {
	for i := range w.files {
		if err := w.ctx.Err(); err != nil {
			return context.Cause(w.ctx)
		}
		if err := w.hash(&w.files[i], w.infos[i]); err != nil {
			return unreadableFile(w.files[i].Path, err)
		}
	}
	slices.SortFunc(w.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

func (w *walker) hash(f *File, info fs.FileInfo) error {
	if f.Mode&modeLink == modeLink {
		target, err := w.root.Readlink(f.Path)
		sum := sha256.Sum256([]byte(target))
		f.Size, f.Hash = int64(len(target)), hex.EncodeToString(sum[:])
		return err
	}
	if hash, ok := w.cache.get(f.Path, info); ok {
		f.Hash = hash
		return nil
	}
	r, err := w.root.Open(f.Path)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	if f.Size, err = io.Copy(h, r); err != nil {
		return err
	}
	f.Hash = hex.EncodeToString(h.Sum(nil))
	w.cache.put(f.Path, info, f.Hash)
	return nil
}

// tooLarge names the ten largest files.
func (w *walker) tooLarge(dir string) error {
	bySize := slices.SortedFunc(slices.Values(w.files), func(a, b File) int { return int(min(1, max(-1, b.Size-a.Size))) })
	var largest []string
	for _, f := range bySize[:min(10, len(bySize))] {
		largest = append(largest, fmt.Sprintf("%d bytes %s", f.Size, f.Path))
	}
	return &Fault{
		Code: CodeExhausted, Reason: "SnapshotTooLarge", Title: fmt.Sprintf("the folder %s is too large to be sent as code", dir),
		Detail: fmt.Sprintf("it has %d files or more with %d bytes; %d files with %d bytes are allowed",
			len(w.files), w.bytes, w.limits.MaxFiles, w.limits.MaxBytes),
		Fix: "put the script into a folder of its own, or list what the run does not need in .amlignore", Evidence: largest,
	}
}

func unreadableFile(name string, err error) error {
	return &Fault{
		Code: CodePrecondition, Reason: "FileUnreadable", Title: fmt.Sprintf("the file %q cannot be read", name),
		Detail: err.Error(), Fix: "give yourself the right to read it, or list it in .amlignore",
	}
}
