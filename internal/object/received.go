package object

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Received returns the bytes that a client sends. Where they end early it fails with fault.Invalid,
// Reason "UploadBroken"; at their end with fault.Invalid, Reason "ChecksumMismatch", if they have
// another SHA-256 (lower-case hex) than want. "" is not compared.
func Received(body io.Reader, want string) io.Reader { return &received{body, want, sha256.New()} }

type received struct {
	body io.Reader
	want string
	sum  hash.Hash
}

func (r *received) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if r.want != "" {
		r.sum.Write(p[:n])
	}
	switch {
	case err == nil:
	case err != io.EOF:
		err = broken(err)
	case r.want != "":
		if got := hex.EncodeToString(r.sum.Sum(nil)); got != r.want {
			err = mismatch(got, r.want)
		}
	}
	return n, err
}

// broken is what a body that fails means; a fault says so itself.
func broken(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "UploadBroken", What: "the file did not arrive",
		Why: "its bytes ended early", Fix: "send it again: nothing of it was kept", Err: err,
	}
}

func mismatch(got, want string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ChecksumMismatch", What: "the file did not arrive as it was sent",
		Why: fmt.Sprintf("its SHA-256 is %s and should be %s", got, want), Fix: "send it again: nothing of it was kept",
	}
}
