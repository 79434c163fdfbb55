package source_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/source"
)

// write makes files below a new folder: path to text. A text "-> x" makes a link to x.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for p, text := range files {
		name := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func walk(t testing.TB, dir string, o source.Options) *source.Tree {
	t.Helper()
	tree, err := source.Walk(t.Context(), dir, o)
	if err != nil {
		t.Fatalf("Walk: %v", err)
	}
	return tree
}

// content reads all files of a tree: path to mode and bytes.
func content(t testing.TB, tree *source.Tree) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, f := range tree.Files {
		r, err := tree.Open(t.Context(), f.Path)
		if err != nil {
			t.Fatalf("Open(%q): %v", f.Path, err)
		}
		text, err := io.ReadAll(r)
		if err != nil || r.Close() != nil {
			t.Fatalf("read %q: %v", f.Path, err)
		}
		if int64(len(text)) != f.Size || hashOf(text) != f.Hash {
			t.Errorf("%q: %d bytes with hash %s, want %d with %s", f.Path, len(text), hashOf(text), f.Size, f.Hash)
		}
		got[f.Path] = fmt.Sprintf("%o %s", f.Mode, text)
	}
	return got
}

func hashOf(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

func paths(tree *source.Tree) []string {
	out := []string{}
	for _, f := range tree.Files {
		out = append(out, f.Path)
	}
	return out
}

func wantReason(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if fault.CodeOf(err) != code || fault.ReasonOf(err) != reason {
		t.Errorf("got %s %s (%v), want %s %s", fault.CodeOf(err), fault.ReasonOf(err), err, code, reason)
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"train.py": "print()", "run.sh": "exit 3", "src/a.py": "a", "src/deep/b.py": "", "日本 語\n\"q'": "odd",
		"to-file": "-> src/a.py", "src/to-root": "-> ..", "to-nothing": "-> not/here",
		".git/HEAD": "x", "src/.git": "gitdir: x", "src/__pycache__/a.pyc": "x", "__pycache__x": "kept", "empty/.gitignore": "",
	})
	for name, mode := range map[string]os.FileMode{"run.sh": 0o700, "train.py": 0o600} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	tree := walk(t, dir, source.Options{})
	want := map[string]string{
		"train.py": "644 print()", "run.sh": "755 exit 3", "src/a.py": "644 a", "src/deep/b.py": "644 ", "日本 語\n\"q'": "644 odd",
		"to-file": "120000 src/a.py", "src/to-root": "120000 ..", "to-nothing": "120000 not/here",
		"__pycache__x": "644 kept", "empty/.gitignore": "644 ",
	}
	if diff := cmp.Diff(want, content(t, tree)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var size int64
	for _, f := range tree.Files {
		size += f.Size
	}
	if tree.Bytes != size {
		t.Errorf("Bytes = %d, want %d", tree.Bytes, size)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree.Files, walk(t, link, source.Options{}).Files); diff != "" {
		t.Errorf("through a link to the folder (-want +got):\n%s", diff)
	}
}

func TestAmlignoreTakesThePlaceOfGitignore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"git only":                  {map[string]string{".gitignore": "*.bin", "a.bin": "", "a.py": ""}, []string{".gitignore", "a.py"}},
		"aml alone counts":          {map[string]string{".gitignore": "*.bin", ".amlignore": "*.txt", "a.bin": "", "a.txt": ""}, []string{".amlignore", ".gitignore", "a.bin"}},
		"an empty aml sends all":    {map[string]string{".gitignore": "*", ".amlignore": "", "a": ""}, []string{".amlignore", ".gitignore", "a"}},
		"below it too":              {map[string]string{".amlignore": "", "d/.gitignore": "*", "d/a": ""}, []string{".amlignore", "d/.gitignore", "d/a"}},
		"not above it or beside it": {map[string]string{".gitignore": "*.o", "d/.amlignore": "*.x", "d/.gitignore": "*.y", "d/a.o": "", "d/a.x": "", "d/a.y": "", "e/.gitignore": "*.y", "e/a.y": ""}, []string{".gitignore", "d/.amlignore", "d/.gitignore", "d/a.y", "e/.gitignore"}},
		"a folder of that name":     {map[string]string{".gitignore": "*.o", ".amlignore/x": "", "a.o": ""}, []string{".amlignore/x", ".gitignore"}},
		"a link to nothing":         {map[string]string{".gitignore": "-> nowhere", "a": ""}, []string{".gitignore", "a"}},
		"a link":                    {map[string]string{".gitignore": "-> rules", "rules": "*.o\n", "a.o": ""}, []string{".gitignore", "rules"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, c.files)
			if diff := cmp.Diff(c.want, paths(walk(t, dir, source.Options{}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWalkRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code   fault.Code
		reason string
		make   func(t *testing.T, dir string) (odd string, err error)
	}{
		"a link to an absolute path": {fault.Invalid, "LinkLeaves", link("a", "/etc/passwd")},
		"a link up":                  {fault.Invalid, "LinkLeaves", link("a", "..")},
		"a link up and down":         {fault.Invalid, "LinkLeaves", link("a", "b/../../x")},
		"a name that is not UTF-8":   {fault.Invalid, "PathInvalid", func(_ *testing.T, dir string) (string, error) { return "a\xff", os.WriteFile(dir+"/a\xff", nil, 0o644) }},
		"a pipe":                     {fault.Invalid, "FileTypeUnsupported", func(_ *testing.T, dir string) (string, error) { return "a", syscall.Mkfifo(dir+"/a", 0o644) }},
		"a socket": {fault.Invalid, "FileTypeUnsupported", func(t *testing.T, dir string) (string, error) {
			l, err := new(net.ListenConfig).Listen(t.Context(), "unix", dir+"/a")
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return "a", err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "z") // short: a socket's path has 107 bytes
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			odd, err := c.make(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Walk(t.Context(), dir, source.Options{})
			wantReason(t, err, c.code, c.reason)
			if f := fault.From(err); !strings.Contains(f.What, strings.Trim(fmt.Sprintf("%q", odd), `"`)) || !strings.Contains(f.Fix, ".amlignore") {
				t.Errorf("the fault does not name %q: %v; %s", odd, f, f.Fix)
			}
			// What the fix says helps.
			write(t, dir, map[string]string{".amlignore": "a*"})
			if diff := cmp.Diff([]string{".amlignore"}, paths(walk(t, dir, source.Options{}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func link(name, target string) func(*testing.T, string) (string, error) {
	return func(_ *testing.T, dir string) (string, error) {
		return name, os.Symlink(target, filepath.Join(dir, name))
	}
}

func TestWalkOfNoFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"file": ""})
	_, err := source.Walk(t.Context(), dir+"/no", source.Options{})
	wantReason(t, err, fault.NotFound, "FolderNotFound")
	_, err = source.Walk(t.Context(), dir+"/file", source.Options{})
	wantReason(t, err, fault.Invalid, "NotAFolder")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Walk(ctx, dir, source.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"secret": "x"})
	if err := os.Chmod(filepath.Join(dir, "secret"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := source.Walk(t.Context(), dir, source.Options{})
	wantReason(t, err, fault.Denied, "FileUnreadable")
}

func TestLimitsNameWhatIsLarge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string]string{"model.bin": strings.Repeat("x", 5000), "a.py": "a"}
	for i := range 30 {
		files[fmt.Sprintf("data/%d/part", i)] = "x"
	}
	write(t, dir, files)
	reading := func(path string, _ int64) { t.Errorf("it reads %q of a folder that is too large", path) }
	_, err := source.Walk(t.Context(), dir, source.Options{Files: 31, Reading: reading})
	wantReason(t, err, fault.Invalid, "FolderTooLarge")
	if why := fault.From(err).Why; !strings.Contains(why, `most files are in "data/" (30)`) {
		t.Error(why)
	}
	_, err = source.Walk(t.Context(), dir, source.Options{Bytes: 5000, Reading: reading})
	wantReason(t, err, fault.Invalid, "FolderTooLarge")
	if f := fault.From(err); !strings.Contains(f.Why, `the largest are "model.bin" (4.9 KiB), "a.py" (1 bytes)`) || !strings.Contains(f.Fix, ".amlignore") {
		t.Error(f, f.Fix)
	}
	write(t, dir, map[string]string{".amlignore": "data/\n*.bin\n"})
	if diff := cmp.Diff([]string{".amlignore", "a.py"}, paths(walk(t, dir, source.Options{Files: 2, Bytes: 100}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpenNoticesChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(file string) error{
		"longer":       func(file string) error { return os.WriteFile(file, []byte("print(12)"), 0o644) },
		"same size":    func(file string) error { return os.WriteFile(file, []byte("print(2)"), 0o644) },
		"gone":         os.Remove,
		"now a folder": func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o755)) },
		"now a pipe":   func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o644)) },
		"now a link":   func(file string) error { return errors.Join(os.Remove(file), os.Symlink("other", file)) },
		"replaced": func(file string) error {
			return errors.Join(os.WriteFile(file+"~", []byte("print(1)"), 0o644), os.Rename(file+"~", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"train.py": "print(1)", "other": "print(1)"})
			tree := walk(t, dir, source.Options{})
			if err := change(filepath.Join(dir, "train.py")); err != nil {
				t.Fatal(err)
			}
			_, err := tree.Open(t.Context(), "train.py")
			wantReason(t, err, fault.Precondition, "FileChanged")
			if f := fault.From(err); !strings.Contains(f.What, `"train.py"`) || f.Fix == "" {
				t.Error(f)
			}
		})
	}
}

// A file that is written to while it is sent ends in a fault, and not as if it were whole.
func TestReadingNoticesChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(file string) error
		ok     bool
	}{
		"nothing":   {func(string) error { return nil }, true},
		"appended":  {func(file string) error { return appendTo(file, "more") }, true}, // the rest is as hashed
		"cut short": {func(file string) error { return os.Truncate(file, 5) }, false},
		"other":     {func(file string) error { return os.WriteFile(file, bytes.Repeat([]byte("y"), 100_000), 0o644) }, false},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"data": strings.Repeat("x", 100_000)})
		tree := walk(t, dir, source.Options{})
		r, err := tree.Open(t.Context(), "data")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if err := c.change(filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(r)
		if c.ok && (err != nil || len(rest) != 99_990) {
			t.Errorf("%s: got %d bytes, %v", name, len(rest), err)
		}
		if !c.ok && fault.ReasonOf(err) != "FileChanged" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

func TestOpenOfWhatIsNotInTheTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "", ".amlignore": "b", "b": ""})
	tree := walk(t, dir, source.Options{})
	for _, p := range []string{"b", "", "../x", "/etc/passwd"} {
		_, err := tree.Open(t.Context(), p)
		wantReason(t, err, fault.NotFound, "FileNotFound")
	}
}

