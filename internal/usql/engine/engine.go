// Package engine runs the plan of a U-SQL script: it extracts files, has DuckDB in a Python process compute
// the queries, and writes the outputs.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
)

// Options say where a plan runs.
type Options struct {
	Store  *os.Root // the script's paths are below it
	Work   string   // a folder for the rows while the plan runs; "": the system's for temporary files
	Python string   // an interpreter with the package duckdb; "": python3
}

// Result is what a run did.
type Result struct {
	Inputs  []File `json:"inputs"`
	Outputs []File `json:"outputs"`
}

// File is a file that was read or written.
type File struct {
	Path string `json:"path"`
	Rows int64  `json:"rows"`
}

// run is one run of a plan.
type run struct {
	Options
	plan   usql.Plan
	work   string
	duck   *driver
	result Result
	staged []staged
}

// Run runs a plan. Its outputs get their names one after the other when all of them are written; if it fails
// before that, none does, and files that were there stay. It may be cancelled.
func Run(ctx context.Context, plan usql.Plan, o Options) (result Result, err error) {
	work, err := os.MkdirTemp(o.Work, "zaffre-usql-")
	if err != nil {
		return Result{}, unwritable(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	r := &run{Options: o, plan: plan, work: work}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	if r.duck, err = start(ctx, cmp.Or(o.Python, "python3"), work); err != nil {
		return Result{}, err
	}
	defer r.duck.stop()
	defer r.discard()
	err = r.all(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r.result, err
}

func (r *run) all(ctx context.Context) error {
	if err := r.duck.ready(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.prepare, r.inputs, r.views, r.outputs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.publish()
}

// prepare shuts DuckDB into the work folder and makes the macros.
func (r *run) prepare(context.Context) error {
	work, err := filepath.EvalSymlinks(r.work)
	if err != nil {
		return unwritable(err)
	}
	r.work = work
	list := []string{
		"SET temp_directory = " + quote(filepath.Join(work, "duckdb")), "SET allowed_directories = [" + quote(work) + "]",
		"SET enable_progress_bar = false", "SET enable_external_access = false", "SET autoload_known_extensions = false",
	}
	for _, m := range prelude() {
		list = append(list, "CREATE MACRO "+m)
	}
	return r.runAll(append(list, "SET lock_configuration = true"))
}

func (r *run) runAll(list []string) error {
	for _, sql := range list {
		if _, err := r.duck.run(sql); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) views(context.Context) error {
	for _, v := range r.plan.Views {
		if _, err := r.duck.run("CREATE VIEW " + v.Name + " AS " + v.SQL); err != nil {
			return err
		}
	}
	return nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func name(s string) string  { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// reading is SQL that reads files in the format of exchange, without any guess.
func reading(files []string, columns []rowfile.Column) string {
	var list, cols []string
	for _, f := range files {
		list = append(list, quote(f))
	}
	for _, c := range columns {
		cols = append(cols, quote(c.Name)+": "+quote(c.Kind.SQL()))
	}
	return fmt.Sprintf(`read_csv([%s], auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', nullstr = '\N', allow_quoted_nulls = false, `+
		`new_line = '\n', max_line_size = 20971520, columns = {%s})`, strings.Join(list, ", "), strings.Join(cols, ", "))
}

func unwritable(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ScratchUnwritable", What: "cannot keep the script's rows while it runs", Why: "a folder for them cannot be written",
		Fix: "make room on the disk, or let TMPDIR name a folder that can be written", Err: err,
	}
}
