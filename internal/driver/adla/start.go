package adla

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/carry"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
	"github.com/zaffre-ml/zaffre/internal/usql/job"
)

// Start implements driver.Runner. A script that does not compile is a job that has ended: no machine sees it.
func (c *conn) Start(ctx context.Context, j driver.Job) (driver.Handle, error) {
	w, err := wishesOf(j.Options)
	if err != nil {
		return driver.Handle{}, err
	}
	text, name, err := scriptOf(ctx, j)
	if err != nil {
		return driver.Handle{}, err
	}
	plan, wrong, err := compile(text, name, w.parameters)
	if err != nil || wrong != nil {
		return handle{Job: j.ID, Refused: wrong}.pack(err)
	}
	s := c.spec(j, plan, name, w)
	if j, err = c.program(ctx, j, s); err != nil {
		return driver.Handle{}, err
	}
	if _, err = c.jobs.Start(ctx, j); err != nil {
		return driver.Handle{}, err
	}
	return handle{Job: j.ID, Leaves: c.leaves(s)}.pack(nil)
}

// spec is what the program is told.
func (c *conn) spec(j driver.Job, plan usql.Plan, name string, w wishes) job.Spec {
	s := job.Spec{
		Script: name, Plan: plan, Store: c.store, Python: c.interpreter(j.Runtime), Mark: j.ID,
		Threads: w.threads, Memory: j.Memory / 4 * 3, Notes: w.notes, // the rest is for what is not DuckDB's own
	}
	if c.scratch != "" {
		s.Work = path.Join(c.scratchOf(), j.ID)
	}
	return s
}

// scratchOf is the target's folder below the option's.
func (c *conn) scratchOf() string { return path.Join(c.scratch, "zaffre-"+c.id) }

// leaves is what a script that is killed may leave outside of the job's folder: nobody else has these names.
func (c *conn) leaves(s job.Spec) (out []string) {
	for i, o := range s.Plan.Outputs {
		out = append(out, path.Join(s.Store, engine.Staged(o.Path, s.Mark, i)))
	}
	if s.Work != "" {
		out = append(out, s.Work)
	}
	return out
}

// interpreter returns the Python that has DuckDB.
func (c *conn) interpreter(r driver.Runtime) string {
	switch {
	case r.Prefix != "":
		return r.Prefix + "/bin/python"
	case r.Python != "":
		return r.Python
	}
	return c.python
}

// program returns the job that the agent starts: the program that runs plans, and the plan. They travel as code does, so
// that the program is sent to a machine once per version. Nothing else of the run's code is needed there.
func (c *conn) program(ctx context.Context, j driver.Job, s job.Spec) (driver.Job, error) {
	if j.Runtime.Image != "" {
		return j, imageFault()
	}
	arch, err := c.arch(ctx)
	if err != nil {
		return j, err
	}
	p, ok := carry.For(arch)
	if !ok {
		return j, &fault.Error{
			Code: fault.Unsupported, Reason: "ProgramMissing", What: "no script can be started on the machine",
			Why: "this server has no program for scripts on " + arch + ": it was built without", Fix: "run a server that was built by: make build",
		}
	}
	raw, err := json.Marshal(s)
	j.Files, j.Command, j.Dir, j.Token = files{p, raw}, []string{job.Program, job.Verb}, "", ""
	return j, err
}

// files are a job's: the program, and what it is told.
type files struct {
	program carry.Program
	spec    []byte
}

// Manifest implements driver.Files.
func (f files) Manifest(context.Context) ([]driver.File, error) {
	return []driver.File{
		{Path: job.SpecFile, Mode: 0o600, Size: int64(len(f.spec)), Hash: hash(f.spec)},
		{Path: job.Program, Mode: 0o755, Size: f.program.Size, Hash: f.program.Hash},
	}, nil
}

// OpenHash implements driver.Files.
func (f files) OpenHash(_ context.Context, h string) (io.ReadCloser, error) {
	if h == f.program.Hash {
		return f.program.Open()
	}
	return io.NopCloser(bytes.NewReader(f.spec)), nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Build implements driver.EnvBuilder: on the machine. An environment of the user's gets DuckDB besides what it names.
func (c *conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	if d.BaseImage != "" || len(d.Dockerfile) > 0 {
		return imageFault()
	}
	return c.jobs.Build(ctx, digest, withDuckDB(d, c.duckdb))
}

func imageFault() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ImagesUnsupported", What: "the environment cannot be used for scripts of U-SQL",
		Why: "it names an image or a Dockerfile, and scripts are processes of the machine", Fix: "submit without an environment: one that fits is made",
	}
}
