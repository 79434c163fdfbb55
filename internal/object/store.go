package object

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Grace is how long bytes stay that no file names: those of an upload that is silent, and those of a
// deleted file, which somebody may still read.
const Grace = time.Hour

// Store keeps files. It knows no rights: its callers ask for them. It has no state of its own, and may
// be used from several goroutines.
type Store struct {
	rows  Rows
	blobs blob.Store
}

// New returns a Store.
func New(rows Rows, blobs blob.Store) *Store { return &Store{rows, blobs} }

// Put makes the whole file appear, in place of one at its path, or nothing. When it returns the file
// lasts. It fails with body's own error, and with fault.Exhausted, Reason "DiskFull". It takes what paths
// and bodies a job's files have: for those of clients see CheckPath and Received.
func (s *Store) Put(ctx context.Context, owner, path string, body io.Reader) (File, error) {
	return s.Add(ctx, owner, func(string) string { return path }, body)
}

// Add is Put at a path that follows from the SHA-256 (lower-case hex) of the bytes.
func (s *Store) Add(ctx context.Context, owner string, path func(hash string) string, body io.Reader) (File, error) {
	f := File{Owner: owner, Blob: newBlob()}
	if err := s.rows.Begin(ctx, f.Blob, time.Now().Add(Grace)); err != nil {
		return File{}, err
	}
	sum := sha256.New()
	in := &upload{ctx: ctx, rows: s.rows, blob: f.Blob, body: io.TeeReader(body, sum), renewed: time.Now()}
	size, err := s.blobs.Put(ctx, f.Blob, in)
	if err != nil {
		return File{}, cmp.Or(in.err, err)
	}
	f.Size, f.Hash, f.Created = size, hex.EncodeToString(sum.Sum(nil)), time.Now()
	f.Path = path(f.Hash)
	return f, s.rows.Keep(ctx, f)
}

// upload is the body of an upload. As long as bytes come, the blob's time is moved.
type upload struct {
	ctx     context.Context // of the request that it serves
	rows    Rows
	blob    string
	body    io.Reader
	renewed time.Time
	err     error // of the body or the rows
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	if now := time.Now(); err == nil && now.Sub(u.renewed) > Grace/4 {
		u.renewed = now
		err = u.rows.Begin(u.ctx, u.blob, now.Add(Grace))
	}
	if err != nil && err != io.EOF {
		u.err = err
	}
	return n, err
}

// Get returns a file. It fails with fault.NotFound, Reason "ArtifactNotFound".
func (s *Store) Get(ctx context.Context, owner, path string) (File, error) {
	return s.rows.Get(ctx, store.Key{Workspace: owner, Name: path})
}

// Open opens a file from an offset. It fails with fault.NotFound, Reason "ArtifactNotFound". Bytes of a
// file that is replaced or deleted meanwhile are read to their end.
func (s *Store) Open(ctx context.Context, owner, path string, offset int64) (File, io.ReadCloser, error) {
	f, err := s.Get(ctx, owner, path)
	if err != nil {
		return f, nil, err
	}
	body, err := s.OpenFile(ctx, f, offset)
	return f, body, err
}

// OpenFile opens the bytes of a file that Get returned: the same ones, also if the file was replaced
// since, for as long as Grace.
func (s *Store) OpenFile(ctx context.Context, f File, offset int64) (io.ReadCloser, error) {
	return s.blobs.Open(ctx, BlobOf(f), offset)
}

// List returns the files of an owner below a prefix of their paths.
func (s *Store) List(ctx context.Context, owner, prefix string, p store.Page) ([]File, string, error) {
	return s.rows.List(ctx, Filter{Owner: owner, Prefix: prefix}, p)
}

// Delete removes a file; one that is not there is no error.
func (s *Store) Delete(ctx context.Context, owner, path string) error {
	return s.rows.Delete(ctx, store.Key{Workspace: owner, Name: path})
}

// Clear removes all files of an owner.
func (s *Store) Clear(ctx context.Context, owner string) error { return s.rows.Clear(ctx, owner) }

// Share makes files of one owner files of another as well, without copying bytes, and returns how many.
// It fails with fault.NotFound, Reason "ArtifactNotFound", if there are none.
func (s *Store) Share(ctx context.Context, l Link) (int, error) {
	n, err := s.rows.Share(ctx, l)
	if err == nil && n == 0 {
		err = NoneAt(l.Path)
	}
	return n, err
}

// NoneAt is the fault of a link that names no file.
func NoneAt(path string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ArtifactNotFound", What: fmt.Sprintf("there is no file or folder %q", path),
		Why: "nothing of that name was left or uploaded", Fix: "look at what there is; run: zaffre artifact list RUN", Field: "path",
	}
}

// Target returns where in To a file of From comes to lie. A file that is named itself keeps its last
// name.
func (l Link) Target(of string) string {
	rest := of
	switch {
	case l.Path == of:
		rest = path.Base(of)
	case l.Path != "":
		rest = of[len(l.Path)+1:]
	}
	return path.Join(l.At, rest)
}

// Sweep removes files that have waited for longer than Wait, and the bytes of died uploads and of files that
// were deleted more than Grace ago. It returns how many blobs those were. It may run in several servers at once.
func (s *Store) Sweep(ctx context.Context) (n int, err error) {
	for _, w := range []Waiting{Blocks, Content, Upload} {
		if err := s.expire(ctx, w, time.Now().Add(-Wait)); err != nil {
			return 0, err
		}
	}
	for {
		blobs, err := s.rows.Doom(ctx, time.Now(), 100)
		if err != nil {
			return n, err
		}
		for _, b := range blobs {
			if err := s.blobs.Delete(ctx, b); err != nil {
				return n, err
			}
			if err := s.rows.Forget(ctx, b); err != nil {
				return n, err
			}
			n++
		}
		if len(blobs) < 100 {
			return n, nil
		}
	}
}
