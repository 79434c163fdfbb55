package sparksubmit

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/pysession"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Start implements driver.Runner. A Python script, and a JAR file, go to spark-submit; other commands run as they
// are, and find Spark in their variables.
func (c *Conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	if job.Options[pysession.OptIdle] != nil {
		return driver.Handle{}, optionFault(pysession.OptIdle, "it is one of interactive sessions", "leave it out")
	}
	job, err := c.prepare(ctx, job)
	if err != nil {
		return driver.Handle{}, err
	}
	return c.Machine.Start(ctx, job)
}

// prepare returns a job with the command and the variables by which it runs on Spark.
func (c *Conn) prepare(ctx context.Context, job driver.Job) (driver.Job, error) {
	s, err := c.find.spark(ctx)
	if err != nil {
		return job, err
	}
	if job.Runtime.Image != "" {
		return job, imageFault()
	}
	job.Env = c.variables(job, s)
	if submits(job.Command) {
		if err := checkFiles(ctx, job); err != nil {
			return job, err
		}
		job.Command, err = c.submit(job, s)
	}
	return job, err
}

// session is prepare for the program of a session, which cannot be elsewhere.
func (c *Conn) session(ctx context.Context, job driver.Job) (driver.Job, error) {
	if mode := driver.Text(job.Options[optMode]); mode == "cluster" {
		return job, optionFault(optMode, "the driver of a session runs on the machine itself", "leave it out")
	}
	return c.prepare(ctx, job)
}

// submits reports whether a command is a program of Spark's.
func submits(command []string) bool {
	switch {
	case len(command) > 1 && command[0] == "python":
		return path.Ext(command[1]) == ".py" && !strings.HasPrefix(command[1], "-")
	case len(command) > 0:
		return path.Ext(command[0]) == ".jar"
	}
	return false
}

// submit returns the command of spark-submit.
func (c *Conn) submit(job driver.Job, s spark) ([]string, error) {
	args, err := c.arguments(job)
	if err != nil {
		return nil, err
	}
	mode := driver.Text(job.Options[optMode])
	if err := c.checkMode(mode); err != nil {
		return nil, err
	}
	// Spark takes no master beside a remote one, which the variables may name.
	out := []string{"env", "-u", "SPARK_REMOTE", s.home + "/bin/spark-submit", "--master", c.master}
	if mode == "cluster" {
		out = append(out, "--deploy-mode", mode)
	}
	if queue := driver.Text(job.Options[optQueue]); queue != "" && modeOf(c.master) != onYARN {
		return nil, optionFault(optQueue, "only YARN has queues, and this target's master is "+c.master, "leave it out")
	}
	if modeOf(c.master) == onYARN {
		out = append(out, "--conf", "spark.yarn.tags="+job.ID)
		if queue := first(driver.Text(job.Options[optQueue]), c.queue); queue != "" {
			out = append(out, "--queue", queue)
		}
		out = append(out, c.yarnPython(job, mode)...)
	}
	out = append(out, "--name", job.ID)
	out = append(out, args...)
	if job.Command[0] == "python" {
		out = append(out, job.Command[1:]...)
	} else {
		out = append(out, job.Command...)
	}
	if c.ships(job) {
		return packed(job.Runtime.Prefix, out), nil
	}
	return out, nil
}

// arguments returns what a run's options are for spark-submit, with the archive of its environment.
func (c *Conn) arguments(job driver.Job) ([]string, error) {
	given := job.Options
	if c.ships(job) {
		var err error
		if given, err = withArchive(given, job.Runtime.Prefix); err != nil {
			return nil, err
		}
	}
	return arguments(given)
}

func (c *Conn) checkMode(mode string) error {
	switch {
	case mode == "" || mode == "client":
		return nil
	case mode != "cluster":
		return optionFault(optMode, "it is neither client nor cluster", "give one of them")
	case modeOf(c.master) != onYARN:
		return &fault.Error{
			Code: fault.Unsupported, Reason: "DeployModeUnsupported", What: "the run cannot be started with the deploy mode cluster",
			Why: "Spark takes Python in cluster mode only on YARN, and this target's master is " + c.master, Fix: "leave out the option " + optMode, Field: "options." + optMode,
		}
	}
	return nil
}

// variables are the job's, with where Spark and Python are. What the job says itself wins.
func (c *Conn) variables(job driver.Job, s spark) map[string]string {
	env := maps.Clone(s.env)
	if p := pythonOf(job.Runtime); p != "" {
		env["PYSPARK_PYTHON"], env["PYSPARK_DRIVER_PYTHON"] = c.workerPython(job), p
	} else if c.python != "" {
		env["PYSPARK_PYTHON"], env["PYSPARK_DRIVER_PYTHON"] = c.python, "python3"
	}
	maps.Copy(env, job.Env)
	return env
}

// pythonOf returns the interpreter of an environment; "": the machine's own.
func pythonOf(r driver.Runtime) string {
	if r.Prefix != "" {
		return r.Prefix + "/bin/python"
	}
	return r.Python
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// Build implements driver.EnvBuilder: on the machine.
func (c *Conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	if d.BaseImage != "" || len(d.Dockerfile) > 0 {
		return imageFault()
	}
	return c.Machine.Build(ctx, digest, d)
}

func imageFault() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ImagesUnsupported", What: "the environment cannot be used on a Spark cluster",
		Why: "it names an image or a Dockerfile, and Spark's drivers here are processes", Fix: "give the packages by conda or pip, without an image",
	}
}

// Poll implements driver.Runner. The message of a run names its application, once its log does; where YARN refused it
// for its queue, that is the reason.
func (c *Conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	st, err := c.Machine.Poll(ctx, h)
	if err != nil || st.State == driver.JobPending || st.State == driver.JobLost {
		return st, err
	}
	failed := st.State == driver.JobFailed && modeOf(c.master) == onYARN
	a, err := c.find.application(ctx, jobOf(h), failed)
	if failed && fault.Retryable(err) {
		return driver.JobStatus{}, err // a reason that is once told stays
	}
	if err != nil {
		return st, nil //nolint:nilerr // how the job stands is known
	}
	return explained(st, a), nil
}

// Cancel implements driver.Runner. The driver ends its application when it ends; YARN is told besides, since a driver
// may be killed, or run elsewhere.
func (c *Conn) Cancel(ctx context.Context, h driver.Handle) error {
	var a application
	if modeOf(c.master) == onYARN {
		a, _ = c.find.application(ctx, jobOf(h), false) // an agent that answers is enough to cancel
	}
	if err := c.Machine.Cancel(ctx, h); err != nil || a.id == "" {
		return err
	}
	return c.find.kill(ctx, a.id)
}

// jobOf returns the ID of the job that the agent's handle names.
func jobOf(h driver.Handle) string {
	var v struct {
		Job string `json:"job"`
	}
	_ = json.Unmarshal(h.Data, &v) // one that cannot be read was refused before
	return v.Job
}

// Clean implements driver.Cleaner: sessions end first, so that their applications do.
func (c *Conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	items, err := c.sessions.Clean(ctx, dryRun)
	if err != nil {
		return items, err
	}
	more, err := c.Machine.Clean(ctx, dryRun)
	return append(items, more...), err
}
