package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// blob answers with a blob, or a range of it.
func blob(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	f, err := a.Images.Blob(r.Context(), c.workspace, c.repository, c.reference)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Docker-Content-Digest", c.reference)
	h.Set("Etag", `"`+c.reference+`"`)
	body := httpx.NewSeeker(r.Context(), f.Size, nil, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return a.Images.OpenBlob(ctx, f, offset)
	})
	defer body.Close()
	http.ServeContent(httpx.Download(w), r, "", time.Time{}, body)
	return nil
}

// keepBlob refuses: blobs go when no manifest names them.
func keepBlob(_ *api, _ http.ResponseWriter, _ *http.Request, _ call) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "BlobKept", What: "blobs are not deleted one by one", Why: "other manifests may name them", Fix: "delete the image; run: zaffre image delete NAME:TAG",
	}
}

// begin starts an upload, or has the blob at once: from another repository, or in the body.
func begin(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	q := r.URL.Query()
	if digest, from := q.Get("mount"), q.Get("from"); digest != "" {
		rest, same := strings.CutPrefix(from, c.workspace+"/")
		if same {
			if there, err := a.Images.Mount(r.Context(), c.workspace, c.repository, digest, rest); err != nil || there {
				return c.created(w, digest, err)
			}
		}
	}
	if digest := q.Get("digest"); digest != "" {
		return c.created(w, digest, a.Images.PutBlob(r.Context(), c.workspace, c.repository, digest, httpx.Upload(w, r, a.Limit)))
	}
	id, err := a.Images.BeginUpload(r.Context(), c.workspace, c.repository)
	if err != nil {
		return err
	}
	c.reference = id
	c.progress(w, 0, http.StatusAccepted)
	return nil
}

// created says that a blob is there.
func (c call) created(w http.ResponseWriter, digest string, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Location", Prefix+c.name()+"/blobs/"+digest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// progress says how much of an upload is there.
func (c call) progress(w http.ResponseWriter, size int64, status int) {
	h := w.Header()
	h.Set("Location", Prefix+c.name()+"/blobs/uploads/"+c.reference)
	h.Set("Docker-Upload-Uuid", c.reference)
	h.Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	w.WriteHeader(status)
}

func uploaded(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	size, err := a.Images.UploadSize(r.Context(), c.workspace, c.repository, c.reference)
	if err == nil {
		c.progress(w, size, http.StatusNoContent)
	}
	return err
}

// chunk takes a piece of an upload. Pieces come in their order.
func chunk(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	size, err := a.append(w, r, c)
	if err == nil {
		c.progress(w, size, http.StatusAccepted)
	}
	return err
}

func (a *api) append(w http.ResponseWriter, r *http.Request, c call) (int64, error) {
	have, err := a.Images.UploadSize(r.Context(), c.workspace, c.repository, c.reference)
	if err != nil {
		return 0, err
	}
	if from, given := rangeStart(r); given && from != have {
		return 0, &fault.Error{
			Code: fault.Conflict, Reason: "OffsetGap", What: "the piece of the upload is not taken", Why: fmt.Sprintf("it starts at byte %d, and %d are there", from, have), Fix: "ask how much is there, and go on from that",
		}
	}
	return a.Images.AppendUpload(r.Context(), c.workspace, c.repository, c.reference, have, httpx.Upload(w, r, a.Limit-have))
}

// rangeStart reads "Content-Range: 0-1023", as pieces have it.
func rangeStart(r *http.Request) (int64, bool) {
	first, _, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, ok && err == nil
}

// finish ends an upload, with its last piece or all of it.
func finish(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	digest := r.URL.Query().Get("digest")
	have, err := a.Images.UploadSize(r.Context(), c.workspace, c.repository, c.reference)
	if err != nil {
		return err
	}
	if have == 0 && r.ContentLength != 0 { // all of it: written and hashed in one go
		return c.created(w, digest, a.Images.PutBlob(r.Context(), c.workspace, c.repository, digest, httpx.Upload(w, r, a.Limit)))
	}
	if r.ContentLength != 0 || have == 0 {
		if _, err := a.append(w, r, c); err != nil {
			return err
		}
	}
	return c.created(w, digest, a.Images.FinishUpload(r.Context(), c.workspace, c.repository, c.reference, digest))
}

func drop(a *api, w http.ResponseWriter, r *http.Request, c call) error {
	if err := a.Images.DropUpload(r.Context(), c.workspace, c.repository, c.reference); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