// reader counts the files that a walk reads.
type reader struct {
	mu    sync.Mutex
	files map[string]int
}

func (r *reader) read(path string, _ int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files == nil {
		r.files = map[string]int{}
	}
	r.files[path]++
}

func TestUnchangedFilesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"a": "1", "b": "2", "sub/c": "3", "d": "4", "e": "5", "link": "-> a"})
	step := func(want map[string]int) *source.Tree {
		t.Helper()
		var r reader
		tree := walk(t, dir, source.Options{Cache: cache, Reading: r.read})
		if diff := cmp.Diff(want, r.files); diff != "" {
			t.Errorf("files read (-want +got):\n%s", diff)
		}
		content(t, tree) // checks each hash
		return tree
	}
	first := step(map[string]int{"a": 1, "b": 1, "sub/c": 1, "d": 1, "e": 1})
	second := step(nil) // though the files were made a moment before the first walk
	if diff := cmp.Diff(first.Files, second.Files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Same size, and the time of modification set back: only the ctime tells.
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"a": "9", "new": "6"})
	if err := os.Chtimes(filepath.Join(dir, "a"), time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "e")); err != nil {
		t.Fatal(err)
	}
	step(map[string]int{"a": 1, "new": 1, "e": 1})
	step(nil)
	if err := os.Chmod(filepath.Join(dir, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	step(map[string]int{"b": 1})
	if err := os.Remove(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	step(nil)
}

// A file that is rewritten at once with other bytes of the same length, as a loop of edit and
// submit by a program does, is never taken for the one before.
func TestRapidRewritesAreSeen(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	for i := range 40 {
		text := fmt.Sprintf("lr = 0.%02d", i)
		write(t, dir, map[string]string{"params": text})
		if got := content(t, walk(t, dir, source.Options{Cache: cache}))["params"]; got != "644 "+text {
			t.Fatalf("rewrite %d: got %q", i, got)
		}
	}
}

// Who submits from the home folder does not send the cache, which is in there.
func TestTheCacheIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "1", ".cache/other": "2"})
	for range 2 {
		if got := content(t, walk(t, dir, source.Options{Cache: filepath.Join(dir, ".cache", "hashes")})); len(got) != 2 {
			t.Errorf("it has %v", got)
		}
	}
}

