package httpx

import (
	"context"
	"errors"
	"io"
)

// Seeker is a file whose reader is opened anew where somebody seeks to, for http.ServeContent. Close it.
type Seeker struct {
	ctx      context.Context // of the request that it serves
	open     func(ctx context.Context, offset int64) (io.ReadCloser, error)
	size     int64
	at, next int64 // where body is, and where the next Read starts
	body     io.ReadCloser
}

// NewSeeker returns a Seeker of a file of size bytes, which open reads from an offset. body reads it from its
// start; nil: it is opened when it is needed.
func NewSeeker(ctx context.Context, size int64, body io.ReadCloser, open func(ctx context.Context, offset int64) (io.ReadCloser, error)) *Seeker {
	return &Seeker{ctx: ctx, open: open, size: size, body: body}
}

// Seek implements io.Seeker.
func (f *Seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.next
	case io.SeekEnd:
		offset += f.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	f.next = offset
	return offset, nil
}

// Read implements io.Reader.
func (f *Seeker) Read(p []byte) (int, error) {
	if f.next >= f.size {
		return 0, io.EOF
	}
	if f.at != f.next || f.body == nil {
		f.Close()
		body, err := f.open(f.ctx, f.next)
		if err != nil {
			Failed(f.ctx, err)
			return 0, err
		}
		f.body, f.at = body, f.next
	}
	n, err := f.body.Read(p)
	f.at += int64(n)
	f.next = f.at
	return n, err
}

// Close closes the reader that is open.
func (f *Seeker) Close() {
	if f.body != nil {
		f.body.Close()
		f.body = nil
	}
}
