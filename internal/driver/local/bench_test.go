package local_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
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

// BenchmarkFirstLine measures from Start to the first line of Python at the reader, and beside it
// the same interpreter bare.
func BenchmarkFirstLine(b *testing.B) {
	ctx := b.Context()
	c, err := local.Kind().Connect(ctx, driver.Target{ID: "bench", Options: map[string]any{"workDirectory": b.TempDir(), "user": "same"}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	o, err := c.Observe(ctx)
	if err != nil {
		b.Fatal(err)
	}
	code := []string{"-c", "print('hi')"}
	var ours, bare []time.Duration
	for i := range b.N {
		begin := time.Now()
		if err := exec.Command(o.Facts["python.path"], code...).Run(); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, time.Since(begin))
		begin = time.Now()
		h, err := c.(driver.Runner).Start(ctx, driver.Job{
			ID: fmt.Sprintf("z-%d-1", i), Attempt: 1, Command: append([]string{"python"}, code...),
		})
		if err != nil {
			b.Fatal(err)
		}
		log, err := c.(driver.LogReader).ReadLog(ctx, h, 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(log, make([]byte, 3)); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(begin))
		log.Close()
	}
	slices.Sort(ours)
	slices.Sort(bare)
	b.ReportMetric(float64(ours[len(ours)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(bare[len(bare)*95/100].Microseconds())/1000, "bare-p95-ms")
}

// BenchmarkLogLine measures from the moment at which a job has written a line to the moment at
// which a reader has it.
func BenchmarkLogLine(b *testing.B) {
	ctx := b.Context()
	c, err := local.Kind().Connect(ctx, driver.Target{ID: "bench", Options: map[string]any{"workDirectory": b.TempDir(), "user": "same"}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	h, err := c.(driver.Runner).Start(ctx, driver.Job{ID: "z-log-1", Attempt: 1, Command: []string{
		"python", "-c", "import sys, time\nfor _ in range(int(sys.argv[1])):\n    print(time.time(), flush=True); time.sleep(0.07)", fmt.Sprint(b.N),
	}})
	if err != nil {
		b.Fatal(err)
	}
	log, err := c.(driver.LogReader).ReadLog(ctx, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	var late []float64
	for lines := bufio.NewScanner(log); lines.Scan(); {
		at, err := strconv.ParseFloat(lines.Text(), 64)
		if err != nil {
			b.Fatal(err)
		}
		late = append(late, float64(time.Now().UnixMicro())/1000-at*1000)
	}
	slices.Sort(late)
	b.ReportMetric(late[len(late)*99/100], "p99-ms")
}
