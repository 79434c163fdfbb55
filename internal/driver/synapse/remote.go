package synapse

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/pysession"
)

// variable is where Spark's client looks for its server.
const variable = "SPARK_REMOTE"

// machine and sessions have names of their own here, so that remote's methods are not taken for theirs.
type (
	machine  = hostagent.Machine
	sessions = pysession.Sessions
)

// remote is a Spark Connect server, whose clients are processes on the machine of another target.
type remote struct {
	*machine
	*sessions
	server endpoint
	python string // for what has no environment
	pool   string
}

var _ interface {
	driver.Host
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
	driver.Sessions
} = (*remote)(nil)

func connectRemote(ctx context.Context, t driver.Target) (driver.Conn, error) {
	if err := livyOnly(t, optUser, optPassword, optFolder, optFolderURL); err != nil {
		return nil, err
	}
	server, err := parseEndpoint(driver.Text(t.Options[optConnect]), t.Secrets[optToken])
	if err != nil {
		return nil, err
	}
	below, err := belowOf(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &remote{server: server, python: driver.Text(t.Options[optPython]), pool: poolOf(t)}
	if c.python == "" {
		c.python = "python3"
	}
	if strings.HasPrefix(c.python, "-") || strings.ContainsAny(c.python, "\r\n\x00") {
		return nil, optionFault(optPython, "it is no path of a program", "give for example /opt/spark/venv/bin/python")
	}
	if c.machine, err = on(t, below); err != nil {
		return nil, err
	}
	c.sessions = &pysession.Sessions{Place: c.machine.Place, Jobs: c.machine, Prepare: c.session}
	return c, nil
}

// belowOf returns the target whose machine runs the processes: the server's own where none is named.
func belowOf(ctx context.Context, t driver.Target) (driver.Conn, error) {
	if list := t.On[optHost]; len(list) > 0 {
		return list[0], nil
	}
	if t.Here == nil {
		return nil, optionFault(optHost, "nothing says on which machine runs are", "name a compute target; run: zaffre compute update NAME --host TARGET")
	}
	return t.Here(ctx)
}

// Start implements driver.Runner.
func (c *remote) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	if err := refuse(job.Options, jobOptions(), "is for a Spark that is started for the run, and a Spark Connect server runs already"); err != nil {
		return driver.Handle{}, err
	}
	job, err := c.prepare(ctx, job)
	if err != nil {
		return driver.Handle{}, err
	}
	return c.machine.Start(ctx, job)
}

// session is prepare for the program of a session.
func (c *remote) session(ctx context.Context, job driver.Job) (driver.Job, error) {
	given := maps.Clone(job.Options)
	delete(given, pysession.OptIdle)
	if err := refuse(given, jobOptions(), "is for a Spark that is started for the session, and a Spark Connect server runs already"); err != nil {
		return job, err
	}
	return c.prepare(ctx, job)
}

// prepare tells a job where the server is. One of Python is looked after: without Spark's client it would only fail.
func (c *remote) prepare(ctx context.Context, job driver.Job) (driver.Job, error) {
	if job.Runtime.Image != "" {
		return job, imageFault()
	}
	env := map[string]string{variable: c.server.url()}
	maps.Copy(env, job.Env)
	job.Env = env
	if len(job.Command) == 0 || job.Command[0] != "python" {
		return job, nil
	}
	python := job.Runtime.Python
	switch {
	case job.Runtime.Prefix != "":
		python = job.Runtime.Prefix + "/bin/python"
	case python == "":
		python = c.python
	}
	found, err := c.look(ctx, python)
	if err != nil {
		return job, err
	}
	if job.Runtime.Prefix == "" {
		job.Runtime.Python = found.path
	}
	return job, nil
}

// Build implements driver.EnvBuilder.
func (c *remote) Build(ctx context.Context, digest string, d driver.Definition) error {
	if d.BaseImage != "" || len(d.Dockerfile) > 0 {
		return imageFault()
	}
	return c.machine.Build(ctx, digest, d)
}

// Clean implements driver.Cleaner.
func (c *remote) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := c.sessions.Clean(ctx, dryRun)
	if err != nil {
		return items, err
	}
	more, err := c.machine.Clean(ctx, dryRun)
	return append(items, more...), err
}

// Observe implements driver.Conn. The checks are address, those of the machine, connection, login and pyspark. The last
// is only needed by sessions, and by runs without an environment.
func (c *remote) Observe(ctx context.Context) (driver.Observation, error) {
	address := driver.Check{Name: "address", Required: true, OK: true, Evidence: []string{c.server.String()}}
	o, err := c.machine.Observe(ctx)
	o.Checks = append([]driver.Check{address}, o.Checks...)
	if err != nil {
		return o, err
	}
	version, err := c.greet(ctx, &o)
	if err != nil {
		o.Exists, o.Ready = false, false
		return o, err
	}
	begin := time.Now()
	found, lacks := c.look(ctx, c.python)
	_ = o.Note(driver.Check{Name: "pyspark", Duration: time.Since(begin), Evidence: found.evidence()}, lacks)
	o.Identity = fmt.Sprintf("%s/%s/%s", name, o.Identity, c.server.address())
	o.Facts["endpoint"], o.Facts["spark.version"] = c.server.String(), version
	if c.pool != "" {
		o.Facts["cluster"] = c.pool
	}
	return o, nil
}

// greet asks the server for its version, as a client would.
func (c *remote) greet(ctx context.Context, o *driver.Observation) (version string, err error) {
	begin := time.Now()
	err = c.server.reach(ctx, c.machine.Place.Host)
	if err := o.Note(driver.Check{Name: "connection", Required: true, Duration: time.Since(begin)}, err); err != nil {
		return "", err
	}
	begin = time.Now()
	version, err = c.server.version(ctx, c.machine.Place.Host)
	return version, o.Note(driver.Check{Name: "login", Required: true, Duration: time.Since(begin), Evidence: hostagent.Say(version)}, err)
}
