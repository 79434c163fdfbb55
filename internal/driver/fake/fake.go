// Package fake is a programmable compute kind: its targets live in memory. Tests program it
// through a World; users try zaffre with it where they have nothing to attach.
package fake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Kind returns the kind whose targets live in w.
func Kind(w *World) driver.Kind {
	return driver.Kind{
		Name: "fake", Attached: true,
		Summary: "A target in memory that pretends to run jobs, for trying things out.",
		Options: []driver.Option{
			{Path: "slots", Type: driver.Int, Default: int64(1), Help: "how many runs it takes at once"},
			{Path: "gpus", Type: driver.Int, Default: int64(0), Help: "how many GPUs it pretends to have"},
			{Path: "memory", Type: driver.Int, Default: int64(0), Help: "how many bytes of memory it pretends to have; 0: it does not tell"},
			{Path: "machine", Type: driver.String, Help: "which computer it pretends to be; two targets with the same one are the same computer"},
			{Path: "password", Type: driver.String, Secret: true, Group: "login", Help: `a secret; "wrong" is refused`},
			{Path: "key", Type: driver.String, Secret: true, Group: "login", Help: "a secret in place of the password"},
			{Path: "via", Type: driver.TargetRef, Many: true, Help: "targets that it stands on"},
			{Path: "needs", Type: driver.String, Help: "a package that its runs need if they name no environment"},
		},
		Environment: func(options map[string]any) *driver.Definition {
			if p := driver.Text(options["needs"]); p != "" {
				return &driver.Definition{Pip: []string{p}}
			}
			return nil
		},
		JobOptions: []driver.Option{
			{Path: "queue", Type: driver.String, Default: "default", Help: "the queue that it pretends to have"},
			{Path: "nodes", Type: driver.Int, Default: int64(1), Help: "how many nodes it pretends to use"},
			{Path: "jars", Type: driver.String, Many: true, Help: "files that it pretends to read"},
		},
		Document: func(v driver.View) map[string]any {
			return map[string]any{"identity": v.Seen.Identity, "slots": v.Options["slots"]}
		},
		Prototype: (*conn)(nil),
		Connect: func(_ context.Context, t driver.Target) (driver.Conn, error) {
			return &conn{w: w, t: t}, nil
		},
	}
}

type conn struct {
	w *World
	t driver.Target
}

var _ interface {
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*conn)(nil)

func (c *conn) Close() error { return nil }

func (c *conn) Observe(context.Context) (driver.Observation, error) {
	machine, _ := c.t.Options["machine"].(string)
	if machine == "" {
		machine = c.t.ID
	}
	slots, _ := c.t.Options["slots"].(int64)
	gpus, _ := c.t.Options["gpus"].(int64)
	memory, _ := c.t.Options["memory"].(int64)
	o := driver.Observation{
		Exists: true, Ready: true, Identity: "fake/" + machine, Lasting: machine, Observed: time.Now(),
		Machines: []driver.Machine{{Identity: "fake/" + machine, Name: machine, Runs: int(slots), GPUs: int(gpus), Memory: memory}},
		Facts:    map[string]string{"os": "none"},
	}
	err := c.w.fault("Observe")
	if err == nil && c.t.Secrets["password"] == "wrong" {
		err = &fault.Error{
			Code: fault.Unauthorized, Reason: "PasswordRefused", What: "cannot log in", Why: "the password is wrong",
			Fix: "run: zaffre compute update NAME --password -",
		}
	}
	o.Checks = []driver.Check{{Name: "login", Required: true, OK: err == nil, Reason: fault.ReasonOf(err)}}
	if err != nil {
		o.Checks[0].Fix = fault.From(err).Fix
		return driver.Observation{Checks: o.Checks, Observed: o.Observed}, err
	}
	return o, nil
}

func (c *conn) Start(_ context.Context, j driver.Job) (driver.Handle, error) {
	if err := c.w.fault("Start"); err != nil {
		return driver.Handle{}, err
	}
	if err := c.w.start(c.t.ID, j); err != nil {
		return driver.Handle{}, err
	}
	data, err := json.Marshal(j.ID)
	if err != nil {
		return driver.Handle{}, err
	}
	return driver.Handle{Version: 1, Data: data}, c.w.fault("Started")
}

