package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// batchSize bounds how many updates one commit takes.
const batchSize = 256

// job is one caller's update on its way through the writer.
type job struct {
	lasting  bool
	do       func(*tx) error
	tell     func(news)
	taken    atomic.Bool // by the writer, or by a caller that went away
	done     chan struct{}
	err      error
	panicked any
	news     news
}

// writer is the one goroutine that changes a SQLite file. It takes the updates that are there,
// runs each in a savepoint, commits once and tells the callers after the commit: a commit costs
// one wait for the disk, however many updates it holds.
type writer struct {
	pool    *sql.DB
	conn    *sql.Conn // nil: to be made
	stmts   *prepared
	unsafe  bool   // never wait for the disk: for tests
	level   string // of synchronous, on conn
	jobs    chan *job
	quit    chan struct{}
	stopped chan struct{}
}

func newWriter(pool *sql.DB, unsafe bool) *writer {
	w := &writer{
		pool: pool, unsafe: unsafe, jobs: make(chan *job, batchSize),
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// write hands an update over and waits until it is committed or undone. A caller whose context ends
// before the writer took the update gets the context's error, and nothing has changed; after that
// the update is waited for, since it takes no longer than the disk.
func (w *writer) write(ctx context.Context, lasting bool, do func(*tx) error, tell func(news)) error {
	j := &job{lasting: lasting, do: do, tell: tell, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return closed()
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-j.done
	case <-w.stopped:
		if j.taken.CompareAndSwap(false, true) {
			return closed()
		}
		<-j.done
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

// stop ends the writer after the batch at hand.
func (w *writer) stop() {
	close(w.quit)
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	batch := make([]*job, 0, batchSize)
	for {
		select {
		case <-w.quit:
			w.disconnect() // who waits in jobs sees stopped
			return
		case j := <-w.jobs:
			batch = w.gather(append(batch[:0], j))
			w.commit(batch)
		}
	}
}

// gather adds the updates that wait, without waiting for more.
func (w *writer) gather(batch []*job) []*job {
	for len(batch) < batchSize {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit makes a batch durable, and then tells. If the commit fails, all of it fails: also what
// was refused, since the reason for that may have been in the batch.
func (w *writer) commit(batch []*job) {
	n := 0
	for _, j := range batch {
		if j.taken.CompareAndSwap(false, true) {
			batch[n], n = j, n+1
		}
	}
	batch = batch[:n]
	err := w.try(batch)
	for _, j := range batch {
		if j.err == nil { // told in vain where the commit failed, but then it may have happened
			j.tell(j.news)
		}
		if err != nil {
			j.err = err
		}
		if errors.Is(j.err, errUndo) {
			j.err = nil
		}
		close(j.done)
	}
	clear(batch)
}

// try runs a batch in one transaction. The statements have no context: a caller that goes away
// must not take the others' updates with it.
func (w *writer) try(batch []*job) error {
	if len(batch) == 0 {
		return nil
	}
	ctx := context.Background()
	if err := w.connect(ctx); err != nil {
		return faultOf(err)
	}
	if err := w.synchronous(ctx, batch); err != nil {
		w.disconnect()
		return faultOf(err)
	}
	if err := w.do(ctx, "BEGIN IMMEDIATE"); err != nil {
		w.disconnect()
		return err
	}
	if err := w.finish(ctx, batch); err != nil {
		w.disconnect()
		return err
	}
	return nil
}

// finish runs a batch in the transaction that has begun, and ends it.
func (w *writer) finish(ctx context.Context, batch []*job) error {
	if len(batch) == 1 { // most are: no savepoint where nobody else's update is at stake
		if w.perform(ctx, batch[0]); batch[0].refused() {
			return w.undo(ctx, batch[0], "ROLLBACK")
		}
		return w.do(ctx, "COMMIT")
	}
	for _, j := range batch {
		if err := w.savepoint(ctx, j); err != nil {
			return err
		}
	}
	return w.do(ctx, "COMMIT")
}

// synchronous has the commit of a batch wait for the disk if an update in it is to last. What only
// moves leases is written in order and lost together with what came after it, when the machine
// loses power: the records are then due again, which repeats work that may be repeated.
func (w *writer) synchronous(ctx context.Context, batch []*job) error {
	level := "NORMAL"
	switch {
	case w.unsafe:
		level = "OFF"
	case slices.ContainsFunc(batch, func(j *job) bool { return j.lasting }):
		level = "FULL"
	}
	if level == w.level {
		return nil
	}
	// SQLite sets it when it prepares the statement: a prepared one would do nothing.
	_, err := w.conn.ExecContext(ctx, "PRAGMA synchronous = "+level)
	w.level = level
	return err
}

// savepoint runs one update so that it alone can be undone. It fails when the whole transaction
// is broken: SQLite takes back all of it when the disk is full, and the savepoint is gone then.
func (w *writer) savepoint(ctx context.Context, j *job) error {
	if err := w.do(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	w.perform(ctx, j)
	if j.refused() {
		if err := w.undo(ctx, j, "ROLLBACK TO one"); err != nil {
			return err
		}
	}
	return w.do(ctx, "RELEASE one")
}

func (w *writer) perform(ctx context.Context, j *job) {
	t := &tx{ctx: ctx, q: w.stmts}
	j.panicked, j.err = protect(j.do, t)
	j.news = t.news
}

func (j *job) refused() bool { return j.err != nil || j.panicked != nil }

// undo takes back what an update did.
func (w *writer) undo(ctx context.Context, j *job, statement string) error {
	err := w.do(ctx, statement)
	if err != nil && fault.Retryable(j.err) {
		return j.err // a full disk says more than the transaction that went with it
	}
	return err // and never what this caller alone was refused for
}

// protect keeps a panic of a caller's function for that caller.
func protect(do func(*tx) error, t *tx) (panicked any, err error) {
	defer func() { panicked = recover() }()
	return nil, do(t)
}

func (w *writer) do(ctx context.Context, text string) error {
	_, err := w.stmts.exec(ctx, text)
	return faultOf(err)
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.pool.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn, w.stmts, w.level = conn, &prepared{on: conn, rewrite: forSQLite}, ""
	return nil
}

// disconnect drops a connection in an unknown state; the next batch gets a new one.
func (w *writer) disconnect() {
	if w.conn == nil {
		return
	}
	w.stmts.close()
	discard(w.conn)
	w.conn, w.stmts = nil, nil
}
