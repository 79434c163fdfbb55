package agentx

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Elsewhere is how a job stands that a scheduler starts: see Conn.Elsewhere.
type Elsewhere struct {
	driver.JobStatus
	Job     string        // its ID
	Claimed bool          // it was begun somewhere
	Asked   bool          // its end was asked for
	Silent  time.Duration // for how long nothing was heard of it since it was begun
	Tasks   *Tasks        // nil: it has none
}

// Inspect is Poll that says more of a job that runs elsewhere.
func (c *Conn) Inspect(ctx context.Context, h driver.Handle) (Elsewhere, error) {
	ref, err := refOf(h)
	if err != nil {
		return Elsewhere{}, err
	}
	st, err := call[wire.Status](ctx, c.Session, wire.OpPoll, ref)
	return elsewhereOf(ref.Job, st), err
}

func elsewhereOf(job string, st wire.Status) Elsewhere {
	return Elsewhere{statusOf(st), job, st.Claimed, st.Asked, st.Silent, tasksOf(st.Array)}
}

// Settle writes down how a job ended that can no more do so itself, and returns how it ended: it may have.
// Whatever the scheduler starts after that does nothing.
func (c *Conn) Settle(ctx context.Context, job string, st driver.JobStatus) (driver.JobStatus, error) {
	w, err := call[wire.Status](ctx, c.Session, wire.OpSettle, wire.JobEnd{Job: job, Status: wireOf(st)})
	return statusOf(w), err
}

func wireOf(st driver.JobStatus) wire.Status {
	return wire.Status{
		State: string(st.State), ExitCode: st.ExitCode, Signal: st.Signal, Reason: st.Reason, Message: st.Message, Started: st.Started, Ended: st.Ended,
	}
}
