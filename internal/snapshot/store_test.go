package snapshot_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
)

// testStore is what every Store must pass.
func testStore(t *testing.T, open func(*testing.T) snapshot.Store) {
	for name, test := range map[string]func(*testing.T, snapshot.Store){
		"files come back as they were":    testRoundTrip,
		"missing is what is not there":    testMissing,
		"put checks the hash":             testPutChecks,
		"commit needs all files":          testCommitNeedsFiles,
		"the ID follows from the content": testID,
		"paths":                           testPaths,
		"links":                           testLinks,
		"no such snapshot":                testNoSnapshot,
		"an ended context":                testContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func file(path, text string, mode uint32) driver.File {
	return driver.File{Path: path, Mode: mode, Size: int64(len(text)), Hash: hashOf(text)}
}

// put stores text and returns it as a file.
func put(t testing.TB, s snapshot.Store, path, text string, mode uint32) driver.File {
	t.Helper()
	f := file(path, text, mode)
	if err := s.PutFile(t.Context(), f.Hash, strings.NewReader(text)); err != nil {
		t.Fatalf("PutFile(%q): %v", path, err)
	}
	return f
}

func commit(t *testing.T, s snapshot.Store, files ...driver.File) snapshot.ID {
	t.Helper()
	id, err := s.Commit(t.Context(), files)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return id
}

// content reads a whole snapshot: path to mode and bytes.
func content(t testing.TB, s snapshot.Store, id snapshot.ID) map[string]string {
	t.Helper()
	files, err := s.Files(t.Context(), id)
	if err != nil {
		t.Fatalf("Files: %v", err)
	}
	list, err := files.Manifest(t.Context())
	if err != nil {
		t.Fatalf("Manifest: %v", err)
	}
	got := map[string]string{}
	for _, f := range list {
		r, err := files.OpenHash(t.Context(), f.Hash)
		if err != nil {
			t.Fatalf("OpenHash(%q): %v", f.Path, err)
		}
		text, err := io.ReadAll(r)
		if err != nil || r.Close() != nil || int64(len(text)) != f.Size {
			t.Fatalf("read %q: %d bytes, %v", f.Path, len(text), err)
		}
		got[f.Path] = fmt.Sprintf("%o %s", f.Mode, text)
	}
	return got
}

func wantReason(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if fault.CodeOf(err) != code || fault.ReasonOf(err) != reason {
		t.Errorf("got %s %s (%v), want %s %s", fault.CodeOf(err), fault.ReasonOf(err), err, code, reason)
	}
}

func testRoundTrip(t *testing.T, s snapshot.Store) {
	odd := "日本 語/a\n\"b'\\ <&>\u2028"
	id := commit(t, s,
		put(t, s, "train.py", "print()", 0o600),
		put(t, s, "run.sh", "exit 3", 0o700),
		put(t, s, odd, "odd", 0o644),
		put(t, s, "same.py", "print()", 0o644),
		put(t, s, "empty", "", 0o644),
		put(t, s, "src/link", "../train.py", driver.ModeLink|0o777),
	)
	want := map[string]string{
		"train.py": "644 print()", "run.sh": "755 exit 3", odd: "644 odd",
		"same.py": "644 print()", "empty": "644 ", "src/link": "120000 ../train.py",
	}
	if diff := cmp.Diff(want, content(t, s, id)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	files, err := s.Files(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	other := put(t, s, "other", "of another snapshot", 0o644)
	for _, hash := range []string{other.Hash, hashOf("nowhere"), "", "../x"} {
		_, err := files.OpenHash(t.Context(), hash)
		wantReason(t, err, fault.NotFound, "FileNotFound")
	}
}

func testMissing(t *testing.T, s snapshot.Store) {
	a := put(t, s, "a", "a", 0)
	b, c := hashOf("b"), hashOf("c")
	got, err := s.Missing(t.Context(), []string{c, a.Hash, b, c, b, a.Hash})
	if diff := cmp.Diff([]string{c, b}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := s.Missing(t.Context(), nil); len(got) > 0 || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	for _, h := range []string{"", "x", "../../etc/passwd", strings.ToUpper(b), b + "0", strings.Repeat("g", 64)} {
		_, err := s.Missing(t.Context(), []string{h})
		wantReason(t, err, fault.Invalid, "HashInvalid")
	}
}

func testPutChecks(t *testing.T, s snapshot.Store) {
	h := hashOf("right")
	for _, text := range []string{"wrong", "", "right and more", "righ"} {
		wantReason(t, s.PutFile(t.Context(), h, strings.NewReader(text)), fault.Invalid, "HashMismatch")
	}
	if got, err := s.Missing(t.Context(), []string{h}); len(got) != 1 || err != nil {
		t.Errorf("a wrong file was stored: %v, %v", got, err)
	}
	for range 2 {
		if err := s.PutFile(t.Context(), h, strings.NewReader("right")); err != nil {
			t.Error(err)
		}
	}
	wantReason(t, s.PutFile(t.Context(), h, strings.NewReader("wrong")), fault.Invalid, "HashMismatch")
	wantReason(t, s.PutFile(t.Context(), "../x", strings.NewReader("x")), fault.Invalid, "HashInvalid")
}

func testCommitNeedsFiles(t *testing.T, s snapshot.Store) {
	a := put(t, s, "a", "a", 0)
	_, err := s.Commit(t.Context(), []driver.File{a, file("b", "b", 0)})
	wantReason(t, err, fault.Precondition, "FilesMissing")
	if !strings.Contains(err.Error(), `"b"`) || strings.Contains(err.Error(), `"a"`) {
		t.Errorf("the fault does not name the missing file: %v", err)
	}
	a.Size++
	_, err = s.Commit(t.Context(), []driver.File{a})
	wantReason(t, err, fault.Invalid, "SizeMismatch")
	a.Size = -1
	_, err = s.Commit(t.Context(), []driver.File{a})
	wantReason(t, err, fault.Invalid, "SizeMismatch")
}

func testID(t *testing.T, s snapshot.Store) {
	a, b := put(t, s, "a", "1", 0o644), put(t, s, "b", "2", 0o644)
	id := commit(t, s, a, b)
	for name, c := range map[string]struct {
		files []driver.File
		same  bool
	}{
		"again":              {[]driver.File{a, b}, true},
		"another order":      {[]driver.File{b, a}, true},
		"another umask":      {[]driver.File{file("a", "1", 0o600), b}, true},
		"one fewer":          {[]driver.File{a}, false},
		"none":               {nil, false},
		"swapped contents":   {[]driver.File{file("a", "2", 0o644), file("b", "1", 0o644)}, false},
		"one executable":     {[]driver.File{a, file("b", "2", 0o755)}, false},
		"one is a link":      {[]driver.File{a, file("b", "2", driver.ModeLink)}, false},
		"another name":       {[]driver.File{a, file("B", "2", 0o644)}, false},
		"in a folder":        {[]driver.File{a, file("b/b", "2", 0o644)}, false},
		"names differ in Aa": {[]driver.File{a, file("A", "1", 0o644), b}, false},
	} {
		if got := commit(t, s, c.files...); (got == id) != c.same {
			t.Errorf("%s: same ID %v, want %v", name, got == id, c.same)
		}
	}
}

func testPaths(t *testing.T, s snapshot.Store) {
	put(t, s, "x", "x", 0)
	put(t, s, "link", "sub", 0)
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		reason string
		files  []driver.File
	}{
		"empty":                   {"PathInvalid", []driver.File{file("", "x", 0)}},
		"the folder itself":       {"PathInvalid", []driver.File{file(".", "x", 0)}},
		"absolute":                {"PathInvalid", []driver.File{file("/etc/passwd", "x", 0)}},
		"up":                      {"PathInvalid", []driver.File{file("../x", "x", 0)}},
		"up inside":               {"PathInvalid", []driver.File{file("a/../x", "x", 0)}},
		"up at the end":           {"PathInvalid", []driver.File{file("a/..", "x", 0)}},
		"dot inside":              {"PathInvalid", []driver.File{file("a/./x", "x", 0)}},
		"slash twice":             {"PathInvalid", []driver.File{file("a//x", "x", 0)}},
		"slash at the end":        {"PathInvalid", []driver.File{file("a/", "x", 0)}},
		"NUL":                     {"PathInvalid", []driver.File{file("a\x00", "x", 0)}},
		"not UTF-8":               {"PathInvalid", []driver.File{file("a\xff", "x", 0)}},
		"long part":               {"PathInvalid", []driver.File{file(long, "x", 0)}},
		"long path":               {"PathInvalid", []driver.File{file(strings.Repeat("x/", 2000)+"x", "x", 0)}},
		"twice":                   {"PathTwice", []driver.File{file("a", "x", 0), file("a", "x", 0o755)}},
		"through a file":          {"PathThroughFile", []driver.File{file("a/b", "x", 0), file("a", "x", 0)}},
		"deep through a file":     {"PathThroughFile", []driver.File{file("a", "x", 0), file("a/b/c/d", "x", 0)}},
		"through a link":          {"PathThroughFile", []driver.File{file("a", "link", driver.ModeLink), file("a/b", "x", 0)}},
		"a folder":                {"ModeInvalid", []driver.File{file("a", "x", 0o040755)}},
		"set user ID":             {"ModeInvalid", []driver.File{file("a", "x", 0o4755)}},
		"a device":                {"ModeInvalid", []driver.File{file("a", "x", 0o060644)}},
		"bad hash":                {"HashInvalid", []driver.File{{Path: "a", Size: 1, Hash: "../../x"}}},
		"no hash":                 {"HashInvalid", []driver.File{{Path: "a", Size: 1}}},
		"fine: dots in the names": {"", []driver.File{file("..a/b..", "x", 0), file("...", "x", 0)}},
		"fine: one is a prefix":   {"", []driver.File{file("a", "x", 0), file("ab/c", "x", 0), file("a.b", "x", 0)}},
		"fine: a backslash":       {"", []driver.File{file(`..\x`, "x", 0)}},
		"fine: longest part":      {"", []driver.File{file(long[1:], "x", 0)}},
		"fine: no files":          {"", nil},
	} {
		_, err := s.Commit(t.Context(), c.files)
		if fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: got %v, want reason %q", name, err, c.reason)
		}
	}
}

func testLinks(t *testing.T, s snapshot.Store) {
	for name, c := range map[string]struct {
		reason string
		links  map[string]string
	}{
		"to a sibling":                {"", map[string]string{"a": "b"}},
		"up and inside":               {"", map[string]string{"d/a": "../x/y"}},
		"to the folder":               {"", map[string]string{"d/a": ".."}},
		"to nothing":                  {"", map[string]string{"a": "not/there"}},
		"through a link":              {"", map[string]string{"a": "b/c", "b": "d"}},
		"absolute":                    {"LinkLeaves", map[string]string{"a": "/etc/passwd"}},
		"up":                          {"LinkLeaves", map[string]string{"a": ".."}},
		"up from a folder":            {"LinkLeaves", map[string]string{"d/a": "../../x"}},
		"up and down again":           {"LinkLeaves", map[string]string{"a": "../folder/x"}},
		"inside, then up":             {"LinkLeaves", map[string]string{"a": "b/../../x"}},
		"up through a link":           {"LinkLeaves", map[string]string{"d/up": "..", "y": "d/up/.."}},
		"up through two links":        {"LinkLeaves", map[string]string{"d/e/up": "../..", "z": "y", "y": "d/e/up/../x"}},
		"up through a link's target":  {"LinkLeaves", map[string]string{"d/up": "./..//.", "y": "d/./up//../"}},
		"to itself":                   {"LinkLeaves", map[string]string{"a": "a"}},
		"in a circle":                 {"LinkLeaves", map[string]string{"a": "b", "b": "a"}},
		"empty":                       {"LinkInvalid", map[string]string{"a": ""}},
		"NUL":                         {"LinkInvalid", map[string]string{"a": "b\x00c"}},
		"longer than a path":          {"LinkInvalid", map[string]string{"a": strings.Repeat("x/", 2048)}},
		"not through a file's parent": {"", map[string]string{"d/e/f": "../../d/e"}},
	} {
		var files []driver.File
		for p, target := range c.links {
			files = append(files, put(t, s, p, target, driver.ModeLink))
		}
		_, err := s.Commit(t.Context(), files)
		if fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: got %v, want reason %q", name, err, c.reason)
		}
	}
}

func testNoSnapshot(t *testing.T, s snapshot.Store) {
	for _, id := range []snapshot.ID{"", "x", "../../etc/passwd", snapshot.ID(hashOf("x"))} {
		_, err := s.Files(t.Context(), id)
		wantReason(t, err, fault.NotFound, "SnapshotNotFound")
	}
}

func testContext(t *testing.T, s snapshot.Store) {
	a := put(t, s, "a", "a", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Missing(ctx, []string{a.Hash})
	_, err2 := s.Commit(ctx, []driver.File{a})
	for _, err := range []error{err, err2, s.PutFile(ctx, hashOf("b"), strings.NewReader("b"))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

// sorted returns a map's values in the order of its keys.
func sorted(m map[string]driver.File) []driver.File {
	var out []driver.File
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
