package blob

import (
	"io"
	"os"
)

const (
	copyFirst = 32 << 10  // most blobs are small
	copyMore  = 512 << 10 // bytes a call, of one that is not
	flushEach = 16 << 20  // bytes after which the disk is set to work
)

// copyTo writes all of r to f. Of a long blob the disk gets the bytes while more come, so that the sync at
// the end has little left to wait for.
func copyTo(f *os.File, r io.Reader) (n int64, err error) {
	buf, flushed := make([]byte, copyFirst), int64(0)
	for {
		got, end := r.Read(buf)
		if got > 0 {
			put, err := f.Write(buf[:got])
			if n += int64(put); err != nil {
				return n, err
			}
		}
		if end == io.EOF {
			return n, nil
		}
		if end != nil {
			return n, end
		}
		if n >= copyMore && len(buf) < copyMore {
			buf = make([]byte, copyMore)
		}
		if n-flushed >= flushEach {
			startFlush(f, flushed, n-flushed)
			flushed = n
		}
	}
}
