// Package batch is the kind of compute target that is a queue of somebody else's machines: a Slurm cluster, by its
// login node, or an Azure Batch account, by its REST service.
package batch

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/batch/internal/azbatch"
	"github.com/zaffre-ml/zaffre/internal/driver/batch/internal/slurm"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Paths of options that both engines have.
const (
	optResource = "resourceId"
	jobLimit    = slurm.OptLimit
)

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "batch", Summary: "A Slurm cluster, by its login node, or an Azure Batch account.",
		ComputeTypes: []string{"Batch"}, Attached: true, Relays: true, ResourceTypes: []string{"Microsoft.Batch/batchAccounts"},
		Example: "--slurm login --partition gpu",
		Options: slices.Concat(slurm.Options(), azbatch.Options(), []driver.Option{
			{Path: optResource, Type: driver.String, Help: "ARM ID of a batch account, where the inventory knows which login node or account stands for it"},
		}),
		JobOptions: slices.Concat(
			[]driver.Option{{Path: jobLimit, Type: driver.Duration, Help: "after which the engine ends the run; Slurm counts whole minutes, and places a low one sooner"}},
			slurm.JobOptions(), azbatch.JobOptions(),
		),
		Document:  document,
		Prototype: (*conn)(nil),
		Connect:   connect,
	}
}

// document is what a batch account says of itself. azureml-core looks for nothing in it.
func document(v driver.View) map[string]any {
	out := map[string]any{}
	for _, path := range []string{slurm.OptLogin, "partition", azbatch.OptAccount, "pool"} {
		if s := driver.Text(v.Options[path]); s != "" {
			out[path] = s
		}
	}
	return out
}

// engine is what runs the jobs.
type engine interface {
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
}

// conn is a target by its engine.
type conn struct {
	engine
	not foreign // of a run
}

// foreign are options that an engine does not know, since they are another's.
type foreign struct {
	engine, of string // for people
	options    []driver.Option
}

// connect chooses the engine by what the target names. Nothing is asked yet.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	onSlurm := driver.Text(t.Options[slurm.OptLogin]) != "" || len(t.On[slurm.OptLogin]) > 0
	onAzure := driver.Text(t.Options[azbatch.OptAccount]) != ""
	switch {
	case onSlurm && onAzure:
		return nil, optionFault(azbatch.OptAccount, "a target is either a Slurm cluster or an Azure Batch account", "give one of --slurm and --batch")
	case onSlurm:
		return connectSlurm(t)
	case onAzure:
		return connectAzure(t)
	}
	return nil, &fault.Error{
		Code: fault.Invalid, Reason: "EngineMissing", What: "the target cannot be reached",
		Why: "nothing says what stands behind it: neither the login node of a Slurm cluster nor the URL of an Azure Batch account", Field: "options." + slurm.OptLogin,
		Fix: "give one; run: zaffre compute update NAME --slurm TARGET, or: zaffre compute update NAME --batch URL",
	}
}

func connectSlurm(t driver.Target) (driver.Conn, error) {
	if err := (foreign{"a Slurm cluster", "Azure Batch", azbatch.Options()}).refuse(t.Options); err != nil {
		return nil, err
	}
	e, err := slurm.Connect(t)
	if err != nil {
		return nil, err
	}
	return &conn{e, foreign{"Slurm", "Azure Batch", azbatch.JobOptions()}}, nil
}

func connectAzure(t driver.Target) (driver.Conn, error) {
	if err := (foreign{"an Azure Batch account", "Slurm", slurm.Options()}).refuse(t.Options); err != nil {
		return nil, err
	}
	e, err := azbatch.Connect(t)
	if err != nil {
		return nil, err
	}
	return &conn{e, foreign{"Azure Batch", "Slurm", slurm.JobOptions()}}, nil
}

// Start implements driver.Runner: it refuses options that mean nothing to the engine.
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	if err := c.not.refuse(job.Options); err != nil {
		return driver.Handle{}, err
	}
	return c.engine.Start(ctx, job)
}

// refuse reports an option that was given a value of its own.
func (f foreign) refuse(given map[string]any) error {
	for _, o := range f.options {
		v := reflect.ValueOf(given[o.Path])
		if !v.IsValid() || v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 || reflect.DeepEqual(given[o.Path], o.Default) {
			continue
		}
		return optionFault(o.Path, f.engine+" does not know it: it is for "+f.of, "leave it out; run: zaffre compute kinds batch")
	}
	return nil
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", path),
		Why: why, Fix: fix, Field: "options." + path,
	}
}
