// Package engine runs the plan of a U-SQL script: it extracts files, has DuckDB in a Python process compute
// the queries, and writes the outputs.
package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/rowfile"
)

// Options say where a plan runs.
type Options struct {
	Store  *os.Root // the script's paths are below it
	Work   string   // a folder for the rows while the plan runs, made if it is not there; "": the system's for temporary files
	Python string   // an interpreter with the package duckdb; "": python3
	// Mark ends the names of outputs that are not whole yet: see Staged. "": one that nobody else has.
	Mark    string
	Threads int              // of DuckDB, and of the readers of files; 0: as many as there are processors
	Memory  int64            // bytes that DuckDB keeps before it writes below Work; 0: most of the machine's
	Tell    func(Step, File) // is told of each step, by several goroutines at once; nil: nobody is
}

// Step is a step of a run.
type Step string

// The steps. A file that is read, or computed, has no rows yet; one that is written has its name.
const (
	Reading   Step = "reading"
	Read      Step = "read"
	Computing Step = "computing"
	Wrote     Step = "wrote"
)

// Staged returns the name that output number n of a plan has until it is whole.
func Staged(output, mark string, n int) string {
	return path.Join(path.Dir(output), fmt.Sprintf(".%s.%s-%d", path.Base(output), mark, n))
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
	if o.Work != "" {
		if err := os.MkdirAll(o.Work, 0o700); err != nil {
			return Result{}, unwritable(err)
		}
	}
	work, err := os.MkdirTemp(o.Work, "zaffre-usql-")
	if err != nil {
		return Result{}, unwritable(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	r := &run{Options: o, plan: plan, work: work}
	r.Mark = cmp.Or(r.Mark, rand.Text())
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
	if r.Threads > 0 {
		list = append(list, fmt.Sprintf("SET threads = %d", r.Threads))
	}
	if r.Memory > 0 {
		list = append(list, fmt.Sprintf("SET memory_limit = '%dB'", r.Memory))
	}
	return r.runAll(append(list, "SET lock_configuration = true"))
}

func (r *run) tell(step Step, file string, rows int64) {
	if r.Tell != nil {
		r.Tell(step, File{Path: file, Rows: rows})
	}
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
	if errors.Is(err, syscall.ENOSPC) {
		return scratchFull(err)
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ScratchUnwritable", What: "cannot keep the script's rows while it runs", Why: "a folder for them cannot be written",
		Fix: "make room on the disk, or let TMPDIR name a folder that can be written", Err: err,
	}
}

func scratchFull(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ScratchFull", What: "cannot keep the script's rows while it runs", Why: "the disk of the folder for them is full",
		Fix: "make room there, or let TMPDIR name a folder on a larger disk: it takes about twice the room of the files", Evidence: []string{err.Error()}, Err: err,
	}
}
