package hdinsight

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Start implements driver.Runner. A Python script, and a JAR file, go to spark-submit; other commands run as they
// are, and find Spark in their variables.
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	s, err := c.find.spark(ctx)
	if err != nil {
		return driver.Handle{}, err
	}
	if job.Runtime.Image != "" {
		return driver.Handle{}, imageFault()
	}
	job.Env = c.variables(job, s)
	if submits(job.Command) {
		if job.Command, err = c.submit(job, s); err != nil {
			return driver.Handle{}, err
		}
	}
	return c.machine.Start(ctx, job)
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
func (c *conn) submit(job driver.Job, s spark) ([]string, error) {
	args, err := arguments(job.Options)
	if err != nil {
		return nil, err
	}
	mode := driver.Text(job.Options[optMode])
	if err := c.checkMode(mode); err != nil {
		return nil, err
	}
	out := []string{s.home + "/bin/spark-submit", "--master", c.master}
	if mode == "cluster" {
		out = append(out, "--deploy-mode", mode)
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
		job.Command = job.Command[1:]
	}
	return append(out, job.Command...), nil
}

// yarnPython tells a driver that runs on another machine its Python.
func (c *conn) yarnPython(job driver.Job, mode string) []string {
	python := first(c.python, pythonOf(job.Runtime))
	if mode != "cluster" || python == "" {
		return nil
	}
	return []string{"--conf", "spark.yarn.appMasterEnv.PYSPARK_PYTHON=" + python, "--conf", "spark.executorEnv.PYSPARK_PYTHON=" + python}
}

func (c *conn) checkMode(mode string) error {
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
func (c *conn) variables(job driver.Job, s spark) map[string]string {
	env := maps.Clone(s.env)
	if p := pythonOf(job.Runtime); p != "" {
		env["PYSPARK_PYTHON"], env["PYSPARK_DRIVER_PYTHON"] = first(c.python, p), p
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

// Build implements driver.EnvBuilder: on the head node.
func (c *conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	if d.BaseImage != "" || len(d.Dockerfile) > 0 {
		return imageFault()
	}
	return c.machine.Build(ctx, digest, d)
}

func imageFault() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ImagesUnsupported", What: "the environment cannot be used on a Spark cluster",
		Why: "it names an image or a Dockerfile, and Spark's drivers here are processes", Fix: "give the packages by conda or pip, without an image",
	}
}

// Poll implements driver.Runner. The message of a run names its application, once its log does.
func (c *conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	st, err := c.machine.Poll(ctx, h)
	if err != nil || st.State == driver.JobPending || st.State == driver.JobLost {
		return st, err
	}
	id, err := c.find.application(ctx, jobOf(h))
	if err != nil || id == "" {
		return st, nil //nolint:nilerr // how the job stands is known
	}
	const is = "application of Spark: "
	if st.Message != "" {
		st.Message += "; "
	}
	st.Message += is + id
	return st, nil
}

// Cancel implements driver.Runner. The driver ends its application when it ends; YARN is told besides, since a driver
// may be killed, or run elsewhere.
func (c *conn) Cancel(ctx context.Context, h driver.Handle) error {
	var id string
	if modeOf(c.master) == onYARN {
		id, _ = c.find.application(ctx, jobOf(h)) // an agent that answers is enough to cancel
	}
	if err := c.machine.Cancel(ctx, h); err != nil || id == "" {
		return err
	}
	return c.find.kill(ctx, id)
}

// jobOf returns the ID of the job that the agent's handle names.
func jobOf(h driver.Handle) string {
	var v struct {
		Job string `json:"job"`
	}
	_ = json.Unmarshal(h.Data, &v) // one that cannot be read was refused before
	return v.Job
}
