package run

import (
	"context"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

const (
	knownFor = 10 * time.Second
	knownMax = 8192
)

// known remembers for a while which runs there are, so that logging a number reads no record.
type known struct {
	mu    sync.Mutex
	runs  map[store.Key]knownRun
	epoch int // counts what was forgotten: what was read before is not kept after it
}

type knownRun struct {
	id    string
	until time.Time
}

// Known returns the ULID of a run that takes metrics. It fails with fault.NotFound, Reason "RunNotFound",
// and with fault.Precondition, Reason "RunDeleted". A run that another process deleted may be known for ten
// seconds. It asks for no role.
func (s *Service) Known(ctx context.Context, k store.Key) (runID string, err error) {
	runID, epoch := s.known.get(k)
	if runID != "" {
		return runID, nil
	}
	r, err := s.find(ctx, k)
	if err != nil {
		return "", err
	}
	if err := r.alive(); err != nil {
		return "", err
	}
	s.known.put(k, r.ID, epoch)
	return r.ID, nil
}

func (c *known) get(k store.Key) (runID string, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.runs[k]; ok && time.Now().Before(e.until) {
		return e.id, c.epoch
	}
	return "", c.epoch
}

func (c *known) put(k store.Key, runID string, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if c.runs == nil || len(c.runs) >= knownMax {
		c.runs = map[store.Key]knownRun{}
	}
	c.runs[k] = knownRun{runID, time.Now().Add(knownFor)}
}

func (c *known) forget(k store.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.runs, k)
	c.epoch++
}
