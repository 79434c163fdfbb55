package history

import (
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// The SDK prints a log while it polls the details of a run, and prints nothing of one that has ended at the
// first poll. So a run that has a log is shown as Finalizing after its end, until one poll of its details was
// answered, and for tailFor at most. Who polled streaming polls before the end gets the end at once: the SDK
// reads the whole log once more when it sees it.
const (
	tailFor   = 2 * time.Second
	streaming = 2
	tailMax   = 4096
	pollMax   = 10 * time.Minute // the SDK polls at least every three
)

// tail knows which runs' details are polled. Its zero value is ready, and it may be used concurrently.
type tail struct {
	mu    sync.Mutex
	polls map[store.Key]polled
}

type polled struct {
	last  time.Time
	count int       // before the end
	after time.Time // the end that a poll was answered after
}

// state returns what is to be shown as the run's state.
func (t *tail) state(r run.Run) run.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.show(r)
}

// poll is state for the answer to a poll of the details.
func (t *tail) poll(r run.Run) run.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	show := t.show(r)
	if !logged(r) || r.Status.State.Final() && time.Since(r.Status.Changed) >= tailFor {
		delete(t.polls, r.Key())
		return show
	}
	t.room()
	p := t.polls[r.Key()]
	p.last = time.Now()
	if r.Status.State.Final() {
		p.after = r.Status.Changed
	} else {
		p.count++
	}
	t.polls[r.Key()] = p
	return show
}

func (t *tail) show(r run.Run) run.State {
	s := r.Status
	if !s.State.Final() || !logged(r) || time.Since(s.Changed) >= tailFor {
		return s.State
	}
	if p := t.polls[r.Key()]; p.count >= streaming || p.after.Equal(s.Changed) {
		return s.State
	}
	return run.Finalizing
}

// room drops what nobody polls any more, and everything if that is not enough: then some runs are Finalizing
// for as long as they may be.
func (t *tail) room() {
	if t.polls != nil && len(t.polls) < tailMax {
		return
	}
	for k, p := range t.polls {
		if time.Since(p.last) > pollMax {
			delete(t.polls, k)
		}
	}
	if t.polls == nil || len(t.polls) >= tailMax {
		t.polls = map[store.Key]polled{}
	}
}

// logged reports whether the run has a log that its client prints.
func logged(r run.Run) bool {
	if r.Origin == run.Managed {
		return len(r.Status.Attempts) > 0
	}
	return r.Definition != nil // it was submitted to the client's own machine
}
