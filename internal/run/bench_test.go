package run_test

import (
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// BenchmarkRun is a run from submit to its end, on a target that costs nothing: what is left is the
// control plane.
func BenchmarkRun(b *testing.B) {
	s := domaintest.New(b)
	s.Attach(b, "wide", map[string]any{"slots": 64})
	b.ResetTimer()
	var wg sync.WaitGroup
	open := make(chan struct{}, 64)
	for range b.N {
		open <- struct{}{}
		wg.Go(func() {
			defer func() { <-open }()
			r := s.SubmitSpec(b, run.Spec{Target: "wide", Command: []string{"true"}})
			changed, stop := s.Runs.Watch(r.Key())
			defer stop()
			for {
				got, err := s.Runs.Get(domaintest.Owner(b.Context()), r.Key())
				if err != nil || got.Status.State.Final() {
					return
				}
				<-changed
			}
		})
	}
	wg.Wait()
}