func (c *conn) Poll(_ context.Context, h driver.Handle) (driver.JobStatus, error) {
	if err := c.w.fault("Poll"); err != nil {
		return driver.JobStatus{}, err
	}
	j := c.w.get(c.t.ID, h)
	if j == nil {
		return driver.JobStatus{State: driver.JobLost, Reason: "JobLost", Message: "the target has no record of the job"}, nil
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return j.status, nil
}

func (c *conn) Cancel(_ context.Context, h driver.Handle) error {
	if err := c.w.fault("Cancel"); err != nil {
		return err
	}
	if j := c.w.get(c.t.ID, h); j != nil {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		c.w.end(j.spec.ID, j, driver.JobStatus{State: driver.JobCanceled, Signal: 15, Reason: "Signaled", Message: "it was cancelled"})
	}
	return nil
}

func (c *conn) Release(_ context.Context, h driver.Handle) error {
	if err := c.w.fault("Release"); err != nil {
		return err
	}
	if j := c.w.get(c.t.ID, h); j != nil {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		j.released = true
		fence := c.t.ID + "/" + j.spec.Run
		c.w.gone[fence] = max(c.w.gone[fence], j.spec.Attempt)
		delete(c.w.jobs, c.t.ID+"/"+j.spec.ID)
	}
	return nil
}

func (c *conn) Watch(ctx context.Context, changed func(string)) error {
	c.w.mu.Lock()
	c.w.next++
	n := c.w.next
	c.w.watch[n] = changed
	for _, j := range c.w.jobs { // what happened before somebody watched
		go changed(j.spec.ID)
	}
	c.w.mu.Unlock()
	<-ctx.Done()
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	delete(c.w.watch, n)
	return ctx.Err()
}

// ReadLog ends at what there is: a fake pushes nothing.
func (c *conn) ReadLog(_ context.Context, h driver.Handle, offset int64) (io.ReadCloser, error) {
	if err := c.w.fault("ReadLog"); err != nil {
		return nil, err
	}
	var text []byte
	if j := c.w.get(c.t.ID, h); j != nil {
		c.w.mu.Lock()
		text = slices.Clone(j.log.Bytes())
		c.w.mu.Unlock()
	}
	return io.NopCloser(bytes.NewReader(text[min(int(offset), len(text)):])), nil
}

func (c *conn) ListOutputs(_ context.Context, h driver.Handle) ([]driver.File, error) {
	if err := c.w.fault("ListOutputs"); err != nil {
		return nil, err
	}
	j := c.w.get(c.t.ID, h)
	if j == nil {
		return nil, nil
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	var out []driver.File
	for _, name := range slices.Sorted(maps.Keys(j.outputs)) {
		if strings.HasPrefix(name, "outputs/") || strings.HasPrefix(name, "logs/") {
			out = append(out, driver.File{Path: name, Mode: 0o644, Size: int64(len(j.outputs[name]))})
		}
	}
	return out, nil
}

func (c *conn) OpenOutput(_ context.Context, h driver.Handle, name string, offset int64) (io.ReadCloser, error) {
	if err := c.w.fault("OpenOutput"); err != nil {
		return nil, err
	}
	j := c.w.get(c.t.ID, h)
	if j == nil {
		return nil, &fault.Error{
			Code: fault.NotFound, Reason: "OutputNotFound", What: "there is no output " + name,
			Why: "the target has no record of the job", Fix: "submit the run again; run: zaffre run submit --help",
		}
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	text := j.outputs[name]
	return io.NopCloser(strings.NewReader(text[min(int(offset), len(text)):])), nil
}

// Build pretends: a definition with the requirement "impossible" fails.
func (c *conn) Build(_ context.Context, digest string, d driver.Definition) error {
	if err := c.w.fault("Build"); err != nil {
		return err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	key := c.t.ID + "/" + digest
	b := c.w.builds[key]
	if b != nil && b.status.State != driver.BuildFailed && b.status.State != driver.BuildMissing {
		return nil
	}
	if b == nil {
		b = &build{}
		c.w.builds[key] = b
	}
	b.starts++
	b.log = fmt.Sprintf("building %s\n", digest)
	b.status = driver.BuildStatus{State: driver.BuildDone, Way: "host", Python: "3.11.2", Runtime: driver.Runtime{Prefix: "/envs/" + digest}}
	if slices.Contains(d.Pip, "impossible") {
		b.status = driver.BuildStatus{State: driver.BuildFailed, Reason: "PackageNotFound", Message: "there is no package impossible"}
	}
	return nil
}

func (c *conn) BuildStatus(_ context.Context, digest string) (driver.BuildStatus, error) {
	if err := c.w.fault("BuildStatus"); err != nil {
		return driver.BuildStatus{}, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if b := c.w.builds[c.t.ID+"/"+digest]; b != nil {
		return b.status, nil
	}
	return driver.BuildStatus{State: driver.BuildMissing}, nil
}

func (c *conn) BuildLog(_ context.Context, digest string, offset int64) (io.ReadCloser, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	text := ""
	if b := c.w.builds[c.t.ID+"/"+digest]; b != nil {
		text = b.log
	}
	return io.NopCloser(strings.NewReader(text[min(int(offset), len(text)):])), nil
}

func (c *conn) Clean(_ context.Context, dryRun bool) ([]driver.Item, error) {
	if err := c.w.fault("Clean"); err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	var items []driver.Item
	for _, key := range slices.Sorted(maps.Keys(c.w.jobs)) {
		if !strings.HasPrefix(key, c.t.ID+"/") {
			continue
		}
		items = append(items, c.w.jobs[key].item(!dryRun))
		if !dryRun {
			delete(c.w.jobs, key)
		}
	}
	return items, nil
}

// item is what a job leaves. While it goes on, World.Finish ends it.
func (j *job) item(removed bool) driver.Item {
	it := driver.Item{Type: "job", Name: j.spec.ID, Removed: removed}
	if !j.status.State.Final() {
		it.End, it.Memory = "fake end "+j.spec.ID, j.spec.Memory
		for _, slot := range j.spec.Slots {
			it.GPUs = append(it.GPUs, slot.GPUs...)
		}
	}
	return it
}
