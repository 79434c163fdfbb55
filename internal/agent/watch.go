package agent

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// What a supervisor looks at by the clock.
const (
	orderEvery  = 2 * time.Second // whether there is an order; the FIFO is quicker
	memoryEvery = 200 * time.Millisecond
	killEvery   = 50 * time.Millisecond // that a group is sent KILL again until nothing is left
	lastGrace   = 10 * time.Second      // between TERM and KILL where the job says nothing
)

// ended is how the job's process ended.
type ended struct {
	known  bool // false: nobody saw it
	status syscall.WaitStatus
}

// reap waits for our child, and for whatever else becomes our child.
func (s *supervisor) reap() <-chan ended {
	c := make(chan ended, 1)
	go func() {
		for {
			var ws syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &ws, 0, nil)
			switch {
			case err == syscall.EINTR:
			case err != nil:
				c <- ended{}
				return
			case pid == s.proc.PID:
				c <- ended{known: true, status: ws}
				return
			}
		}
	}()
	return c
}

// adopt waits for a process that a supervisor before us started.
func (s *supervisor) adopt() <-chan ended {
	c := make(chan ended, 1)
	go func() {
		if fd, err := unix.PidfdOpen(s.proc.PID, 0); err == nil {
			for s.proc.alive() {
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
			}
			unix.Close(fd)
		}
		for s.proc.alive() {
			time.Sleep(killEvery)
		}
		c <- s.witness()
	}()
	return c
}

// witnessWithin bounds how long the agent may take to write down what it owes, on a machine that is busy.
const witnessWithin = 10 * time.Second

// witness returns how an adopted process ended, as the agent saw it: the process became its child when the supervisor
// died. It waits only while the agent that started us is there, and owes it.
func (s *supervisor) witness() ended {
	agent := 0
	_, _ = readJSON(filepath.Join(s.dir, oweFile), &agent)
	for end := time.Now().Add(witnessWithin); ; time.Sleep(killEvery / 5) {
		owed := agent == os.Getppid() && time.Now().Before(end)
		var ws uint32
		if ok, _ := readJSON(filepath.Join(s.dir, reapFile), &ws); ok {
			return ended{known: true, status: syscall.WaitStatus(ws)}
		}
		if !owed {
			return ended{}
		}
	}
}

// watch follows the process to its end, ends it where that is called for, and returns how the job
// ended.
func (s *supervisor) watch(end <-chan ended) wire.Status {
	w := watching{supervisor: s, end: end, start: time.Now()}
	w.orders = time.NewTicker(orderEvery)
	defer w.orders.Stop()
	var memory <-chan time.Time
	if s.spec.Job.Memory > 0 && s.box == nil {
		t := time.NewTicker(memoryEvery)
		defer t.Stop()
		memory = t.C
	}
	w.look()
	for {
		select {
		case e := <-end:
			s.sweep()
			return w.status(e)
		case <-s.wake:
			w.look()
		case <-w.orders.C:
			w.look()
		case <-w.timeout():
			w.stop("TimedOut", "it ran longer than its limit of "+s.spec.Job.Timeout.String(), syscall.SIGTERM)
		case <-memory:
			w.weigh()
		case <-w.kill:
			s.signal(syscall.SIGKILL)
			w.kill = time.After(killEvery)
		}
	}
}

// watching is the state of watch.
type watching struct {
	*supervisor
	end             <-chan ended
	start           time.Time
	orders          *time.Ticker
	limit           <-chan time.Time
	kill            <-chan time.Time
	reason, message string // why we end it; "" while we do not
}

// timeout returns a channel that fires when the job has run for too long.
func (w *watching) timeout() <-chan time.Time {
	d := w.spec.Job.Timeout
	if d <= 0 || w.reason != "" {
		return nil
	}
	if w.limit == nil {
		w.limit = time.After(time.Until(w.proc.Started.Add(d)))
	}
	return w.limit
}

func (w *watching) look() {
	if w.canceled() {
		w.stop("Canceled", "canceled", syscall.SIGTERM)
	}
}

func (w *watching) weigh() {
	if w.reason != "" {
		return
	}
	limit := w.spec.Job.Memory
	if used := memoryOf(members(w.proc.PID, w.reaper()), limit); used > limit {
		w.stop("OutOfMemory", "it used "+bytesText(used)+" of memory, more than its limit of "+bytesText(limit), syscall.SIGKILL)
	}
}

// stop ends the job; the first reason is the one that counts.
func (w *watching) stop(reason, message string, sig syscall.Signal) {
	if w.reason != "" {
		return
	}
	w.reason, w.message = reason, message
	w.signal(sig)
	grace := killEvery
	if sig == syscall.SIGTERM {
		grace = lastGrace
		if w.spec.Job.Grace > 0 {
			grace = w.spec.Job.Grace
		}
	}
	w.kill = time.After(grace)
}

// signal sends sig to the job.
func (s *supervisor) signal(sig syscall.Signal) {
	if s.box != nil {
		s.box.signal(sig)
		return
	}
	signalAll(s.proc.PID, s.reaper(), sig)
}

// reaper returns our pid where what the job leaves behind becomes our child, else 0.
func (s *supervisor) reaper() int {
	if s.child {
		return syscall.Getpid()
	}
	return 0
}

// sweep ends what the job's process left behind, so that nothing writes to a log that is complete
// or keeps a GPU that is free.
func (s *supervisor) sweep() {
	if s.box != nil || s.child && !s.childrenLeft() { // nothing outlives a container
		return
	}
	if st, ok := readStat(s.proc.PID); ok && !s.child && st.start != s.proc.Start {
		return // the pid is another's by now, and so is its session
	}
	sig := syscall.SIGTERM
	for begin := time.Now(); signalAll(s.proc.PID, s.reaper(), sig) > 0; {
		time.Sleep(killEvery / 5)
		s.childrenLeft()
		if time.Since(begin) > leftoverGrace {
			sig = syscall.SIGKILL
		}
	}
}

// childrenLeft reaps the children that have ended and reports whether there are others.
func (s *supervisor) childrenLeft() bool {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err != nil && err != syscall.EINTR {
			return false
		}
		if pid == 0 {
			return true
		}
	}
}
