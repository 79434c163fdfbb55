package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// startFlush has the kernel begin to write bytes to the disk. It is advice: the sync at the end tells.
func startFlush(f *os.File, offset, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
