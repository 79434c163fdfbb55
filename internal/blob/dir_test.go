package blob_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func openDir(t testing.TB, root string) *blob.Dir {
	t.Helper()
	d, err := blob.NewDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDir(t *testing.T) {
	t.Parallel()
	testStore(t, func(t *testing.T) blob.Store { return openDir(t, filepath.Join(t.TempDir(), "not", "yet", "there")) })
}

func TestDirKeepsBlobsAcrossOpens(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	put(t, d, "a/b", "text")
	if err := d.Append(t.Context(), "runs/1/log", 0, []byte("line")); err != nil {
		t.Fatal(err)
	}
	if err := d.Sync(t.Context(), "runs/1/log"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again := openDir(t, root)
	if got := get(t, again, "a/b", 0) + get(t, again, "runs/1/log", 0); got != "textline" {
		t.Errorf("got %q", got)
	}
	wantCode(t, again.Sync(t.Context(), "runs/2/log"), fault.NotFound, "BlobNotFound")
}

// A link in the folder that leads out of it, made by a hand or by a restored archive, opens
// nothing outside.
func TestDirFollowsNoLinkOut(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	d := openDir(t, root)
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "data", "out")); err != nil {
		t.Fatal(err)
	}
	if r, err := d.Open(t.Context(), "out/secret", 0); err == nil {
		r.Close()
		t.Error("it opened a file outside")
	}
	if _, err := d.Put(t.Context(), "out/new", strings.NewReader("x")); err == nil {
		t.Error("it wrote outside")
	}
	if err := d.Append(t.Context(), "out/secret", 6, []byte("x")); err == nil {
		t.Error("it appended outside")
	}
	if err := d.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("it deleted outside")
	}
	if entries, err := os.ReadDir(outside); len(entries) != 1 || err != nil {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

func TestDirRemovesStaleTemporaryFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	openDir(t, root)
	fresh, stale := filepath.Join(root, "temp", "fresh"), filepath.Join(root, "temp", "stale")
	for _, name := range []string{fresh, stale} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	openDir(t, root)
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("it took what another process may be writing: %v", err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the stale file is there: %v", err)
	}
}

func TestDirLeavesNoTemporaryFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	d := openDir(t, root)
	testPutFails(t, d)
	for name, reason := range map[string]string{"a/b": "BlobNameTaken", "..": "BlobNameInvalid"} {
		_, err := d.Put(t.Context(), name, strings.NewReader("x"))
		if fault.ReasonOf(err) != reason {
			t.Errorf("Put(%q): %v", name, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(root, "temp")); len(entries) > 0 || err != nil {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func BenchmarkDirPut(b *testing.B) {
	d := openDir(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if _, err := d.Put(b.Context(), fmt.Sprintf("files/%02x/%d", i%256, i), strings.NewReader("print('hello')")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDirPutParallel(b *testing.B) {
	d := openDir(b, b.TempDir())
	next := make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range next {
				if _, err := d.Put(b.Context(), fmt.Sprintf("files/%02x/%d", i%256, i), strings.NewReader("print('hello')")); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := 0; b.Loop(); i++ {
		next <- i
	}
	close(next)
	wg.Wait()
}

func BenchmarkDirAppendAndSync(b *testing.B) {
	d := openDir(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("runs/%d/log", i)
		if err := d.Append(b.Context(), name, 0, []byte("hello\n")); err != nil {
			b.Fatal(err)
		}
		if err := d.Sync(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDirAppend(b *testing.B) {
	d := openDir(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if err := d.Append(b.Context(), "runs/1/log", int64(i*6), []byte("hello\n")); err != nil {
			b.Fatal(err)
		}
	}
}
