// Package registry is the server as a container registry, at /v2/: OCI Distribution Specification 1.1 for pulling,
// pushing (in one piece, in chunks, and by mounting), listing and deleting. The first part of a repository's name is its
// workspace. Clients log in by Basic with any user's name and a token of zaffre as the password.
package registry

import (
	"context"
	"net/http"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/image"
)

// Prefix is where the registry lies.
const Prefix = "/v2/"

// Deps is what the registry stands on.
type Deps struct {
	Images       *image.Service
	Authenticate func(ctx context.Context, bearer string) (identity.Caller, error)
	Limit        int64 // bytes of a blob
}

// Owns reports whether a path is the registry's.
func Owns(path string) bool {
	return strings.HasPrefix(path, Prefix) || path == strings.TrimSuffix(Prefix, "/")
}

type api struct{ Deps }

// call is one request, taken apart.
type call struct {
	workspace, repository string
	reference             string // a tag, a digest, or the ID of an upload
}

type handler func(a *api, w http.ResponseWriter, r *http.Request, c call) error

// New returns the handler of everything below Prefix.
func New(d Deps) http.Handler {
	a := &api{d}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0") // Docker looks for it
		caller, err := a.caller(r)
		if err != nil {
			challenge(w, err)
			WriteFault(w, r, err)
			return
		}
		httpx.InfoOf(r.Context()).Caller = caller.Name
		if err := a.serve(w, r.WithContext(identity.With(r.Context(), caller))); err != nil {
			WriteFault(w, r, err)
		}
	})
}

// caller returns who calls: by Basic, as Docker and containerd do, or by a bearer token.
func (a *api) caller(r *http.Request) (identity.Caller, error) {
	_, token, ok := r.BasicAuth()
	if !ok {
		token, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	switch {
	case !ok || token == "":
		return identity.Caller{}, &fault.Error{
			Code: fault.Unauthorized, Reason: "TokenMissing", What: "the registry does not know who calls", Why: "the request has no login", Fix: "run: docker login HOST:PORT, with a token of zaffre as the password",
		}
	case image.IsPullToken(token):
		return a.Images.PullCaller(r.Context(), token)
	}
	return a.Authenticate(r.Context(), token)
}

func challenge(w http.ResponseWriter, err error) {
	if fault.CodeOf(err) == fault.Unauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="zaffre"`)
	}
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimPrefix(r.URL.Path, Prefix)
	if path == "" || path == "/v2" {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	h, c, ok := route(r.Method, path)
	if !ok {
		return unknown(r)
	}
	return h(a, w, r, c)
}

// route finds who answers. Names of repositories have slashes, so paths are read from their end.
func route(method, path string) (h handler, c call, ok bool) {
	name, rest, kind := "", "", ""
	for _, k := range []string{"/blobs/uploads/", "/blobs/", "/manifests/", "/tags/"} {
		if i := strings.LastIndex(path+"/", k); i > 0 && kind == "" {
			name, rest, kind = path[:i], strings.TrimPrefix(path[min(len(path), i+len(k)-1):], "/"), k
		}
	}
	c.reference = rest
	c.workspace, c.repository, ok = strings.Cut(name, "/")
	h = handlers()[kind+" "+method]
	if kind == "/blobs/uploads/" && rest == "" {
		h = map[string]handler{http.MethodPost: begin}[method]
	}
	return h, c, ok && h != nil && c.repository != "" && (rest != "" || kind == "/blobs/uploads/")
}

func handlers() map[string]handler {
	return map[string]handler{
		"/blobs/ GET": blob, "/blobs/ HEAD": blob, "/blobs/ DELETE": keepBlob,
		"/blobs/uploads/ GET": uploaded, "/blobs/uploads/ PATCH": chunk, "/blobs/uploads/ PUT": finish, "/blobs/uploads/ DELETE": drop,
		"/manifests/ GET": manifest, "/manifests/ HEAD": manifest, "/manifests/ PUT": putManifest, "/manifests/ DELETE": deleteManifest,
		"/tags/ GET": tags,
	}
}

func unknown(r *http.Request) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "RouteUnknown", What: "the registry has nothing at " + r.Method + " " + r.URL.Path, Why: "the names of images are HOST:PORT/WORKSPACE/NAME:TAG",
		Fix: "push to a name with a workspace: docker push HOST:PORT/default/NAME:TAG",
	}
}

// codes are the registry's words for reasons of ours.
var codes = map[string]string{
	"ImageNotFound": "MANIFEST_UNKNOWN", "BlobUnknown": "BLOB_UNKNOWN", "ManifestBlobUnknown": "MANIFEST_BLOB_UNKNOWN", "ManifestInvalid": "MANIFEST_INVALID",
	"ChecksumMismatch": "DIGEST_INVALID", "DigestUnsupported": "DIGEST_INVALID", "ImageNameInvalid": "NAME_INVALID", "UploadUnknown": "BLOB_UPLOAD_UNKNOWN",
	"OffsetGap": "BLOB_UPLOAD_INVALID", "BodyTooLarge": "SIZE_INVALID", "RouteUnknown": "NAME_UNKNOWN",
}
