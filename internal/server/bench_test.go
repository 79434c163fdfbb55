package server_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
)

// BenchmarkCall is what a call costs that does nothing: TLS, HTTP/2, middleware, token, codec.
func BenchmarkCall(b *testing.B) {
	s := start(b)
	for b.Loop() {
		if _, err := s.Server(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSubmitToCompleted runs 16 at a time on a target in memory: what the control plane costs.
func BenchmarkSubmitToCompleted(b *testing.B) {
	s := start(b)
	s.attach(b, "box", map[string]any{"slots": 16})
	work := make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := range work {
				r, err := s.Submit(b.Context(), "default", client.RunRequest{Name: strconv.Itoa(n), Compute: "box", Command: []string{"true"}})
				if err == nil {
					err = s.WatchRun(b.Context(), "default", r.ID, func(client.Run) error { return nil })
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	n := 0
	for b.Loop() {
		n++
		work <- n
	}
	close(work)
	wg.Wait()
}
