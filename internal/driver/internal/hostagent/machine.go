package hostagent

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// jobs has a name of its own here, so that Machine's methods are not taken for its.
type jobs = agentx.Conn

// Machine is the machine of another target, where this one has an agent of its own: what a kind embeds that stands on
// a machine that somebody attached.
type Machine struct {
	*jobs
	Place Place
}

// On returns the machine of host for a target whose work directory is work.
func On(host driver.Host, t driver.Target, work string) *Machine {
	m := &Machine{Place: Place{Host: host, Work: work, ID: t.ID}}
	m.jobs = &agentx.Conn{Session: agentx.NewSession(m.Place.Start)}
	m.Home, m.UV = t.Home, uvx.New(t.Tools)
	return m
}

// Observe implements driver.Conn. The checks are host, which stands for all of the other target's own, and then shell,
// system, home, work-directory, disk, python and uv. Its places for runs are the other target's, and shared with it;
// Identity is the other target's too, so that whoever stands on it must make its own of it.
func (m *Machine) Observe(ctx context.Context) (driver.Observation, error) {
	begin, l := time.Now(), &Look{}
	below, err := m.Place.Host.Observe(ctx)
	host := driver.Check{Name: "host", Required: true, Duration: time.Since(begin), Evidence: Say(below.Facts["hostname"], below.Identity)}
	if err == nil && !below.Ready {
		err = hostFault(below)
	}
	if err := l.Step(host, err); err != nil {
		return l.Seen(), err
	}
	if err := l.Machine(ctx, m.Place); err != nil {
		return l.Seen(), err
	}
	l.Others("disk", "python", "uv")
	o := l.Seen()
	o.Exists, o.Ready, o.Reason, o.Message = true, l.Reason == "", l.Reason, l.Message
	o.Identity, o.Machines = below.Identity, below.Machines
	return o, nil
}

func hostFault(o driver.Observation) error {
	f := &fault.Error{
		Code: fault.Unavailable, Reason: "HostNotReady", What: "the target cannot be used", Why: "the machine that it stands on takes no runs: " + o.Message,
		Fix: "see what it lacks; run: zaffre compute list",
	}
	if o.Reason != "" {
		f.Evidence = []string{o.Reason}
	}
	return f
}

// Clean implements driver.Cleaner.
func (m *Machine) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	return m.Place.Clean(ctx, m.jobs, dryRun)
}
