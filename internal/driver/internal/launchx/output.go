package launchx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// ReadLog opens a job's log at a byte offset, and ends at what there is. It grows while the job runs, by pieces that
// the launcher writes every second or more rarely.
func (f *Folder) ReadLog(ctx context.Context, job string, offset int64) (io.ReadCloser, error) {
	folder := path.Join(JobFolder(job), "log")
	list, err := f.Listed(ctx, folder)
	if err != nil {
		return nil, err
	}
	return &pieces{ctx: ctx, store: f.Store, folder: folder, left: list, at: offset}, nil
}

// pieces reads a log that lies in files named by the offsets at which they begin.
type pieces struct {
	ctx    context.Context
	store  Store
	folder string
	left   []Entry
	at     int64 // the next byte
	now    io.ReadCloser
}

func (p *pieces) Read(b []byte) (int, error) {
	for {
		if p.now == nil {
			if err := p.next(); err != nil {
				return 0, err
			}
		}
		n, err := p.now.Read(b)
		p.at += int64(n)
		if errors.Is(err, io.EOF) { // of this piece
			err = nil
			if n == 0 {
				err = p.skip()
			}
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (p *pieces) skip() error {
	now := p.now
	p.now = nil
	return now.Close()
}

// next opens the piece that has the next byte. Where one is not whole yet, what follows is left for later.
func (p *pieces) next() error {
	for len(p.left) > 0 {
		e := p.left[0]
		begin, err := strconv.ParseInt(e.Name, 10, 64)
		if err == nil && begin > p.at {
			return io.EOF
		}
		p.left = p.left[1:]
		if err != nil || begin+e.Size <= p.at {
			continue
		}
		p.now, err = p.store.Read(p.ctx, path.Join(p.folder, e.Name), p.at-begin)
		return err
	}
	return io.EOF
}

func (p *pieces) Close() error {
	if p.now != nil {
		return p.now.Close()
	}
	return nil
}

// ends returns what the launcher wrote last of a job; nothing of one that it did not see to its end.
func (f *Folder) ends(ctx context.Context, job string) (e End, err error) {
	err = f.ReadJSON(ctx, path.Join(JobFolder(job), endName), &e)
	if missing(err) {
		err = nil
	}
	return e, err
}

// ListOutputs returns the outputs of a job that the launcher saw to its end.
func (f *Folder) ListOutputs(ctx context.Context, job string) ([]driver.File, error) {
	e, err := f.ends(ctx, job)
	var list []driver.File
	for _, o := range e.Outputs {
		list = append(list, driver.File{Path: o.Path, Mode: o.Mode, Size: o.Size})
	}
	slices.SortFunc(list, func(a, b driver.File) int { return strings.Compare(a.Path, b.Path) })
	return list, err
}

// OpenOutput opens an output at an offset.
func (f *Folder) OpenOutput(ctx context.Context, job, name string, offset int64) (io.ReadCloser, error) {
	e, err := f.ends(ctx, job)
	if err != nil {
		return nil, err
	}
	for _, o := range e.Outputs {
		if o.Path == name && path.Base(o.File) == o.File {
			if offset >= o.Size {
				return io.NopCloser(strings.NewReader("")), nil
			}
			return f.Store.Read(ctx, path.Join(JobFolder(job), "out", o.File), offset)
		}
	}
	return nil, &fault.Error{
		Code: fault.NotFound, Reason: "OutputUnknown", What: "there is no such output", Why: fmt.Sprintf("the job left no file %q", name),
		Fix: "see what there is; run: zaffre run show RUN",
	}
}
