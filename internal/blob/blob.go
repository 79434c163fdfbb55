// Package blob keeps bytes: snapshots, logs, outputs.
package blob

import (
	"context"
	"io"
)

// Store keeps blobs by name. Names are slash-separated, relative and clean; a name that is not
// fails with fault.Invalid.
type Store interface {
	// Put makes the whole blob appear, replacing what was there, or nothing.
	Put(ctx context.Context, name string, r io.Reader) (size int64, err error)
	// Append writes p at offset. Bytes before the blob's end are not written again; an offset past
	// its end fails with fault.Conflict, Reason "OffsetGap". One writer per name at a time.
	Append(ctx context.Context, name string, offset int64, p []byte) error
	// Open fails with fault.NotFound. An offset at or past the end reads nothing.
	Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error)
	// Size fails with fault.NotFound.
	Size(ctx context.Context, name string) (int64, error)
	// Delete succeeds when there is no such blob.
	Delete(ctx context.Context, name string) error
	// List calls visit with each name below a prefix that ends in a slash, in no order.
	List(ctx context.Context, prefix string, visit func(name string, size int64) error) error
}
