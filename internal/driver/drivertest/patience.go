package drivertest

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// patience bounds each test of the suite, and Await: what a machine that has much else to do may take. Only a test that
// fails takes so long.
const patience = 3 * time.Minute

// Until asks until ok is true, soon often and later seldom, so that many who wait leave the target its time. false: the
// context ended before that.
func Until(ctx context.Context, ok func() bool) bool {
	begin := time.Now()
	for !ok() {
		pause := min(max(time.Since(begin)/8, 10*time.Millisecond), 400*time.Millisecond)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Patiently calls again what a busy target cannot answer now, as the server does, and returns the last error.
func Patiently(ctx context.Context, call func() error) (err error) {
	Until(ctx, func() bool {
		err = call()
		return fault.CodeOf(err) != fault.Unavailable
	})
	return err
}

// patient is a runner whose target may be busy.
type patient struct{ driver.Runner }

func (p patient) Start(ctx context.Context, j driver.Job) (h driver.Handle, err error) {
	err = Patiently(ctx, func() error { h, err = p.Runner.Start(ctx, j); return err })
	return h, err
}

func (p patient) Poll(ctx context.Context, h driver.Handle) (st driver.JobStatus, err error) {
	err = Patiently(ctx, func() error { st, err = p.Runner.Poll(ctx, h); return err })
	return st, err
}

func (p patient) Cancel(ctx context.Context, h driver.Handle) error {
	return Patiently(ctx, func() error { return p.Runner.Cancel(ctx, h) })
}

func (p patient) Release(ctx context.Context, h driver.Handle) error {
	return Patiently(ctx, func() error { return p.Runner.Release(ctx, h) })
}
