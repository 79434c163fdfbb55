package mlflow

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// serveFiles is mlflow-artifacts: the files of runs, of logged models and of versions.
func (a *api) serveFiles(w http.ResponseWriter, r *http.Request, rest string) {
	listing := r.Method == http.MethodGet && strings.Trim(rest, "/") == ""
	signed, l, ok := locate(rest)
	if listing {
		signed, l, ok = locateIn(strings.Split(strings.Trim(r.URL.Query().Get("path"), "/"), "/"))
	}
	hide(r, signed)
	if !ok {
		WriteFault(w, r, noFile())
		return
	}
	r, err := a.letIn(w, r, signed, l)
	if err == nil {
		err = a.file(w, r, l, listing)
	}
	if err != nil {
		WriteFault(w, r, err)
	}
}

func noFile() error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ArtifactNotFound", What: "there are no files at this address",
		Why: "it is none that this server gave as an artifact_uri", Fix: "ask for the run again: its artifact_uri is the address of its files",
	}
}

// letIn makes the bearer of a signed address a caller who may do what it says with this owner's files.
// Others need a token.
func (a *api) letIn(w http.ResponseWriter, r *http.Request, signed string, l locator) (*http.Request, error) {
	ok, write := a.pass(signed, l, time.Now())
	if ok && (write || r.Method == http.MethodGet || r.Method == http.MethodHead) {
		role := identity.Reader
		if write {
			role = identity.Tracker
		}
		who := identity.Caller{Name: "address of " + l.kind + "/" + l.id, Roles: map[string]identity.Role{l.workspace: role}}
		httpx.InfoOf(r.Context()).Caller = who.Name
		return r.WithContext(identity.With(r.Context(), who)), nil
	}
	caller, err := a.caller(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="zaffre"`)
		if signed != "" && fault.ReasonOf(err) == "TokenMissing" {
			err = &fault.Error{
				Code: fault.Unauthorized, Reason: "ArtifactAddressExpired", What: "this address of files is not good any more",
				Why: "it is older than a month, or another server's, or only to read", Fix: "ask for the run again, or set MLFLOW_TRACKING_TOKEN",
			}
		}
		return r, err
	}
	httpx.InfoOf(r.Context()).Caller = caller.Name
	return r.WithContext(identity.With(r.Context(), caller)), nil
}

// holder is what has files.
type holder struct {
	open   func(ctx context.Context, path string, offset int64) (object.File, io.ReadCloser, error)
	folder func(ctx context.Context, dir string, p store.Page) ([]object.Entry, string, error)
	put    func(ctx context.Context, path string, body io.Reader) error
	remove func(ctx context.Context, path string) error
}

func (a *api) holder(l locator) holder {
	k := store.Key{Workspace: l.workspace, Name: l.id}
	switch l.kind {
	case runFiles:
		return holder{
			open: func(ctx context.Context, path string, offset int64) (object.File, io.ReadCloser, error) {
				return a.Runs.OpenArtifact(ctx, k, path, offset)
			},
			folder: func(ctx context.Context, dir string, p store.Page) ([]object.Entry, string, error) {
				return a.Runs.ArtifactFolder(ctx, k, dir, p)
			},
			put: func(ctx context.Context, path string, body io.Reader) error {
				_, err := a.Runs.PutArtifact(ctx, k, path, body)
				return err
			},
			remove: func(ctx context.Context, path string) error { return a.Runs.DeleteArtifact(ctx, k, path) },
		}
	case loggedFiles:
		return holder{
			open: func(ctx context.Context, path string, offset int64) (object.File, io.ReadCloser, error) {
				return a.Models.OpenLoggedFile(ctx, k, path, offset)
			},
			folder: func(ctx context.Context, dir string, p store.Page) ([]object.Entry, string, error) {
				return a.Models.LoggedFolder(ctx, k, dir, p)
			},
			put: func(ctx context.Context, path string, body io.Reader) error {
				_, err := a.Models.PutLoggedFile(ctx, k, path, body)
				return err
			},
			remove: func(ctx context.Context, path string) error { return a.Models.DeleteLoggedFile(ctx, k, path) },
		}
	}
	return a.versionHolder(l)
}

func (a *api) versionHolder(l locator) holder {
	name, number, _ := strings.Cut(l.id, "/")
	k := store.Key{Workspace: l.workspace, Name: name}
	fixed := func() error {
		return &fault.Error{
			Code: fault.Precondition, Reason: "ModelVersionFixed", What: "the files of version " + number + " of model " + name + " do not change",
			Why: "a version is what it was when it was registered", Fix: "log the model anew and register it as the next version",
		}
	}
	return holder{
		open: func(ctx context.Context, path string, offset int64) (object.File, io.ReadCloser, error) {
			return a.Models.OpenFile(ctx, k, number, path, offset)
		},
		folder: func(ctx context.Context, dir string, p store.Page) ([]object.Entry, string, error) {
			return a.Models.Folder(ctx, k, number, dir, p)
		},
		put:    func(context.Context, string, io.Reader) error { return fixed() },
		remove: func(context.Context, string) error { return fixed() },
	}
}

func (a *api) file(w http.ResponseWriter, r *http.Request, l locator, listing bool) error {
	h := a.holder(l)
	switch {
	case listing:
		files, err := entries(r.Context(), h, l.path, "")
		if err == nil {
			writeJSON(w, wireFiles{Files: files})
		}
		return err
	case l.path == "":
		return invalid("path", `""`, "it names no file")
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return download(w, r, h, l.path)
	case http.MethodPut:
		if err := h.put(r.Context(), l.path, httpx.Upload(w, r, a.FileLimit)); err != nil {
			return err
		}
	case http.MethodDelete:
		if err := removeAll(r.Context(), h, l.path); err != nil {
			return err
		}
	default:
		return &fault.Error{
			Code: fault.NotFound, Reason: "RouteNotFound", What: "files take no " + r.Method,
			Why: "they take GET, PUT and DELETE", Fix: "use one of these",
		}
	}
	writeJSON(w, nil)
	return nil
}

// entries lists one level; names come with a prefix.
func entries(ctx context.Context, h holder, dir, prefix string) ([]wireFile, error) {
	list, err := everyPage(func(p store.Page) ([]object.Entry, string, error) { return h.folder(ctx, dir, p) })
	out := make([]wireFile, 0, len(list))
	for _, e := range list {
		f := wireFile{Path: path.Join(prefix, path.Base(e.Path)), Dir: e.Dir}
		if !e.Dir {
			f.Size = &e.File.Size
		}
		out = append(out, f)
	}
	return out, err
}

// removeAll removes a file, or the files of a folder, as MLflow's server does.
func removeAll(ctx context.Context, h holder, name string) error {
	list, err := entries(ctx, h, name, name)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Dir {
			err = removeAll(ctx, h, f.Path)
		} else {
			err = h.remove(ctx, f.Path)
		}
		if err != nil {
			return err
		}
	}
	return h.remove(ctx, name)
}

// download sends a file, or the ranges of it that are asked for. A browser never shows it: it may hold
// anything.
func download(w http.ResponseWriter, r *http.Request, h holder, name string) error {
	f, body, err := h.open(r.Context(), name, 0)
	if err != nil {
		return err
	}
	content := httpx.NewSeeker(r.Context(), f.Size, body, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		again, body, err := h.open(ctx, name, offset)
		if err == nil && again.Hash != f.Hash {
			body.Close()
			err = errors.New("the file was replaced while it was read")
		}
		return body, err
	})
	defer content.Close()
	head := w.Header()
	head.Set("Content-Type", "application/octet-stream")
	head.Set("Content-Disposition", "attachment")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("ETag", `"`+f.Hash+`"`)
	http.ServeContent(httpx.Download(w), r, "", time.Time{}, content)
	return nil
}

// listArtifacts is the listing by the run's ID.
func (a *api) listArtifacts(c call) (any, error) {
	in, err := decode[struct {
		runID
		Path string `json:"path"`
	}](c.Request)
	if err != nil {
		return nil, err
	}
	r, err := a.runOf(c, in.runID)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(in.Path); err != nil {
		return nil, err
	}
	files, err := entries(c.Context(), a.holder(locator{c.ws, runFiles, r.Name, ""}), in.Path, in.Path)
	return wireFiles{Root: a.filesURL(c, runFiles, r.Name), Files: files}, err
}

func checkFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if err := object.CheckPath(dir); err != nil {
		return &fault.Error{
			Code: fault.Invalid, Reason: "ParameterInvalid", What: "Invalid path", Why: fault.From(err).Why, Fix: fault.From(err).Fix, Field: "path",
		}
	}
	return nil
}
