package blob_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// testStore is what every Store must pass.
func testStore(t *testing.T, open func(*testing.T) blob.Store) {
	for name, test := range map[string]func(*testing.T, blob.Store){
		"put replaces the whole blob":            testPutReplaces,
		"a put whose reader fails changes none":  testPutFails,
		"append is idempotent by offset":         testAppend,
		"open reads from an offset":              testOpen,
		"what is not there":                      testAbsent,
		"list is the names below a prefix":       testList,
		"names that lead out or are odd":         testNames,
		"a name cannot be another's folder":      testTaken,
		"concurrent puts leave one whole":        testConcurrent,
		"an ended context stops each operation":  testContext,
		"a reader sees what is appended later":   testGrowing,
		"delete twice":                           testDelete,
		"append to a blob that put made":         testPutAppend,
		"empty blobs and empty appends are fine": testEmpty,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func put(t *testing.T, s blob.Store, name, text string) {
	t.Helper()
	n, err := s.Put(t.Context(), name, strings.NewReader(text))
	if err != nil || n != int64(len(text)) {
		t.Fatalf("Put(%q) = %d, %v", name, n, err)
	}
}

func get(t *testing.T, s blob.Store, name string, offset int64) string {
	t.Helper()
	r, err := s.Open(t.Context(), name, offset)
	if err != nil {
		t.Fatalf("Open(%q): %v", name, err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %q: %v", name, err)
	}
	return string(text)
}

func wantCode(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if fault.CodeOf(err) != code || fault.ReasonOf(err) != reason {
		t.Errorf("got %s %s (%v), want %s %s", fault.CodeOf(err), fault.ReasonOf(err), err, code, reason)
	}
}

func testPutReplaces(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "a longer text")
	put(t, s, "a/b", "short")
	if got := get(t, s, "a/b", 0); got != "short" {
		t.Errorf("got %q", got)
	}
}

func testPutFails(t *testing.T, s blob.Store) {
	put(t, s, "a", "before")
	broken := errors.New("the line broke")
	for _, name := range []string{"a", "new"} {
		_, err := s.Put(t.Context(), name, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("Put: %v, want the reader's error", err)
		}
	}
	if got := get(t, s, "a", 0); got != "before" {
		t.Errorf("got %q", got)
	}
	if _, err := s.Size(t.Context(), "new"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a half blob is there: %v", err)
	}
}

func testAppend(t *testing.T, s blob.Store) {
	for _, c := range []struct {
		offset     int64
		p, want    string
		wantReason string
	}{
		{0, "one ", "one ", ""},
		{4, "two ", "one two ", ""},
		{4, "two ", "one two ", ""},           // sent again
		{4, "TWO three", "one two three", ""}, // the part before the end is not written again
		{0, "x", "one two three", ""},
		{14, "gap", "one two three", "OffsetGap"},
		{-1, "x", "one two three", "OffsetInvalid"},
	} {
		err := s.Append(t.Context(), "runs/1/log", c.offset, []byte(c.p))
		if fault.ReasonOf(err) != c.wantReason {
			t.Errorf("Append(%d, %q): %v, want reason %q", c.offset, c.p, err, c.wantReason)
		}
		if got := get(t, s, "runs/1/log", 0); got != c.want {
			t.Errorf("Append(%d, %q): blob is %q, want %q", c.offset, c.p, got, c.want)
		}
	}
}

func testOpen(t *testing.T, s blob.Store) {
	put(t, s, "a", "0123456789")
	for offset, want := range map[int64]string{0: "0123456789", 4: "456789", 10: "", 11: "", 1 << 40: ""} {
		if got := get(t, s, "a", offset); got != want {
			t.Errorf("from %d: %q, want %q", offset, got, want)
		}
	}
	_, err := s.Open(t.Context(), "a", -1)
	wantCode(t, err, fault.Invalid, "OffsetInvalid")
}

func testAbsent(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	for _, name := range []string{"no", "no/no", "a", "a/b/c"} { // "a" is a folder, "a/b" a blob
		_, err := s.Open(t.Context(), name, 0)
		wantCode(t, err, fault.NotFound, "BlobNotFound")
		_, err = s.Size(t.Context(), name)
		wantCode(t, err, fault.NotFound, "BlobNotFound")
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("Delete(%q): %v", name, err)
		}
	}
	if got := get(t, s, "a/b", 0); got != "x" {
		t.Errorf("got %q", got)
	}
}

func list(t *testing.T, s blob.Store, prefix string) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	err := s.List(t.Context(), prefix, func(name string, size int64) error {
		got[name] = size
		return nil
	})
	if err != nil {
		t.Fatalf("List(%q): %v", prefix, err)
	}
	return got
}

