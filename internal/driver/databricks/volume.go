package databricks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
)

// volume is a folder in a volume of Unity Catalog, by the Files API.
type volume struct {
	c    *conn
	root string // "/Volumes/main/default/zaffre/<target>"
}

func (v *volume) at(name string) string     { return path.Join(v.root, name) }
func (v *volume) seenAs(name string) string { return v.at(name) }
func (v *volume) uri(name string) string    { return v.at(name) }

// above is the volume itself: /Volumes/CATALOG/SCHEMA/VOLUME.
func (v *volume) above() string { return strings.Repeat("../", strings.Count(v.root, "/")-4) }

// Put makes the folder where there is none: whether uploading does so is not promised.
func (v *volume) Put(ctx context.Context, name string, open func() (io.ReadCloser, error), size int64) error {
	err := v.upload(ctx, name, open, size)
	if !missing(err) {
		return err
	}
	if err := v.c.ask(ctx, restx.Call{Method: http.MethodPut, Path: "/api/2.0/fs/directories" + path.Dir(v.at(name))}, nil); err != nil {
		return err
	}
	return v.upload(ctx, name, open, size)
}

func (v *volume) upload(ctx context.Context, name string, open func() (io.ReadCloser, error), size int64) error {
	return v.c.ask(ctx, restx.Call{
		Method: http.MethodPut, Path: "/api/2.0/fs/files" + v.at(name), Query: url.Values{"overwrite": {"true"}},
		Body: open, Size: size, Header: http.Header{"Content-Type": {"application/octet-stream"}},
	}, nil)
}

func (v *volume) Read(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	q := restx.Call{Method: http.MethodGet, Path: "/api/2.0/fs/files" + v.at(name)}
	if offset > 0 {
		q.Header = http.Header{"Range": {fmt.Sprintf("bytes=%d-", offset)}}
	}
	if v.c.rest == nil {
		return nil, addressUnknown()
	}
	a, err := v.c.rest.Do(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case offset > 0 && a.Status == http.StatusRequestedRangeNotSatisfiable:
		a.Body.Close()
		return http.NoBody, nil
	case !a.OK():
		return nil, v.c.said(a)
	case offset > 0 && a.Status != http.StatusPartialContent: // it knows no ranges
		_, err = io.CopyN(io.Discard, a.Body, offset)
		if err == io.EOF {
			err = nil
		}
	}
	return a.Body, err
}

func (v *volume) List(ctx context.Context, folder string) ([]launchx.Entry, error) {
	var list []launchx.Entry
	for token := ""; ; {
		var out struct {
			Contents []struct {
				Name        string `json:"name"`
				FileSize    int64  `json:"file_size"`
				IsDirectory bool   `json:"is_directory"`
			} `json:"contents"`
			Next string `json:"next_page_token"`
		}
		q := url.Values{}
		if token != "" {
			q.Set("page_token", token)
		}
		if err := v.c.get(ctx, "/api/2.0/fs/directories"+v.at(folder), q, &out); err != nil {
			return nil, err
		}
		for _, f := range out.Contents {
			list = append(list, launchx.Entry{Name: f.Name, Size: f.FileSize, Folder: f.IsDirectory})
		}
		if token = out.Next; token == "" {
			break
		}
	}
	slices.SortFunc(list, func(a, b launchx.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Remove deletes from the leaves up: the Files API deletes only folders that are empty.
func (v *volume) Remove(ctx context.Context, name string) error {
	list, err := v.List(ctx, name)
	if missing(err) { // a file, or nothing
		return v.delete(ctx, "files", name)
	}
	if err != nil {
		return err
	}
	for _, e := range list {
		below := path.Join(name, e.Name)
		if e.Folder {
			err = v.Remove(ctx, below)
		} else {
			err = v.delete(ctx, "files", below)
		}
		if err != nil {
			return err
		}
	}
	return v.delete(ctx, "directories", name)
}

func (v *volume) delete(ctx context.Context, what, name string) error {
	err := v.c.ask(ctx, restx.Call{Method: http.MethodDelete, Path: "/api/2.0/fs/" + what + v.at(name)}, nil)
	if missing(err) {
		return nil
	}
	return err
}
