package native

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// serveArtifact sends a file, or the ranges of it that are asked for. It is never shown by a browser:
// it may hold anything.
func serveArtifact(w http.ResponseWriter, r *http.Request, file run.Artifact, content io.ReadSeeker) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+file.Hash+`"`)
	http.ServeContent(httpx.Download(w), r, "", time.Time{}, content)
}

type opener func(ctx context.Context, offset int64) (io.ReadCloser, error)

func (a *api) openAt(k store.Key, path string) opener {
	return func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		_, body, err := a.Runs.OpenArtifact(ctx, k, path, offset)
		return body, err
	}
}

// artifactFile is a file whose reader is opened anew where somebody seeks to.
type artifactFile struct {
	ctx      context.Context // of the request that it serves
	open     opener
	size     int64
	at, next int64 // where body is, and where the next Read starts
	body     io.ReadCloser
}

func (f *artifactFile) Seek(offset int64, whence int) (int64, error) {
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

func (f *artifactFile) Read(p []byte) (int, error) {
	if f.at != f.next || f.body == nil {
		f.Close()
		body, err := f.open(f.ctx, f.next)
		if err != nil {
			httpx.Failed(f.ctx, err)
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
func (f *artifactFile) Close() {
	if f.body != nil {
		f.body.Close()
		f.body = nil
	}
}
