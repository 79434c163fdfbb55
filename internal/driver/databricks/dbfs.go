package databricks

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// block is the most bytes of one request. Source: DBFS API 2.0, put, add-block and read: 1 MB.
const block = 1 << 20

// dbfs is a folder on the workspace's DBFS root.
type dbfs struct {
	c    *conn
	root string // "/zaffre/<target>"
}

func (d *dbfs) at(name string) string     { return path.Join(d.root, name) }
func (d *dbfs) seenAs(name string) string { return "/dbfs" + d.at(name) }
func (d *dbfs) uri(name string) string    { return "dbfs:" + d.at(name) }
func (d *dbfs) above() string             { return strings.Repeat("../", strings.Count(d.root, "/")) }

func (d *dbfs) Put(ctx context.Context, name string, open func() (io.ReadCloser, error), size int64) error {
	if size > block {
		return d.putLong(ctx, name, open)
	}
	b, err := readAll(open())
	if err != nil {
		return err
	}
	return d.c.post(ctx, "/api/2.0/dbfs/put", map[string]any{"path": d.at(name), "contents": base64.StdEncoding.EncodeToString(b), "overwrite": true}, nil)
}

func readAll(r io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// putLong writes a file block by block. A block whose answer is lost may have been added: then all is written anew.
func (d *dbfs) putLong(ctx context.Context, name string, open func() (io.ReadCloser, error)) (err error) {
	for range 3 {
		if err = d.putBlocks(ctx, name, open); fault.CodeOf(err) != fault.Unavailable || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (d *dbfs) putBlocks(ctx context.Context, name string, open func() (io.ReadCloser, error)) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	var h struct {
		Handle int64 `json:"handle"`
	}
	if err := d.c.post(ctx, "/api/2.0/dbfs/create", map[string]any{"path": d.at(name), "overwrite": true}, &h); err != nil {
		return err
	}
	for buf := make([]byte, block); ; {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			body := map[string]any{"handle": h.Handle, "data": base64.StdEncoding.EncodeToString(buf[:n])}
			if err := d.c.ask(ctx, restx.Call{Method: http.MethodPost, Path: "/api/2.0/dbfs/add-block", JSON: body, Once: true}, nil); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return d.c.ask(ctx, restx.Call{Method: http.MethodPost, Path: "/api/2.0/dbfs/close", JSON: map[string]any{"handle": h.Handle}, Once: true}, nil)
		}
		if err != nil {
			return err
		}
	}
}

func (d *dbfs) Read(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	r := &dbfsReader{ctx: ctx, d: d, name: name, offset: offset}
	return r, r.fill() // that it is not there is told at once
}

func (d *dbfs) List(ctx context.Context, folder string) ([]launchx.Entry, error) {
	var out struct {
		Files []struct {
			Path     string `json:"path"`
			IsDir    bool   `json:"is_dir"`
			FileSize int64  `json:"file_size"`
		} `json:"files"`
	}
	if err := d.c.get(ctx, "/api/2.0/dbfs/list", url.Values{"path": {d.at(folder)}}, &out); err != nil {
		return nil, err
	}
	var list []launchx.Entry
	for _, f := range out.Files {
		list = append(list, launchx.Entry{Name: lastOf(f.Path), Size: f.FileSize, Folder: f.IsDir})
	}
	slices.SortFunc(list, func(a, b launchx.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (d *dbfs) Remove(ctx context.Context, name string) (err error) {
	for range 10 { // a large folder is deleted in parts, and each part says that there is more
		err = d.c.post(ctx, "/api/2.0/dbfs/delete", map[string]any{"path": d.at(name), "recursive": true}, nil)
		if fault.ReasonOf(err) != "ServiceFailed" || ctx.Err() != nil {
			break
		}
	}
	if missing(err) {
		return nil
	}
	return err
}

// dbfsReader reads a file block by block.
type dbfsReader struct {
	ctx    context.Context
	d      *dbfs
	name   string
	offset int64
	have   bytes.Reader
	ended  bool
}

func (r *dbfsReader) fill() error {
	q := url.Values{"path": {r.d.at(r.name)}, "offset": {strconv.FormatInt(r.offset, 10)}, "length": {strconv.Itoa(block)}}
	var out struct {
		BytesRead int64  `json:"bytes_read"`
		Data      string `json:"data"`
	}
	err := r.d.c.get(r.ctx, "/api/2.0/dbfs/read", q, &out)
	if fault.ReasonOf(err) == "RequestRefused" && r.offset > 0 {
		err, out.Data = nil, "" // it does not say more of an offset behind the end
	}
	if err != nil {
		return err
	}
	b, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		return err
	}
	r.have.Reset(b)
	r.offset += int64(len(b))
	r.ended = len(b) < block
	return nil
}

func (r *dbfsReader) Read(p []byte) (int, error) {
	if r.have.Len() == 0 && !r.ended {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	if r.have.Len() == 0 {
		return 0, io.EOF
	}
	return r.have.Read(p)
}

func (r *dbfsReader) Close() error { return nil }