func TestDamagedCacheCountsAsNone(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"a": "1", "b": "2"})
	want := walk(t, dir, source.Options{Cache: cache}).Files
	list, err := os.ReadDir(cache)
	if err != nil || len(list) != 1 {
		t.Fatalf("the cache has %d files, %v", len(list), err)
	}
	name := filepath.Join(cache, list[0].Name())
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		for _, text := range [][]byte{bad, good[:i]} {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			var r reader
			got := walk(t, dir, source.Options{Cache: cache, Reading: r.read}).Files
			if diff := cmp.Diff(want, got); diff != "" || len(r.files) != 2 {
				t.Fatalf("byte %d: read %v (-want +got):\n%s", i, r.files, diff)
			}
		}
	}
	for name, cache := range map[string]string{"a file": filepath.Join(dir, "a"), "no place": "/dev/null/x"} {
		if diff := cmp.Diff(want, walk(t, dir, source.Options{Cache: cache}).Files); diff != "" {
			t.Errorf("the cache is %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCachesOfOldFoldersGo(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), t.TempDir()
	write(t, dir, map[string]string{"a": "1"})
	write(t, cache, map[string]string{"old": "", "young": ""})
	long := time.Now().Add(-61 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(cache, "old"), long, long); err != nil {
		t.Fatal(err)
	}
	walk(t, dir, source.Options{Cache: cache})
	if _, err := os.Stat(filepath.Join(cache, "old")); !os.IsNotExist(err) {
		t.Errorf("the old cache is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cache, "young")); err != nil {
		t.Error(err)
	}
}

func TestAnyTreeReadsBack(t *testing.T) {
	t.Parallel()
	base, cache := t.TempDir(), t.TempDir()
	part := rapid.StringMatching(`[a-cé日 \n"']{1,3}`).Filter(func(s string) bool { return s != "." && s != ".." })
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		want := map[string]string{}
		for range rapid.IntRange(1, 8).Draw(rt, "files") {
			p := filepath.Join(dir, filepath.Join(rapid.SliceOfN(part, 1, 3).Draw(rt, "path")...))
			text := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(rt, "text")
			if os.MkdirAll(filepath.Dir(p), 0o755) != nil || os.WriteFile(p, text, 0o644) != nil {
				continue // it would run through a file, or replace a folder
			}
			want[p[len(dir)+1:]] = "644 " + string(text)
		}
		if len(want) == 0 {
			return
		}
		for range 2 {
			if diff := cmp.Diff(want, content(t, walk(t, dir, source.Options{Cache: cache}))); diff != "" {
				rt.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
}

func BenchmarkWalk2000(b *testing.B) {
	dir, cache := b.TempDir(), b.TempDir()
	files := map[string]string{".gitignore": "*.pyc\n/build/\n**/node_modules\n*.[oa]\n!keep.o\n.venv/\n"}
	for i := range 2000 {
		files[fmt.Sprintf("pkg%d/sub%d/module_%d.py", i%10, i%7, i)] = strings.Repeat(fmt.Sprintf("print(%d)\n", i), 200)
	}
	write(b, dir, files)
	for name, o := range map[string]source.Options{"first": {}, "again": {Cache: cache}} {
		walk(b, dir, o)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				walk(b, dir, o)
			}
		})
	}
}
