package snapshot

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	writers   = 16      // small files stored at once: their fsyncs share a commit of the disk
	smallFile = 1 << 20 // bytes up to which a file waits for its writer in memory
)

// Receive stores the files of a tar stream whose entries are regular files named by their hash,
// and returns how many there were. It fails with fault.Invalid, Reason "PackInvalid", on anything
// else in the stream, and with Reason "SnapshotTooLarge" past the limits. The files before a
// failure may be stored; sending the stream again is fine.
func (s *Blobs) Receive(ctx context.Context, r io.Reader) (n int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan packed)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for p := range work {
				if err := s.PutFile(ctx, p.hash, bytes.NewReader(p.bytes)); err != nil {
					cancel(err)
				}
			}
		})
	}
	n, err = s.unpack(ctx, r, work)
	close(work)
	wg.Wait()
	if cause := context.Cause(ctx); err == nil || errors.Is(err, context.Canceled) {
		err = cause
	}
	return n, err
}

// packed is a small file of the stream.
type packed struct {
	hash  string
	bytes []byte
}

func (s *Blobs) unpack(ctx context.Context, r io.Reader, work chan<- packed) (n int, err error) {
	t := tar.NewReader(r)
	left := s.limits.Bytes
	for ; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, badPack(err)
		}
		if err := checkEntry(h); err != nil {
			return n, err
		}
		if left -= h.Size; left < 0 || n >= s.limits.Files {
			return n, packTooLarge(s.limits)
		}
		if err := s.receiveFile(ctx, h, t, work); err != nil {
			return n, err
		}
	}
}

func (s *Blobs) receiveFile(ctx context.Context, h *tar.Header, r io.Reader, work chan<- packed) error {
	if h.Size > smallFile {
		return badPack(s.PutFile(ctx, h.Name, r))
	}
	p := packed{hash: h.Name, bytes: make([]byte, h.Size)}
	if _, err := io.ReadFull(r, p.bytes); err != nil {
		return badPack(err)
	}
	select {
	case work <- p:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func checkEntry(h *tar.Header) error {
	why := ""
	switch {
	case h.Typeflag != tar.TypeReg:
		why = "is not a regular file"
	case checkHash(h.Name) != nil:
		why = "is not named by the SHA-256 of its bytes"
	case h.Size < 0:
		why = "has a negative size"
	case sparse(h):
		why = "is a sparse file"
	default:
		return nil
	}
	return packFault(fmt.Sprintf("its entry %.80q %s", h.Name, why), nil)
}

// sparse reports whether an entry declares holes: a few bytes could stand for very many.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// badPack keeps faults and ended contexts, and tells any other error as one of the stream.
func badPack(err error) error {
	if err == nil || fault.ReasonOf(err) != "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return packFault("it ends too early, or is no tar stream", err)
}

func packFault(why string, err error) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "PackInvalid", What: "cannot take the stream of files",
		Why: why, Fix: "send an application/x-tar stream of regular files, each named by its SHA-256", Err: err,
	}
}

func packTooLarge(l Limits) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "SnapshotTooLarge", What: "the stream of files is too large",
		Why: fmt.Sprintf("it has more than %d files or more than %s", l.Files, bytesOf(l.Bytes)),
		Fix: "name what the run does not need in a file .amlignore, or send the files in several streams",
	}
}

// verifier ends with a fault instead of io.EOF if what it read is not what was announced.
type verifier struct {
	r     io.Reader
	sum   hash.Hash
	want  string
	left  int64
	limit int64
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	if v.left -= int64(n); v.left < 0 {
		return n, fileTooLarge(v.limit)
	}
	if err == io.EOF && hex.EncodeToString(v.sum.Sum(nil)) != v.want {
		return n, &fault.Error{
			Code: fault.Invalid, Reason: "HashMismatch", What: fmt.Sprintf("cannot store the file %q", v.want),
			Why: "its bytes have another hash: the file changed while it was sent, or was damaged on the way", Fix: "hash and send it again",
		}
	}
	return n, err
}
