package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// ErrStop is the cause with which the contexts of running steps end when the loop stops.
var ErrStop = errors.New("the server stops")

// Times of the loop. A lease outlives two missed extensions.
const (
	leaseTTL    = 30 * time.Second
	extendEvery = 10 * time.Second
	pollEvery   = time.Second // for wake-ups of other processes
	stopWithin  = 10 * time.Second
	queueWithin = 15 * time.Second // a call to the queue
	minBackoff  = 100 * time.Millisecond
	maxBackoff  = time.Minute
	setBack     = time.Second      // by how much a clock goes back that was set
	farthest    = 10 * time.Minute // no record asks to be looked at later than that
)

// Worker says who works on the records of one kind, and on how many at once.
type Worker struct {
	Func Func
	N    int
}

// Loop claims the records that are due and has them worked on, at least once each time they are.
type Loop struct {
	queue   store.Queue
	log     *slog.Logger
	workers map[string]Worker
}

// New returns a loop over kinds of records. Run starts it.
func New(q store.Queue, log *slog.Logger, workers map[string]Worker) *Loop {
	return &Loop{queue: q, log: log, workers: workers}
}

// Run works until ctx ends. Then it claims nothing more, ends the contexts of the running steps with
// the cause ErrStop, waits for them, at most 10 s, and gives their records back: they are due at once
// for whoever runs next. It fails only if steps did not end in time.
func (l *Loop) Run(ctx context.Context) error {
	errs := make([]error, 0, len(l.workers))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for kind, w := range l.workers {
		wg.Go(func() {
			err := newLine(l, kind, w).run(ctx)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// backoff returns how long to wait after a number of failures in a row: from 100 ms, doubling, to a
// minute, with a random part so that records that failed together do not come back together.
func backoff(failures int, advice time.Duration) time.Duration {
	d := min(maxBackoff, minBackoff<<min(failures, 10))
	return max(d/2+rand.N(d/2+1), advice)
}
