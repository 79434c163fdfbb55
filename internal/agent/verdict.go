package agent

import (
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// status says how the job ended.
func (w *watching) status(e ended) wire.Status {
	st := wire.Status{Started: w.proc.Started, Reason: w.reason, Message: w.message}
	if e.known && e.status.Signaled() {
		st.Signal = int(e.status.Signal())
	} else if e.known {
		st.ExitCode = e.status.ExitStatus()
	}
	switch w.reason {
	case "Canceled":
		st.State, st.Reason = wire.JobCanceled, ""
		return st
	case "":
		return w.own(e, st)
	}
	st.State = wire.JobFailed
	return st
}

// own is the status of a job that we did not end.
func (w *watching) own(e ended, st wire.Status) wire.Status {
	st.State = wire.JobFailed
	switch {
	case !e.known && w.box != nil:
		st.Reason = "ExitUnknown"
		st.Message = "its container was removed by somebody else, so that nobody saw how it ended"
	case !e.known:
		st.Reason = "ExitUnknown"
		st.Message = "its supervisor was killed, so that nobody saw how the process ended"
	case st.Signal == int(syscall.SIGKILL) && w.kernelKilled():
		st.Reason, st.Message = "OutOfMemory", "killed by the kernel, since the memory of the machine or of its control group ran out"
	case st.Signal != 0:
		st.Reason, st.Message = "Signaled", "killed by signal "+strconv.Itoa(st.Signal)+" ("+signalName(st.Signal)+")"
	case st.ExitCode != 0:
		st.Reason, st.Message = "ExitCode", "exited with code "+strconv.Itoa(st.ExitCode)
	default:
		st.State = wire.JobDone
	}
	if st.State == wire.JobFailed && exists(filepath.Join(rootOf(w.dir), leavingFile)) {
		st.State, st.Reason = wire.JobLost, wire.Leaving
	}
	return st
}

// kernelKilled reports whether the kernel killed a process for memory while we watched. The
// counter may be written a moment after the process died.
func (w *watching) kernelKilled() bool {
	if w.box != nil {
		return w.box.state.OOMKilled
	}
	if w.oom < 0 {
		return false
	}
	for range 5 {
		if oomKills() > w.oom {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func signalName(n int) string {
	if s := unix.SignalName(syscall.Signal(n)); s != "" {
		return s
	}
	return "real-time signal"
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + units[i:i+1] + "iB"
}
