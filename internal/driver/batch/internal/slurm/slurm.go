// Package slurm runs the jobs of a target on a Slurm cluster, by its login node.
package slurm

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// OptLogin is the path of the option that names the login node: the field of an inventory entry, by which a batch
// account's ID leads to a cluster.
const OptLogin = "slurm"

// OptLimit is the path of a run's option that every engine of the kind has.
const OptLimit = "timeLimit"

// Option paths.
const (
	optWork      = "workDirectory"
	optPartition = "partition"
	optAccount   = "account"
	optQOS       = "qos"
	optArray     = "array"
	optBin       = "slurmBin"
	optConf      = "slurmConf"
	optRelay     = "relay"
)

// Options are those of a target.
func Options() []driver.Option {
	return []driver.Option{
		{Path: OptLogin, Type: driver.TargetRef, Help: "compute target that is the login node of a Slurm cluster, where sbatch is: of kind sshvm or local"},
		{Path: optWork, Type: driver.String, Immutable: true, Help: "Slurm: folder for code, environments and logs, which the nodes see at the same path; .zaffre in the home folder by default"},
		{Path: optPartition, Type: driver.String, Help: "Slurm: partition of runs that name none; by default the cluster's own"},
		{Path: optAccount, Type: driver.String, Help: "Slurm: account of runs that name none"},
		{Path: optQOS, Type: driver.String, Help: "Slurm: quality of service of runs that name none"},
		{Path: optBin, Type: driver.String, Help: "Slurm: folder of sbatch on the login node, where it is not on the PATH"},
		{Path: optConf, Type: driver.String, Help: "Slurm: path of slurm.conf on the login node, where it is not where Slurm looks for it"},
		{Path: optRelay, Type: driver.Bool, Default: true, Help: "Slurm: runs reach the server by a TCP port of the login node, which the agent opens; false: they do not"},
	}
}

// jobs has a name of its own here, so that Conn's methods are not taken for its.
type jobs = agentx.Conn

// Conn reaches a Slurm cluster through its login node: Slurm says when a run's wrapper is started, the agent what
// it does.
type Conn struct {
	*jobs
	place    hostagent.Place
	slurm    slurm
	defaults options
	alone    bool // runs do not reach the server
}

var _ interface {
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*Conn)(nil)

// Connect reads the options. The login node is asked by the first call.
func Connect(t driver.Target) (*Conn, error) {
	if len(t.On[OptLogin]) != 1 {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "LoginNodeMissing", What: "the cluster cannot be reached",
			Why: "nothing says which compute target is its login node", Field: "options." + OptLogin,
			Fix: "attach the login node first, and name it; run: zaffre compute update NAME --slurm TARGET",
		}
	}
	host, err := driver.As[driver.Host](t.On[OptLogin][0])
	if err != nil {
		return nil, err
	}
	c := &Conn{place: hostagent.Place{Host: host, Work: driver.Text(t.Options[optWork]), ID: t.ID}}
	c.slurm = slurm{place: c.place, bin: driver.Text(t.Options[optBin]), conf: driver.Text(t.Options[optConf]), seen: newSeen()}
	c.defaults = options{partition: driver.Text(t.Options[optPartition]), account: driver.Text(t.Options[optAccount]), qos: driver.Text(t.Options[optQOS])}
	if err := c.defaults.check(); err != nil {
		return nil, err
	}
	c.jobs = &agentx.Conn{Session: agentx.NewSession(c.place.Start), Elsewhere: true}
	c.jobs.Home, c.jobs.UV = t.Home, uvx.New(t.Tools)
	relay, said := t.Options[optRelay].(bool)
	c.alone = said && !relay
	return c, nil
}

// Build implements driver.EnvBuilder: on the login node, for nodes that are like it.
func (c *Conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	if d.BaseImage != "" || len(d.Dockerfile) > 0 {
		return imageFault()
	}
	return c.jobs.Build(ctx, digest, d)
}

func imageFault() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ImagesUnsupported", What: "the environment cannot be used on a Slurm cluster",
		Why: "it names an image or a Dockerfile, and runs there are processes", Fix: "give the packages by conda or pip, without an image",
	}
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", path),
		Why: why, Fix: fix, Field: "options." + path,
	}
}
