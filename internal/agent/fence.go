package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// fence is what a run's file in runs holds: the highest attempt that was started here, and the
// highest that was released. It outlives the jobs.
type fence struct{ started, released int }

// admit refuses an attempt below the highest that was seen of its run, and one that has come and
// gone: a server that had long been away may still ask for them.
func (f *fence) admit(attempt int) error {
	why := ""
	switch {
	case attempt < f.started:
		why = fmt.Sprintf("attempt %d was started here", f.started)
	case attempt <= f.released:
		why = "it has ended here and was released"
	default:
		f.started = attempt
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "Fenced", What: fmt.Sprintf("attempt %d of the run may not start", attempt),
		Why: why, Fix: "nothing: what came later goes on",
	}
}

// withFence changes a run's fence. It is written in place and at its full width: there is no moment
// in which it is not there.
func (s *server) withFence(run string, change func(*fence) error) error {
	if run == "" {
		return nil
	}
	if !validName(run) {
		return invalid(strconv.Quote(run) + " is no run's ID")
	}
	file, err := os.OpenFile(filepath.Join(s.root, runsDir, run), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return diskFault("read the run's fence", err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return diskFault("read the run's fence", err)
	}
	var old fence
	b, _ := io.ReadAll(io.LimitReader(file, 64))
	_, _ = fmt.Sscan(string(b), &old.started, &old.released) // empty: nothing was started
	now := old
	if err := change(&now); err != nil || now == old {
		return err
	}
	if _, err := file.WriteAt(fmt.Appendf(nil, "%20d %20d\n", now.started, now.released), 0); err != nil {
		return diskFault("write the run's fence", err)
	}
	return nil
}

func (s *server) fence(j wire.Job) error {
	return s.withFence(j.Run, func(f *fence) error { return f.admit(j.Attempt) })
}

// retire notes that an attempt was released.
func (s *server) retire(j wire.Job) error {
	return s.withFence(j.Run, func(f *fence) error {
		f.released = max(f.released, j.Attempt)
		return nil
	})
}
