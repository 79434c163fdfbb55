package azbatch

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// container is a folder in a container of Azure Storage, by a shared access signature.
type container struct {
	rest   *restx.Client
	path   string     // of the container: "/data"
	sas    url.Values // secret
	folder string     // ours in it
}

// newContainer reads a SAS URL, and says why it is none.
func newContainer(text, folder string) (*container, string) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "it is no URL"
	}
	sas, err := url.ParseQuery(u.RawQuery)
	u.RawQuery = ""
	where := strings.Trim(u.Path, "/")
	u.Path = ""
	base, why := restx.ParseURL(u.String(), true)
	switch {
	case why != "":
		return nil, why
	case err != nil || sas.Get("sig") == "":
		return nil, "it has no signature"
	case where == "":
		return nil, "it names no container"
	}
	return &container{rest: restx.New(base, "container-file", nil), path: "/" + where, sas: sas, folder: folder}, ""
}

// name is what people may see of it.
func (b *container) name() string { return b.rest.Base.Host + b.path }

// expires is when its signature ends; zero: it does not say so itself.
func (b *container) expires() time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
		if t, err := time.Parse(layout, b.sas.Get("se")); err == nil {
			return t
		}
	}
	return time.Time{}
}

// urlOf is the secret URL by which a node reaches something of ours.
func (b *container) urlOf(name string) string {
	u := *b.rest.Base
	u.Path, u.RawQuery = b.at(name), b.sas.Encode()
	return u.String()
}

func (b *container) at(name string) string { return path.Join(b.path, b.folder, name) }

// do sends a request; an answer that is no success is a fault.
func (b *container) do(ctx context.Context, q restx.Call) (*restx.Answer, error) {
	query := maps.Clone(b.sas)
	maps.Copy(query, q.Query)
	q.Query = query
	a, err := b.rest.Do(ctx, q)
	if err != nil {
		return nil, err
	}
	if !a.OK() {
		return a, b.refusal(a)
	}
	return a, nil
}

// tell sends a request whose answer says nothing more.
func (b *container) tell(ctx context.Context, q restx.Call) error {
	a, err := b.do(ctx, q)
	if err == nil {
		a.Body.Close()
	}
	return err
}

// Put implements launchx.Store. A blob that is put at once has 5000 MiB at most (Put Blob, 2019-12-12).
func (b *container) Put(ctx context.Context, name string, open func() (io.ReadCloser, error), size int64) error {
	return b.tell(ctx, restx.Call{
		Method: http.MethodPut, Path: b.at(name), Body: open, Size: size,
		Header: http.Header{"X-Ms-Blob-Type": {"BlockBlob"}, "Content-Type": {"application/octet-stream"}},
	})
}

// Read implements launchx.Store.
func (b *container) Read(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	q := restx.Call{Method: http.MethodGet, Path: b.at(name)}
	if offset > 0 {
		q.Header = http.Header{"X-Ms-Range": {fmt.Sprintf("bytes=%d-", offset)}}
	}
	a, err := b.do(ctx, q)
	switch {
	case a != nil && a.Status == http.StatusRequestedRangeNotSatisfiable:
		return http.NoBody, nil
	case err != nil:
		return nil, err
	}
	return a.Body, nil
}

// page is an answer of List Blobs.
type page struct {
	XMLName xml.Name `xml:"EnumerationResults"`
	Blobs   struct {
		Blob []struct {
			Name string
			Size int64 `xml:"Properties>Content-Length"`
		}
		BlobPrefix []struct{ Name string }
	}
	NextMarker string
}

// pages calls visit for each page of the blobs below a prefix.
func (b *container) pages(ctx context.Context, q url.Values, visit func(page) error) error {
	q.Set("restype", "container")
	q.Set("comp", "list")
	for {
		a, err := b.do(ctx, restx.Call{Method: http.MethodGet, Path: b.path, Query: q})
		if err != nil {
			return err
		}
		var p page
		err = xml.NewDecoder(a.Body).Decode(&p)
		a.Body.Close()
		if err != nil {
			return notStorage(b.rest.Base.Host, a.Status)
		}
		if err := visit(p); err != nil || p.NextMarker == "" {
			return err
		}
		q.Set("marker", p.NextMarker)
	}
}

