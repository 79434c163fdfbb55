package agent

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// namedTasks is how many tasks a message names.
const namedTasks = 10

// tasks says of some tasks of a job how they stand by their own files.
func (s *server) tasks(ref wire.TasksRef) ([]wire.Task, error) {
	a, list, err := s.tasksOf(ref)
	if err != nil || a == nil {
		return nil, err
	}
	now := s.now()
	out := []wire.Task{}
	for _, i := range list {
		dir := a.taskDir(i)
		st := wire.Status{State: wire.JobPending, Claimed: exists(filepath.Join(dir, claimDir)), Asked: a.asked()}
		if st.Claimed {
			st.Silent = silence(dir, now)
		}
		var own wire.Status
		if ok, _ := readJSON(filepath.Join(dir, exitFile), &own); ok {
			own.Claimed, own.Silent, own.Asked = st.Claimed, st.Silent, st.Asked
			st = own
		}
		out = append(out, wire.Task{Index: i, Status: st})
	}
	return out, nil
}

// tasksOf finds tasks of a job; no array where there is none of them.
func (s *server) tasksOf(ref wire.TasksRef) (*array, wire.Indexes, error) {
	dir, err := s.jobDir(ref.Job)
	if err != nil {
		return nil, nil, err
	}
	list, err := wire.ParseIndexes(ref.Tasks)
	if err != nil {
		return nil, nil, invalid("of the tasks of the job " + err.Error())
	}
	a, err := s.arrayOf(dir)
	if a == nil || err != nil {
		return nil, nil, err
	}
	return a, slices.DeleteFunc(list, func(i int) bool { return !a.has(i) }), nil
}

// settleTasks takes how tasks ended, unless they said so themselves, and returns how the job stands then.
func (s *server) settleTasks(e wire.TaskEnds) (st wire.Status, err error) {
	dir, err := s.jobDir(e.Job)
	if err != nil {
		return st, err
	}
	var settled []entry
	for _, end := range e.Ends {
		a, list, err := s.tasksOf(wire.TasksRef{Job: e.Job, Tasks: end.Tasks})
		if err != nil {
			return st, err
		}
		for _, i := range list {
			own, ok, err := a.settleTask(i, end.Status)
			if err != nil {
				return st, diskFault("end the tasks of the job", err)
			}
			if ok {
				settled = append(settled, a.endEntry(i, own))
			}
		}
	}
	if a, err := s.arrayOf(dir); a != nil && err == nil && len(settled) > 0 {
		if _, err := a.look(settled); err != nil {
			return st, err
		}
		s.hub.publish(e.Job)
	}
	return s.read(dir)
}

// settleTask ends a task in its folder. What it wrote down itself counts, but for why it was sent a signal. One that was
// not begun is begun by us, so that it never is.
func (a *array) settleTask(index int, st wire.Status) (own wire.Status, ok bool, err error) {
	dir := a.taskDir(index)
	name := filepath.Join(dir, exitFile)
	if found, err := readJSON(name, &own); found || err != nil {
		if isUnclear(own) && st.State != "" {
			own.State, own.Reason, own.Message = st.State, st.Reason, st.Message
		}
		return own, found, err
	}
	if !st.Claimed {
		if first, err := claim(dir); !first || err != nil {
			return own, false, err
		}
	}
	var p process
	_, _ = readJSON(filepath.Join(dir, procFile), &p)
	own = wire.Status{State: st.State, Reason: st.Reason, Message: st.Message, Started: p.Started, Ended: time.Now().UTC()}
	return own, true, writeJSON(name, own)
}

// ending says how a task ended, for the job's log.
func ending(st wire.Status) string {
	after := ""
	if !st.Started.IsZero() {
		after = " after " + max(0, st.Ended.Sub(st.Started)).Round(100*time.Millisecond).String()
	}
	switch {
	case st.State == wire.JobCanceled:
		return "was canceled" + after
	case st.State == wire.JobLost:
		return "was lost" + after + ": " + whyOf(st)
	case st.State == wire.JobDone, st.Reason == "ExitCode":
		return "ended with exit code " + strconv.Itoa(st.ExitCode) + after
	case st.Reason == "Signaled":
		return "was ended by signal " + strconv.Itoa(st.Signal) + " (" + signalName(st.Signal) + ")" + after
	}
	return "failed" + after + ": " + whyOf(st)
}

// whyOf says in short why a task failed.
func whyOf(st wire.Status) string {
	switch st.Reason {
	case "ExitCode":
		return "exit code " + strconv.Itoa(st.ExitCode)
	case "Signaled":
		return "signal " + strconv.Itoa(st.Signal)
	}
	return cmp.Or(st.Message, st.Reason)
}

// verdict says how the job ended, once all its tasks have. Where one failed that is what counts: another attempt would
// not mend it, as it may one that was lost.
func (a *array) verdict() wire.Status {
	failed, lost, canceled := a.endedAs(wire.JobFailed), a.endedAs(wire.JobLost), a.endedAs(wire.JobCanceled)
	st := wire.Status{State: wire.JobDone}
	switch {
	case len(canceled) > 0:
		st = wire.Status{State: wire.JobCanceled, Message: fmt.Sprintf("canceled: %d of %d tasks had ended by themselves", len(a.indexes)-len(canceled), len(a.indexes))}
	case len(failed) > 0:
		st = a.worst(failed, "failed")
		if len(lost) > 0 {
			st.Message += "; " + a.name(lost, "were lost")
		}
	case len(lost) > 0:
		st = a.worst(lost, "were lost")
	}
	st.Started, st.Ended, st.Array = a.started(), a.last(), &wire.Array{Tasks: len(a.indexes)}
	return st
}

// endedAs returns the tasks that ended in a state.
func (a *array) endedAs(state string) (list wire.Indexes) {
	for _, i := range a.indexes {
		if a.ended[i].State == state {
			list = append(list, i)
		}
	}
	return list
}

// last is when the last task ended.
func (a *array) last() (t time.Time) {
	for _, st := range a.ended {
		if st.Ended.After(t) {
			t = st.Ended
		}
	}
	return t
}

// worst is the end of a job of which some tasks ended badly: as the first of them did.
func (a *array) worst(list wire.Indexes, how string) wire.Status {
	first := a.ended[list[0]]
	return wire.Status{State: first.State, Reason: first.Reason, ExitCode: first.ExitCode, Signal: first.Signal, Message: a.name(list, how)}
}

// name says which tasks ended badly, and why.
func (a *array) name(list wire.Indexes, how string) string {
	words := make([]string, 0, namedTasks)
	for _, i := range list[:min(len(list), namedTasks)] {
		words = append(words, fmt.Sprintf("%d (%s)", i, whyOf(a.ended[i])))
	}
	text := fmt.Sprintf("%d of %d tasks %s: %s", len(list), len(a.indexes), how, strings.Join(words, ", "))
	if more := len(list) - namedTasks; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
