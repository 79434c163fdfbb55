package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
)

// staged is an output beside the file that it will be.
type staged struct {
	temporary, path string
	rows            int64
}

// outputs has DuckDB compute each output, and writes it beside its place.
func (r *run) outputs(ctx context.Context) error {
	for i, o := range r.plan.Outputs {
		csv := filepath.Join(r.work, fmt.Sprintf("out%d.csv", i))
		r.tell(Computing, o.Path, 0)
		if _, err := r.duck.run(copying(o, csv)); err != nil {
			return err
		}
		rows, err := r.write(ctx, i, o, csv)
		if err != nil {
			return err
		}
		r.result.Outputs = append(r.result.Outputs, File{o.Path, rows})
		if err := os.Remove(csv); err != nil {
			return unwritable(err)
		}
	}
	return nil
}

// copying is SQL that writes rows in the format of exchange.
func copying(o usql.Output, csv string) string {
	var texts []string
	for _, c := range o.Columns {
		if c.Kind == dotnet.String || c.Kind == dotnet.Char {
			texts = append(texts, name(c.Name))
		}
	}
	force := ""
	if len(texts) > 0 {
		force = ", FORCE_QUOTE (" + strings.Join(texts, ", ") + ")"
	}
	return "COPY (" + o.SQL + ") TO " + quote(csv) + ` (FORMAT csv, HEADER false, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR '\N'` + force + ")"
}

func (r *run) write(ctx context.Context, number int, o usql.Output, csv string) (rows int64, err error) {
	src, err := os.Open(csv)
	if err != nil {
		return 0, unwritable(err)
	}
	defer src.Close()
	defer context.AfterFunc(ctx, func() { _ = src.Close() })()
	if err := r.Store.MkdirAll(path.Dir(o.Path), 0o777); err != nil {
		return 0, notWritten(o.Path, err)
	}
	if info, err := r.Store.Stat(o.Path); err == nil && info.IsDir() {
		return 0, notWritten(o.Path, errors.New("a folder has the name"))
	}
	s := staged{temporary: Staged(o.Path, r.Mark, number), path: o.Path}
	dst, err := r.Store.OpenFile(s.temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return 0, notWritten(o.Path, err)
	}
	r.staged = append(r.staged, s)
	last := &r.staged[len(r.staged)-1]
	rows, err = rowfile.Output{Format: o.Format, Columns: o.Columns}.Write(dst, src)
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err != nil {
		return 0, notWritten(o.Path, err)
	}
	last.rows = rows
	return rows, nil
}

// publish gives the outputs their names.
func (r *run) publish() error {
	for len(r.staged) > 0 {
		s := r.staged[0]
		if err := r.Store.Rename(s.temporary, s.path); err != nil {
			return notWritten(s.path, err)
		}
		r.staged = r.staged[1:]
		r.tell(Wrote, s.path, s.rows)
	}
	return nil
}

// discard removes outputs of a run that failed.
func (r *run) discard() {
	for _, s := range r.staged {
		_ = r.Store.Remove(s.temporary)
	}
}

func notWritten(file string, err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return &fault.Error{
			Code: fault.Precondition, Reason: "StoreFull", What: fmt.Sprintf("cannot write %q", "/"+file), Why: "the disk of the store's folder is full",
			Fix: "make room there, and run the script again", Err: err,
		}
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "OutputUnwritable", What: fmt.Sprintf("cannot write %q", "/"+file), Why: "the store's folder does not let it be written",
		Fix: "look at its permissions and room, and that no folder has the name", Err: err,
	}
}