// List implements launchx.Store. A container has no folders: one that holds nothing is empty.
func (b *container) List(ctx context.Context, folder string) (list []launchx.Entry, err error) {
	prefix := path.Join(b.folder, folder) + "/"
	err = b.pages(ctx, url.Values{"prefix": {prefix}, "delimiter": {"/"}}, func(p page) error {
		for _, e := range p.Blobs.Blob {
			list = append(list, launchx.Entry{Name: path.Base(e.Name), Size: e.Size})
		}
		for _, e := range p.Blobs.BlobPrefix {
			list = append(list, launchx.Entry{Name: path.Base(e.Name), Folder: true})
		}
		return nil
	})
	slices.SortFunc(list, func(a, b launchx.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// removeAtOnce is how many blobs are deleted at once.
const removeAtOnce = 8

// Remove implements launchx.Store.
func (b *container) Remove(ctx context.Context, name string) error {
	if err := b.delete(ctx, path.Join(b.folder, name)); err != nil {
		return err
	}
	return b.pages(ctx, url.Values{"prefix": {path.Join(b.folder, name) + "/"}}, func(p page) error {
		var wg sync.WaitGroup
		errs := make([]error, removeAtOnce)
		for i := range removeAtOnce {
			wg.Go(func() {
				for n := i; n < len(p.Blobs.Blob) && errs[i] == nil; n += removeAtOnce {
					errs[i] = b.delete(ctx, p.Blobs.Blob[n].Name)
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// delete deletes a blob by its whole name; one that is not there is deleted.
func (b *container) delete(ctx context.Context, blob string) error {
	err := b.tell(ctx, restx.Call{Method: http.MethodDelete, Path: path.Join(b.path, blob)})
	if missing(err) {
		return nil
	}
	return err
}

// refusal reads an answer of Azure Storage that is no success as a fault.
func (b *container) refusal(a *restx.Answer) error {
	code := a.Header.Get("X-Ms-Error-Code")
	var said struct{ Code, Message string }
	_ = xml.Unmarshal(a.Said(), &said)
	if code == "" {
		code = said.Code
	}
	first, _, _ := strings.Cut(said.Message, "\n")
	words := []string{strings.TrimSpace(fmt.Sprintf("%d %s: %s", a.Status, code, first))}
	end := b.expires()
	switch {
	case a.Status == http.StatusForbidden && !end.IsZero() && time.Now().After(end):
		return storageFault(fault.Unauthorized, "ContainerExpired", "its signature ended at "+end.UTC().Format(time.RFC3339), renew, words)
	case a.Status == http.StatusForbidden, a.Status == http.StatusUnauthorized:
		return storageFault(fault.Denied, "ContainerDenied", "its signature is wrong, was revoked, or lacks a right", renew, words)
	case code == "ContainerNotFound", code == "ContainerBeingDeleted":
		return storageFault(fault.Precondition, "ContainerMissing", "there is no container "+b.name(), renew, words)
	case a.Status == http.StatusNotFound:
		return storageFault(fault.NotFound, "BlobMissing", "it is not there", "submit the run again; run: zaffre run submit --help", words)
	case a.Status >= http.StatusInternalServerError:
		return storageFault(fault.Unavailable, "StorageFailed", fmt.Sprintf("it failed (%d)", a.Status), "nothing: it is tried again; if it stays so, look at the account's page", words)
	case code == "":
		return notStorage(b.rest.Base.Host, a.Status)
	}
	return storageFault(fault.Invalid, "StorageRefused", "it refuses the request: "+first, "check the URL of the container; run: zaffre compute check NAME", words)
}

const renew = "make a new SAS URL of the container, with the rights racwdl; run: zaffre compute update NAME --container-file FILE"

func storageFault(code fault.Code, reason, why, fix string, words []string) error {
	return &fault.Error{Code: code, Reason: reason, What: "the container cannot be used", Why: why, Fix: fix, Evidence: words}
}

func notStorage(host string, status int) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "NotStorage", What: "the container cannot be used",
		Why: fmt.Sprintf("what answers at %s (%d) is no Azure Storage", host, status), Fix: renew,
	}
}

func missing(err error) bool { return fault.CodeOf(err) == fault.NotFound }
