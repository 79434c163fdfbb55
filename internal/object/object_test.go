package object_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// lab is a store of files on a folder, whose database may be made to die.
type lab struct {
	*object.Store
	rows  object.Rows
	blobs *blob.Dir
	db    *sqlstore.DB
	dies  *faultsql.Driver
	dir   string
}

func open(t *testing.T, dir string) *lab {
	t.Helper()
	l := &lab{dies: &faultsql.Driver{}, dir: dir}
	var err error
	if l.blobs, err = blob.NewDir(filepath.Join(dir, "blobs")); err != nil {
		t.Fatal(err)
	}
	l.db, err = sqlstore.OpenWith(t.Context(), "sqlite:"+filepath.Join(dir, "z.db"), slog.New(slog.DiscardHandler), sqlstore.Options{Wrap: l.dies.Wrap, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	l.rows = l.db.Artifacts()
	l.Store = object.New(l.rows, l.blobs)
	t.Cleanup(l.close)
	return l
}

func (l *lab) close() {
	l.db.Close() // may be dead
	l.blobs.Close()
}

func (l *lab) put(t *testing.T, owner, path, text string) object.File {
	t.Helper()
	f, err := l.Put(t.Context(), owner, path, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (l *lab) text(t *testing.T, owner, path string) string {
	t.Helper()
	_, body, err := l.Open(t.Context(), owner, path, 0)
	if err != nil {
		return fault.ReasonOf(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bytes counts the blobs.
func (l *lab) bytes(t *testing.T) (n int) {
	t.Helper()
	err := l.blobs.List(t.Context(), "", func(string, int64) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// later has the grace of all loose blobs be over, and sweeps.
func (l *lab) later(t *testing.T) {
	t.Helper()
	names, err := l.rows.Doom(t.Context(), time.Now().Add(2*object.Grace), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := errors.Join(l.blobs.Delete(t.Context(), name), l.rows.Forget(t.Context(), name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	f := l.put(t, "r", "outputs/a", "hello")
	if f.Size != 5 || f.Hash != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" {
		t.Errorf("it is %+v", f)
	}
	_, body, err := l.Open(t.Context(), "r", "outputs/a", 3)
	if err != nil {
		t.Fatal(err)
	}
	l.put(t, "r", "outputs/a", "another")
	if b, err := io.ReadAll(body); string(b) != "lo" || err != nil {
		t.Errorf("a reader got %q, %v of a file that was replaced", b, err)
	}
	if b, err := l.OpenFile(t.Context(), f, 1); err != nil {
		t.Errorf("the bytes of before: %v", err)
	} else if b, _ := io.ReadAll(b); string(b) != "ello" {
		t.Errorf("the bytes of before are %q", b)
	}
	if got := l.text(t, "r", "outputs/a"); got != "another" {
		t.Errorf("it holds %q", got)
	}
	l.later(t)
	if n, got := l.bytes(t), l.text(t, "r", "outputs/a"); n != 1 || got != "another" {
		t.Errorf("%d blobs and %q are left", n, got)
	}
}

// An upload that dies leaves what was there, and its bytes are swept.
func TestBrokenUploads(t *testing.T) {
	t.Parallel()
	died := errors.New("connection reset")
	for name, c := range map[string]struct {
		body   io.Reader
		reason string
	}{
		"dies in the middle":  {object.Received(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(died)), ""), "UploadBroken"},
		"dies at once":        {object.Received(iotest.ErrReader(io.ErrUnexpectedEOF), ""), "UploadBroken"},
		"has other bytes":     {object.Received(strings.NewReader("x"), strings.Repeat("0", 64)), "ChecksumMismatch"},
		"fails by itself":     {iotest.ErrReader(&fault.Error{Code: fault.Unavailable, Reason: "TargetGone"}), "TargetGone"},
		"one byte at a time":  {object.Received(iotest.OneByteReader(strings.NewReader("x")), "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"), ""},
		"last bytes with EOF": {object.Received(iotest.DataErrReader(strings.NewReader("x")), "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, t.TempDir())
			l.put(t, "r", "a", "old")
			_, err := l.Put(t.Context(), "r", "a", c.body)
			if fault.ReasonOf(err) != c.reason {
				t.Errorf("it returned %v, want %q", err, c.reason)
			}
			want := "x"
			if c.reason != "" {
				want = "old"
			}
			l.later(t)
			if got, n := l.text(t, "r", "a"), l.bytes(t); got != want || n != 1 {
				t.Errorf("%q and %d blobs are left, want %q and 1", got, n, want)
			}
		})
	}
}

// TestKilledBetweenBytesAndRow has the database die at each statement of an upload that replaces a file:
// what is there afterwards is the old file or the new one, whole, and nothing of the other is kept.
func TestKilledBetweenBytesAndRow(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, answered := range []bool{false, true} {
		for n := int64(1); ; n++ {
			dir := t.TempDir()
			l := open(t, dir)
			l.put(t, "r", "a", "old")
			l.dies.DieIn(n, answered)
			_, err := l.Put(t.Context(), "r", "a", strings.NewReader("new"))
			dead := l.dies.Dead()
			l.close()
			l = open(t, dir)
			got := l.text(t, "r", "a")
			if got != "old" && got != "new" || err == nil && got != "new" {
				t.Errorf("after the death at statement %d: %q, and Put returned %v", n, got, err)
			}
			seen[got] = true
			l.later(t)
			if blobs := l.bytes(t); blobs != 1 || l.text(t, "r", "a") != got {
				t.Errorf("after the death at statement %d: %d blobs and %q are left", n, blobs, l.text(t, "r", "a"))
			}
			if !dead {
				break
			}
		}
	}
	if !seen["old"] || !seen["new"] {
		t.Errorf("it met only %v: the test kills at one place", seen)
	}
}

// An upload that is slower than the grace is not swept as long as its bytes come; one that was swept
// does not appear.
func TestSweptUpload(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	body := func(yield func()) io.Reader {
		return io.MultiReader(strings.NewReader("first "), readerFunc(func([]byte) (int, error) { yield(); return 0, io.EOF }))
	}
	_, err := l.Put(t.Context(), "r", "a", body(func() { l.later(t) }))
	if fault.ReasonOf(err) != "UploadExpired" {
		t.Errorf("an upload whose time was over returned %v", err)
	}
	if got := l.text(t, "r", "a"); got != "ArtifactNotFound" {
		t.Errorf("it appeared as %q", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSweepSparesTheLiving shares, replaces, deletes and sweeps at once: each file that is there can be
// read.
func TestSweepSparesTheLiving(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			l.later(t)
		}
	}()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			from, to := fmt.Sprint("from", w), fmt.Sprint("to", w)
			for i := range 15 {
				_, err := l.Put(t.Context(), from, "a", strings.NewReader(fmt.Sprint(w, i)))
				if err == nil {
					_, err = l.Share(t.Context(), object.Link{From: from, To: to, At: fmt.Sprint(i)})
				}
				if err != nil && fault.ReasonOf(err) != "UploadExpired" { // the sweep was told that it is hours later
					t.Error(err)
				}
				if i%3 == 0 {
					err = l.Clear(t.Context(), from)
				}
				if err != nil && fault.ReasonOf(err) != "UploadExpired" {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	<-done
	l.later(t)
	n := 0
	for w := range 8 {
		files, _, err := l.List(t.Context(), fmt.Sprint("to", w), "", store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if n++; l.text(t, f.Owner, f.Path) == "" || strings.HasSuffix(l.text(t, f.Owner, f.Path), "Found") {
				t.Errorf("the bytes of %+v are gone", f)
			}
		}
	}
	if n == 0 {
		t.Error("no upload came through")
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	for _, path := range []string{"a", "b/1", "b/2/x", "b-c", "b.txt", "b/2/y", "c/d/e", "zürich/東京 🚀", "b0"} {
		l.put(t, "r", path, "x")
	}
	for i := range 450 { // more than one page of rows
		if err := l.rows.Insert(t.Context(), object.File{Owner: "r", Path: fmt.Sprintf("many/%03d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ dir, want string }{
		{"", "a b-c b.txt b/ b0 c/ many/ zürich/"},
		{"b", "b/1 b/2/"},
		{"b/2/", "b/2/x b/2/y"},
		{"zürich", "zürich/東京 🚀"},
		{"nothing", ""},
		{"a", ""},
	} {
		for _, limit := range []int{0, 1, 3} {
			var got []string
			for p := (store.Page{Limit: limit}); ; {
				entries, next, err := l.Folder(t.Context(), "r", c.dir, p)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					got = append(got, e.Path+map[bool]string{true: "/"}[e.Dir])
				}
				if p.Cursor = next; next == "" {
					break
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("%q by %d (-want +got):\n%s", c.dir, limit, diff)
			}
		}
	}
	if _, _, err := l.Folder(t.Context(), "r", "", store.Page{Cursor: "!"}); fault.ReasonOf(err) != "CursorInvalid" {
		t.Errorf("a bad cursor: %v", err)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"a", "outputs/model.pkl", `it's "quoted"`, "zürich/東京 🚀", "a b/ c", "..a/b..", "%2e%2e/x", "C:\\x", strings.Repeat("a/", 500) + "b"} {
		if err := object.CheckPath(path); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	for _, path := range []string{
		"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\x00b", "a\nb", "\xff", strings.Repeat("a/", 512) + "b", strings.Repeat("x", 256),
	} {
		if err := object.CheckPath(path); fault.ReasonOf(err) != "ArtifactPathInvalid" {
			t.Errorf("%q: %v", path, err)
		}
	}
}
