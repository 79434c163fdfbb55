package blob_test

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestDirDiskFull needs a file system of its own that is small, so the right to mount one.
func TestDirDiskFull(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	d := openDir(t, root)
	put(t, d, "kept", "before")
	big := bytes.Repeat([]byte("x"), 1<<20)
	_, err := d.Put(t.Context(), "kept", bytes.NewReader(big))
	wantCode(t, err, fault.Exhausted, "DiskFull")
	if got := get(t, d, "kept", 0); got != "before" {
		t.Errorf("got %d bytes", len(got))
	}
	wantCode(t, d.Append(t.Context(), "log", 0, big), fault.Exhausted, "DiskFull")
	if err := d.Delete(t.Context(), "log"); err != nil {
		t.Fatal(err)
	}
	put(t, d, "after", "there is room again")
}