func testList(t *testing.T, s blob.Store) {
	for name, text := range map[string]string{"a/1": "x", "a/b/2": "xx", "ab/3": "xxx", "c": "xxxx"} {
		put(t, s, name, text)
	}
	for prefix, want := range map[string]map[string]int64{
		"a/":   {"a/1": 1, "a/b/2": 2},
		"a/b/": {"a/b/2": 2},
		"c/":   {},
		"no/":  {},
		"":     {"a/1": 1, "a/b/2": 2, "ab/3": 3, "c": 4},
	} {
		if diff := cmp.Diff(want, list(t, s, prefix)); diff != "" && len(want) > 0 {
			t.Errorf("List(%q) (-want +got):\n%s", prefix, diff)
		}
	}
	err := s.List(t.Context(), "a", nil)
	wantCode(t, err, fault.Invalid, "BlobNameInvalid")
	stop := errors.New("enough")
	if err := s.List(t.Context(), "a/", func(string, int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("List: %v, want the visitor's error", err)
	}
}

func testNames(t *testing.T, s blob.Store) {
	for _, name := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/.", "a/../b", "../a", "a/../../b",
		"nul\x00", "bad\xff", strings.Repeat("x", 256), strings.Repeat("x/", 2000) + "x",
	} {
		_, err := s.Put(t.Context(), name, strings.NewReader("x"))
		wantCode(t, err, fault.Invalid, "BlobNameInvalid")
		wantCode(t, s.Append(t.Context(), name, 0, nil), fault.Invalid, "BlobNameInvalid")
		_, err = s.Open(t.Context(), name, 0)
		wantCode(t, err, fault.Invalid, "BlobNameInvalid")
		wantCode(t, s.Delete(t.Context(), name), fault.Invalid, "BlobNameInvalid")
	}
	want := map[string]int64{}
	for _, name := range []string{"a b", "a\nb", `q"'\`, "日本語", "-rf", "...", strings.Repeat("y", 255), "*?"} {
		put(t, s, "odd/"+name, name)
		want["odd/"+name] = int64(len(name))
	}
	if diff := cmp.Diff(want, list(t, s, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func testTaken(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	for _, name := range []string{"a", "a/b/c", "a/b/c/d"} {
		_, err := s.Put(t.Context(), name, strings.NewReader("y"))
		wantCode(t, err, fault.Exists, "BlobNameTaken")
		wantCode(t, s.Append(t.Context(), name, 0, []byte("y")), fault.Exists, "BlobNameTaken")
	}
}

func testConcurrent(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			put(t, s, "new/folder/a", strings.Repeat(string(rune('a'+i)), 10_000))
			put(t, s, "new/folder/of/"+string(rune('a'+i)), "x")
		})
	}
	wg.Wait()
	got := get(t, s, "new/folder/a", 0)
	if len(got) != 10_000 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("the blob is a mix of %d bytes", len(got))
	}
	if n := len(list(t, s, "new/folder/of/")); n != 16 {
		t.Errorf("%d blobs, want 16", n)
	}
}

func testContext(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, "a/b", strings.NewReader("y"))
	_, err2 := s.Open(ctx, "a/b", 0)
	err3 := s.List(ctx, "a/", func(string, int64) error { return nil })
	for _, err := range []error{err, err2, err3, s.Append(ctx, "a/b", 1, []byte("y")), s.Delete(ctx, "a/b")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if got := get(t, s, "a/b", 0); got != "x" {
		t.Errorf("got %q", got)
	}
}

func testGrowing(t *testing.T, s blob.Store) {
	put(t, s, "log", "one")
	r, err := s.Open(t.Context(), "log", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); string(text) != "one" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if err := s.Append(t.Context(), "log", 3, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); string(text) != "two" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func testDelete(t *testing.T, s blob.Store) {
	put(t, s, "a/b", "x")
	for range 2 {
		if err := s.Delete(t.Context(), "a/b"); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, s, ""); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
}

func testPutAppend(t *testing.T, s blob.Store) {
	put(t, s, "a", "one")
	if err := s.Append(t.Context(), "a", 3, []byte(" two")); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "a", 0); got != "one two" {
		t.Errorf("got %q", got)
	}
}

func testEmpty(t *testing.T, s blob.Store) {
	put(t, s, "a", "")
	if err := s.Append(t.Context(), "b", 0, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"a": 0, "b": 0}, list(t, s, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
