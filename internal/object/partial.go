package object

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Partial is an upload that comes in pieces, each its own request. Until Finish its bytes are a loose blob: who never
// comes back leaves nothing after Grace. Its name is a secret that only its sender was told.
type Partial struct {
	store *Store
	blob  string
}

// Partial returns the upload of a name; letters and digits of it are told apart, so nobody can guess another's.
func (s *Store) Partial(name string) Partial {
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:])
	return Partial{s, "objects/" + hash[:2] + "/part-" + hash}
}

// Size returns how many bytes are there; 0 before the first.
func (p Partial) Size(ctx context.Context) (int64, error) {
	n, err := p.store.blobs.Size(ctx, p.blob)
	if fault.CodeOf(err) == fault.NotFound {
		return 0, nil
	}
	return n, err
}

// Append adds the bytes of body at an offset, and returns how many there are then. What is there already is not
// written again; a gap is fault.Conflict, Reason "OffsetGap".
func (p Partial) Append(ctx context.Context, offset int64, body io.Reader) (int64, error) {
	if err := p.store.rows.Begin(ctx, p.blob, time.Now().Add(Grace)); err != nil {
		return 0, err
	}
	in := &upload{ctx: ctx, rows: p.store.rows, blob: p.blob, body: body, renewed: time.Now()}
	buf := make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 || err == io.EOF { // an empty one is there too
			if err := p.store.blobs.Append(ctx, p.blob, offset, buf[:n]); err != nil {
				return offset, err
			}
			offset += int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && in.err == nil {
			return offset, nil
		}
		if err != nil {
			return offset, err
		}
	}
}

// Finish makes the bytes a file, if they have the SHA-256 (lower-case hex) that their sender says.
func (p Partial) Finish(ctx context.Context, owner, path, want string) (File, error) {
	f := File{Owner: owner, Path: path, Blob: p.blob, Hash: want, Created: time.Now()}
	body, err := p.store.blobs.Open(ctx, p.blob, 0)
	if err != nil {
		return f, err
	}
	defer body.Close()
	if f.Size, err = io.Copy(io.Discard, Received(body, want)); err != nil {
		return f, err
	}
	if d, ok := p.store.blobs.(interface {
		Sync(ctx context.Context, name string) error
	}); ok {
		if err := d.Sync(ctx, p.blob); err != nil {
			return f, err
		}
	}
	return f, p.store.rows.Keep(ctx, f)
}

// Drop forgets the upload.
func (p Partial) Drop(ctx context.Context) error { return p.store.blobs.Delete(ctx, p.blob) }
