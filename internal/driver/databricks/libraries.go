package databricks

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// environment is a definition in the terms of a cluster, kept in the workspace under its digest.
type environment struct {
	PyPI     []string `json:"pypi"`
	Warnings []string `json:"warnings"`
}

func envName(digest string) string { return "envs/" + digest + ".json" }

// libraries are those of the job's environment and options, as the Jobs API has them.
func (c *conn) libraries(ctx context.Context, job driver.Job) ([]any, error) {
	var list []any
	if name := job.Runtime.Prefix; name != "" {
		var e environment
		if err := c.ours.ReadJSON(ctx, name, &e); err != nil {
			return nil, err
		}
		list = append(list, pypi(e.PyPI)...)
	}
	list = append(list, pypi(driver.Texts(job.Options[libPyPI]))...)
	for _, m := range driver.Texts(job.Options[libMaven]) {
		list = append(list, map[string]any{"maven": map[string]any{"coordinates": m}})
	}
	for _, o := range [][2]string{{libJar, "jar"}, {libWhl, "whl"}, {libEgg, "egg"}} {
		for _, uri := range driver.Texts(job.Options[o[0]]) {
			list = append(list, map[string]any{o[1]: uri})
		}
	}
	return list, nil
}

func pypi(packages []string) []any {
	var list []any
	for _, p := range packages {
		list = append(list, map[string]any{"pypi": map[string]any{"package": p}})
	}
	return list
}

// Build implements driver.EnvBuilder. Nothing is built before a run: its cluster installs the libraries. What a
// cluster cannot have is fault.Invalid, Reason "EnvironmentUnsupported", where the run would make no sense
// without it, and else a warning.
func (c *conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	e, err := translate(d)
	if err != nil {
		return err
	}
	return c.ours.PutJSON(ctx, envName(digest), e)
}

func translate(d driver.Definition) (environment, error) {
	switch {
	case d.BaseImage != "" || len(d.Dockerfile) > 0:
		return environment{}, noEnvironment("it is an image, and a cluster's software is its Databricks runtime",
			"leave the image out, and choose the runtime by spark_version of the cluster")
	case d.Exact && d.Python != "":
		return environment{}, noEnvironment("it asks for exactly Python "+d.Python+", and which one a cluster has is only known there", "leave it out, and choose the runtime by spark_version of the cluster")
	case d.UserManaged:
		return environment{}, nil
	}
	plan, err := conda.Translate(d.Conda, d.Pip)
	if err != nil {
		return environment{}, err
	}
	// What conda has beside Python by itself, a cluster has too: another pip would spoil its own.
	e := environment{PyPI: slices.DeleteFunc(plan.Requirements, isTool), Warnings: plan.Notes}
	for _, line := range plan.Pip {
		e.pipLine(line)
	}
	for _, p := range plan.ChannelOnly {
		e.warn("%s is left out: only conda channels have it, and clusters install from a Python package index.", p)
	}
	if v := plan.PythonAsked; v != "" {
		e.warn("Python %s is not installed: the cluster's runtime has its own.", v)
	} else if d.Python != "" {
		e.warn("Python %s is not installed: the cluster's runtime has its own.", d.Python)
	}
	return e, nil
}

func isTool(requirement string) bool {
	end := strings.IndexAny(requirement, "<>=!~ ")
	if end < 0 {
		end = len(requirement)
	}
	return slices.Contains([]string{"pip", "setuptools", "wheel"}, requirement[:end])
}

// pipLine takes a line that pip reads, if it is a requirement by name or URL.
func (e *environment) pipLine(line string) {
	line, _, _ = strings.Cut(line, " #")
	line = strings.TrimSpace(line)
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
	case strings.HasPrefix(line, "-"):
		word, _, _ := strings.Cut(line, " ") // what follows may hold a password
		word, _, _ = strings.Cut(word, "=")
		e.warn("The option %s is left out: a cluster's libraries are single packages.", word)
	case strings.HasPrefix(line, "."), strings.HasPrefix(line, "/"), strings.Contains(line, "file:"):
		e.warn("%s is left out: it is a path, and a cluster has no such file.", line)
	default:
		e.PyPI = append(e.PyPI, line)
	}
}

func (e *environment) warn(format string, a ...any) {
	e.Warnings = append(e.Warnings, fmt.Sprintf(format, a...))
}

func noEnvironment(why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "EnvironmentUnsupported", What: "the environment cannot be used on Databricks", Why: why, Fix: fix,
	}
}

// BuildStatus implements driver.EnvBuilder.
func (c *conn) BuildStatus(ctx context.Context, digest string) (driver.BuildStatus, error) {
	var e environment
	err := c.ours.ReadJSON(ctx, envName(digest), &e)
	if missing(err) {
		return driver.BuildStatus{State: driver.BuildMissing}, nil
	}
	if err != nil {
		return driver.BuildStatus{}, err
	}
	return driver.BuildStatus{
		State: driver.BuildDone, Way: "libraries", Python: "of the cluster", Warnings: e.Warnings, Runtime: driver.Runtime{Prefix: envName(digest)},
	}, nil
}

// BuildLog implements driver.EnvBuilder: what the clusters will install, and what not.
func (c *conn) BuildLog(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
	var e environment
	if err := c.ours.ReadJSON(ctx, envName(digest), &e); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the cluster of each run installs %d packages from PyPI\n", len(e.PyPI))
	for _, p := range e.PyPI {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	for _, w := range e.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	log := b.String()
	return io.NopCloser(strings.NewReader(log[min(int(offset), len(log)):])), nil
}
