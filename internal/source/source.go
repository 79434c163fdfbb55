// Package source reads the folder of code that a run takes along, on the user's machine: which
// files there are, and the hash of each. It depends on nothing of the server.
//
// Left out is what the ignore files name, each .git, and each __pycache__, which Python makes
// anew and which would make every snapshot differ from the last. Folders without files are not
// kept, as git does not. In each folder the file .gitignore is read; where there is an .amlignore
// it takes the place of .gitignore in its folder and in those below. Unlike git, ignore files above
// the folder and of the user or the repository (core.excludesFile, info/exclude) are not read,
// and an ignore file may be a symbolic link.
package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// ModeLink is the mode of a symbolic link, whose content is its target (as git does).
const ModeLink = 0o120000

// File is one entry of a folder.
type File struct {
	Path string // slash-separated, relative to the folder, clean
	Mode uint32 // 0o644, 0o755, or ModeLink
	Size int64  // bytes
	Hash string // SHA-256 in lower-case hex
}

// Options say how to read a folder. The zero value is ready to use.
type Options struct {
	// Cache is a folder for the hashes of files, by which an unchanged file is not read again;
	// "": each file is read. What is wrong with it is no error: then the files are read.
	Cache string
	// Files and Bytes bound the folder; 0: 50,000 and 2 GiB.
	Files int
	Bytes int64
	// Reading, if set, is called before the bytes of a file are read, by several goroutines.
	Reading func(path string, size int64)
}

const (
	defaultFiles = 50_000
	defaultBytes = 2 << 30
)

// CacheDir returns the folder that Options.Cache should name for this user, and "" if there is none.
func CacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "zaffre", "hashes")
}

// Walk reads the folder dir. It fails with fault.NotFound, Reason "FolderNotFound", and with
// fault.Invalid: "NotAFolder", "FolderTooLarge" names the largest files, "LinkLeaves" a symbolic link to
// something outside, "PathInvalid" a name that is no UTF-8, "FileTypeUnsupported" what is neither
// file, folder nor link; with fault.Denied, "FileUnreadable"; and with fault.Precondition,
// "FileChanged", if a file is written to at the same time.
func Walk(ctx context.Context, dir string, o Options) (*Tree, error) {
	root, err := realFolder(dir)
	if err != nil {
		return nil, err
	}
	w := &walker{ctx: ctx, root: root, cache: o.Cache, budget: newBudget(o)}
	if err := w.folder("", nil); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if err := w.budget.check(w.entries); err != nil {
		return nil, err
	}
	slices.SortFunc(w.entries, func(a, b *entry) int { return strings.Compare(a.Path, b.Path) })
	c := openCache(o.Cache, root)
	if err := hashAll(ctx, root, w.entries, c, o.Reading); err != nil {
		return nil, err
	}
	c.save(w.entries)
	return newTree(root, w.entries), nil
}

func realFolder(dir string) (string, error) {
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return "", noFolder(dir, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return "", noFolder(dir, err)
	}
	if !info.IsDir() {
		return "", notAFolder(dir)
	}
	return root, nil
}

// entry is a file with what tells whether it has changed since.
type entry struct {
	File
	stamp   stamp
	target  string // of a link
	sum     [32]byte
	trusted bool // the stamp, to go with sum into the cache
}

// walker collects the entries of a folder.
type walker struct {
	ctx     context.Context
	root    string
	cache   string // is left out where it lies in the folder: it changes by being read
	budget  *budget
	entries []*entry
}

// folder adds what is in the folder at path, which ends in a slash or is "" for the root.
func (w *walker) folder(path string, above *ignores) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	list, err := os.ReadDir(filepath.Join(w.root, path))
	if err != nil {
		return unreadable("./"+path, err)
	}
	rules, err := above.enter(w.root, path, list)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Name() == ".git" || e.IsDir() && (e.Name() == "__pycache__" || filepath.Join(w.root, path, e.Name()) == w.cache) {
			continue
		}
		if err := w.add(path+e.Name(), e, rules); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) add(path string, e fs.DirEntry, rules *ignores) error {
	if rules.ignored(path, e.IsDir()) {
		return nil
	}
	if !utf8.ValidString(e.Name()) {
		return notUTF8(path)
	}
	if e.IsDir() {
		return w.folder(path+"/", rules)
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since the folder was read
	}
	if err != nil {
		return unreadable(path, err)
	}
	f := &entry{File: File{Path: path, Mode: fileMode(info.Mode()), Size: info.Size()}, stamp: stampOf(info)}
	if err := w.prepare(f, info.Mode()); err != nil {
		return err
	}
	w.entries = append(w.entries, f)
	return w.budget.add(f.Size)
}

// prepare checks that an entry is of a kind that can be sent.
func (w *walker) prepare(f *entry, mode fs.FileMode) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode&fs.ModeSymlink == 0:
		return unsupportedType(f.Path, mode)
	}
	target, err := os.Readlink(filepath.Join(w.root, f.Path))
	if err != nil {
		return unreadable(f.Path, err)
	}
	f.target, f.Size = filepath.ToSlash(target), int64(len(target))
	return checkLink(f.Path, f.target)
}

func fileMode(m fs.FileMode) uint32 {
	switch {
	case m&fs.ModeSymlink != 0:
		return ModeLink
	case m&0o111 != 0:
		return 0o755
	}
	return 0o644
}

// checkLink refuses a target that leaves the folder by its text. Whether it does by way of other
// links, the server finds out.
func checkLink(path, target string) error {
	if strings.HasPrefix(target, "/") || filepath.IsAbs(target) {
		return linkLeaves(path, target, "is absolute")
	}
	depth := strings.Count(path, "/")
	for e := range strings.SplitSeq(target, "/") {
		switch e {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return linkLeaves(path, target, "is outside the folder")
		}
	}
	return nil
}
