package run

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The files that a job left are fetched a few at a time, so that many small ones do not wait for one another's way. One
// that breaks off goes on at that byte, if the target is back soon; else the step fails, and the next one fetches what
// is not kept yet.
const (
	outputsAtOnce  = 4
	outputPatience = time.Minute
	outputAgain    = time.Second
)

// keptOutputs are the paths of the files that are kept already, by the ID of the job that left them. They are
// remembered until the job is done with, or the server ends.
type keptOutputs struct {
	mu   sync.Mutex
	jobs map[string]map[string]bool
}

func (k *keptOutputs) has(job, path string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.jobs[job][path]
}

func (k *keptOutputs) add(job, path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.jobs == nil {
		k.jobs = map[string]map[string]bool{}
	}
	if k.jobs[job] == nil {
		k.jobs[job] = map[string]bool{}
	}
	k.jobs[job][path] = true
}

func (k *keptOutputs) forget(job string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.jobs, job)
}

// keepOutputs copies the files that the job left. Of a run that is tried again only the last attempt's
// are kept.
func (s *Service) keepOutputs(ctx context.Context, c driver.Conn, r Run) error {
	outputs, ok := c.(driver.Outputs)
	if !ok {
		return nil
	}
	job := r.Attempt().JobID
	files, err := outputs.ListOutputs(ctx, *r.Attempt().Handle)
	if err != nil {
		return err
	}
	return each(files, outputsAtOnce, func(f driver.File) error {
		if s.kept.has(job, f.Path) {
			return nil
		}
		body := &output{ctx: ctx, size: f.Size, open: func(offset int64) (io.ReadCloser, error) {
			return outputs.OpenOutput(ctx, *r.Attempt().Handle, f.Path, offset)
		}}
		defer body.Close()
		if _, err := s.files().Put(ctx, r.ID, f.Path, body); err != nil {
			return err
		}
		s.kept.add(job, f.Path)
		return nil
	})
}

// each calls f with each of the list, n at a time, until one fails, and returns the first error.
func each[T any](list []T, n int, f func(T) error) error {
	var all sync.WaitGroup
	free, errs := make(chan struct{}, n), make(chan error, len(list))
	for _, v := range list {
		free <- struct{}{}
		if len(errs) > 0 {
			break
		}
		all.Go(func() {
			if err := f(v); err != nil {
				errs <- err
			}
			<-free
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// output is a file that a job left, as one stream over those that break off.
type output struct {
	ctx   context.Context // of the step that reads it
	size  int64           // bytes, as it was listed
	open  func(offset int64) (io.ReadCloser, error)
	body  io.ReadCloser // nil: to be opened
	at    int64
	broke time.Time // since when nothing came; zero: it comes
}

func (o *output) Read(p []byte) (int, error) {
	for {
		n, err := o.read(p)
		o.at += int64(n)
		if n > 0 || err == nil || err == io.EOF {
			o.broke = time.Time{}
			return n, err
		}
		if o.broke.IsZero() {
			o.broke = time.Now()
		}
		if fault.CodeOf(err) != fault.Unavailable || time.Since(o.broke) > outputPatience {
			return 0, err
		}
		select {
		case <-time.After(outputAgain):
		case <-o.ctx.Done():
			return 0, err
		}
	}
}

// read reads on, from a stream of its own where the last one broke off.
func (o *output) read(p []byte) (n int, err error) {
	if o.body == nil {
		if o.body, err = o.open(o.at); err != nil {
			o.body = nil
			return 0, err
		}
	}
	n, err = o.body.Read(p)
	short := o.size - o.at - int64(n)
	if err == nil || err == io.EOF && short <= 0 {
		return n, err
	}
	if err == io.EOF {
		err = shortFault(short)
	}
	_ = o.Close()
	if n > 0 {
		err = nil // what came is good
	}
	return n, err
}

// shortFault: a stream that ends is the end of its file only if all has come.
func shortFault(lacking int64) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "OutputShort", What: "a file that the run left did not come whole",
		Why: fmt.Sprintf("the target ended its stream %d bytes before its end", lacking), Fix: "nothing: it is fetched on",
	}
}

// Close ends the stream that is open.
func (o *output) Close() error {
	if o.body == nil {
		return nil
	}
	err := o.body.Close()
	o.body = nil
	return err
}
