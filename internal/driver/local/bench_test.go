package local_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
)

// BenchmarkTrue measures a job that does nothing, from Start to the news that it ended: with eight
// at once, and its CPU time on both sides of the channel, the job's own included.
func BenchmarkTrue(b *testing.B) {
	ctx := b.Context()
	before := cpuTime()
	c, err := local.Kind().Connect(ctx, driver.Target{ID: "bench", Options: map[string]any{"workDirectory": b.TempDir(), "user": "same"}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var mu sync.Mutex
	waits := map[string]chan struct{}{}
	ready := make(chan struct{})
	go func() {
		close(ready)
		_ = c.(driver.Watcher).Watch(ctx, func(job string) {
			mu.Lock()
			defer mu.Unlock()
			if w := waits[job]; w != nil {
				select {
				case w <- struct{}{}:
				default:
				}
			}
		})
	}()
	<-ready
	jobs := make(chan string)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for id := range jobs {
				w := make(chan struct{}, 1)
				mu.Lock()
				waits[id] = w
				mu.Unlock()
				runTrue(ctx, b, c.(driver.Runner), id, w)
				mu.Lock()
				delete(waits, id)
				mu.Unlock()
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		jobs <- fmt.Sprintf("z-%d-1", i)
	}
	close(jobs)
	wg.Wait()
	b.StopTimer()
	c.Close()
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

func runTrue(ctx context.Context, b *testing.B, r driver.Runner, id string, changed <-chan struct{}) {
	h, err := r.Start(ctx, driver.Job{ID: id, Run: id[2 : len(id)-2], Attempt: 1, Command: []string{"/bin/true"}})
	for err == nil {
		var st driver.JobStatus
		if st, err = r.Poll(ctx, h); err == nil && st.State.Final() {
			if st.State != driver.JobDone {
				b.Errorf("%s ended as %+v", id, st)
			}
			err = r.Release(ctx, h)
			break
		}
		select {
		case <-changed:
		case <-time.After(time.Second):
		}
	}
	if err != nil {
		b.Error(err)
	}
}

// cpuTime returns what we and the children that ended have used.
func cpuTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
