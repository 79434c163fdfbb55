package agent

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// A file that grows is looked at this often: soon after it grew, then less and less.
const (
	tailSoon = 10 * time.Millisecond
	tailLate = 50 * time.Millisecond
)

// readLog sends a job's log until it is complete. The log of a job that is lost is.
func (s *server) readLog(c *call, ref wire.JobRef) error {
	dir, err := s.jobDir(ref.Job)
	if err != nil {
		return err
	}
	if !exists(filepath.Join(dir, specFile)) {
		return notFound("JobUnknown", "the job has no log", "the machine has no record of the job")
	}
	st, err := s.read(dir)
	if err != nil {
		return err
	}
	return s.tail(c, tailed{
		name: ref.Job, file: filepath.Join(dir, logFile), offset: ref.Offset,
		done: func(offset int64) { wasRead(dir, offset) },
		complete: func() bool { // looked at often: no more than two files, and an array now and then
			s.glance(dir)
			return st.State == wire.JobLost || exists(filepath.Join(dir, exitFile)) || !exists(filepath.Join(dir, specFile))
		},
	})
}

// tailed is a file that grows until it is complete.
type tailed struct {
	name, file string // name: of its changes
	offset     int64
	complete   func() bool
	done       func(offset int64) // is called when all of it was sent; nil: nobody asks
}

// tail sends the file from the offset on as a body, as it grows.
func (s *server) tail(c *call, t tailed) error {
	ctx, cancel := c.gone()
	defer cancel()
	changes, stop := s.hub.subscribe(t.name, 1)
	defer stop()
	if err := c.Send(wire.Empty{}); err != nil {
		return err
	}
	pause := tailSoon
	for {
		last := t.complete() // before reading: what stands in the file now is all there will be
		n, err := t.send(c)
		if err != nil || last {
			return t.end(c, err)
		}
		if pause = min(pause*5/4, tailLate); n > 0 {
			pause = tailSoon
		}
		if !wait(ctx, changes, pause) {
			return nil
		}
	}
}

// send sends what the file has grown by. A file that is not there yet is empty.
func (t *tailed) send(c *call) (int64, error) {
	fi, err := os.Stat(t.file)
	if err != nil || fi.Size() <= t.offset {
		return 0, nil
	}
	f, err := os.Open(t.file)
	if err != nil {
		return 0, diskFault("read the log", err)
	}
	defer f.Close()
	b := make([]byte, min(fi.Size()-t.offset, 256<<10))
	var sent int64
	for {
		n, err := f.ReadAt(b, t.offset)
		if n > 0 {
			if _, err := c.Write(b[:n]); err != nil {
				return sent, err
			}
			t.offset += int64(n)
			sent += int64(n)
		}
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, diskFault("read the log", err)
		}
	}
}

func (t *tailed) end(c *call, err error) error {
	if err == nil {
		err = c.End()
	}
	if err == nil && t.done != nil {
		t.done(t.offset)
	}
	return err
}

// wait waits for a change or for d; false where the other side went away.
func wait(ctx context.Context, changes <-chan string, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changes:
	case <-t.C:
	}
	return true
}

// watchJobs sends the name of each job that may have changed.
func (s *server) watchJobs(c *call, _ wire.Empty) error {
	ctx, cancel := c.gone()
	defer cancel()
	changes, stop := s.hub.subscribe("", 1024)
	defer stop()
	if err := c.Send(wire.Empty{}); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case name := <-changes:
			if validHash(name) {
				continue // a build
			}
			if err := c.Send(wire.Changed{Job: name}); err != nil {
				return err
			}
		}
	}
}
