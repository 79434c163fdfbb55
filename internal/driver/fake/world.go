package fake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// World is what lies behind the connections of a fake kind: targets, jobs, builds. It outlives
// connections as a real machine does. Its methods may be called from several goroutines.
type World struct {
	mu     sync.Mutex
	jobs   map[string]*job         // by target and job ID
	fences map[string]int          // by target and run
	gone   map[string]int          // the highest attempt that was released, by target and run
	builds map[string]*build       // by target and digest
	faults map[string][]error      // by method: what the next calls return
	calls  map[string]int          // by method
	starts map[string]int          // by job ID: how often a process began
	watch  map[int]func(id string) // who wants to know of changes
	next   int
	refuse error    // what every call returns
	twice  []string // jobs that began while another attempt of their run ran
}

// NewWorld returns an empty world.
func NewWorld() *World {
	return &World{
		jobs: map[string]*job{}, fences: map[string]int{}, gone: map[string]int{}, builds: map[string]*build{},
		faults: map[string][]error{}, calls: map[string]int{}, starts: map[string]int{}, watch: map[int]func(string){},
	}
}

type job struct {
	spec     driver.Job
	status   driver.JobStatus
	log      bytes.Buffer
	outputs  map[string]string
	ended    chan struct{}
	released bool
}

type build struct {
	status driver.BuildStatus
	log    string
	starts int
}

// Fail makes the next calls of a method ("Start", "Poll", "Observe" …) return these errors, one
// each.
func (w *World) Fail(method string, errs ...error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[method] = append(w.faults[method], errs...)
}

// Away has every call to a target find nobody there, until it is back.
func (w *World) Away(away bool) {
	if !away {
		w.Refuse(nil)
		return
	}
	w.Refuse(&fault.Error{Code: fault.Unavailable, Reason: "TimedOut", What: "the target cannot be reached", Why: "it does not answer", Fix: "wait until it is back"})
}

// Refuse has every call to a target fail so, until it is called with nil.
func (w *World) Refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = err
}

// Calls returns how often a method was called.
func (w *World) Calls(method string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[method]
}

func (w *World) fault(method string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[method]++
	if w.refuse != nil {
		return w.refuse
	}
	list := w.faults[method]
	if len(list) == 0 {
		return nil
	}
	w.faults[method] = list[1:]
	return list[0]
}

// Starts returns how often the process of each job began: never more than once, if all is well.
func (w *World) Starts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int{}
	for k, v := range w.starts {
		out[k] = v
	}
	return out
}

// Twice returns the jobs that began while another attempt of their run ran: none, if all is well.
func (w *World) Twice() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.twice)
}

// Known reports whether some target has a record of a job.
func (w *World) Known(jobID string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k := range w.jobs {
		if strings.HasSuffix(k, "/"+jobID) {
			return true
		}
	}
	return false
}

// Builds returns how often the environment of a digest was built, on all targets.
func (w *World) Builds(digest string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for k, b := range w.builds {
		if strings.HasSuffix(k, "/"+digest) {
			n += b.starts
		}
	}
	return n
}

// Finish ends a job that hangs, as its process would.
func (w *World) Finish(jobID string, exit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, j := range w.jobs {
		if strings.HasSuffix(k, "/"+jobID) {
			w.end(jobID, j, exited(exit))
		}
	}
}

// Restart makes the targets forget what ran, as a reboot does.
func (w *World) Restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, j := range w.jobs {
		w.end(j.spec.ID, j, driver.JobStatus{State: driver.JobLost, Reason: "Restarted", Message: "the machine was restarted"})
		delete(w.jobs, k)
	}
}

func exited(code int) driver.JobStatus {
	if code == 0 {
		return driver.JobStatus{State: driver.JobDone}
	}
	return driver.JobStatus{State: driver.JobFailed, ExitCode: code, Reason: "ExitCode", Message: "it ended with exit code " + strconv.Itoa(code)}
}

// LoseBuild takes an environment away from every target.
func (w *World) LoseBuild(digest string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, b := range w.builds {
		if strings.HasSuffix(key, "/"+digest) {
			b.status = driver.BuildStatus{State: driver.BuildMissing}
		}
	}
}

// start begins a job, or finds it.
func (w *World) start(target string, spec driver.Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	key, fence := target+"/"+spec.ID, target+"/"+spec.Run
	if old := w.jobs[key]; old != nil {
		if old.status.Again {
			w.begin(old)
		}
		return nil
	}
	if spec.Attempt < w.fences[fence] {
		return &fault.Error{
			Code: fault.Precondition, Reason: "Fenced", What: "the job is not started", Why: "a later attempt of the run has started",
			Fix: "nothing: the later attempt goes on",
		}
	}
	if spec.Attempt <= w.gone[fence] {
		return &fault.Error{
			Code: fault.Precondition, Reason: "Fenced", What: "the job is not started", Why: "it has ended here and was released",
			Fix: "nothing: what came later goes on",
		}
	}
	if b := w.builds[target+"/"+path.Base(spec.Runtime.Prefix)]; b != nil && b.status.State == driver.BuildMissing {
		return &fault.Error{
			Code: fault.Precondition, Reason: "EnvironmentMissing", What: "the job is not started", Why: "its environment was taken away",
			Fix: "build it again",
		}
	}
	w.fences[fence] = spec.Attempt
	j := &job{spec: spec, outputs: map[string]string{}, ended: make(chan struct{})}
	w.jobs[key] = j
	if w.holds(j) {
		return nil
	}
	w.begin(j)
	return nil
}

// holds reports whether a job waits for another Start: that is "late".
func (w *World) holds(j *job) bool {
	if len(j.spec.Command) == 0 || j.spec.Command[0] != "late" {
		return false
	}
	j.status = driver.JobStatus{State: driver.JobPending, Again: true}
	return true
}

// begin begins a job's process. The caller holds the lock.
func (w *World) begin(j *job) {
	w.starts[j.spec.ID]++
	for _, other := range w.jobs {
		if other != j && other.spec.Run == j.spec.Run && other.status.State == driver.JobRunning {
			w.twice = append(w.twice, j.spec.ID)
		}
	}
	j.status = driver.JobStatus{State: driver.JobRunning, Started: time.Now()}
	w.perform(j)
	if j.spec.Timeout > 0 {
		time.AfterFunc(j.spec.Timeout, func() { w.timeOut(j) })
	}
}

func (w *World) timeOut(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(j.spec.ID, j, driver.JobStatus{
		State: driver.JobFailed, Signal: 15, Reason: "TimedOut", Message: fmt.Sprintf("it ran longer than %s", j.spec.Timeout),
	})
}

// perform does what the command says: "true", as "late" is once it began, "false", "exit N", "echo WORDS…", "options", which
// prints the job's, "write PATH TEXT …", "sleep DURATION" and "hang", which Finish or a cancel ends, as they do
// "wait WORDS…", which never begins and says why.
func (w *World) perform(j *job) {
	argv := append(append([]string(nil), j.spec.Command...), "", "")
	switch argv[0] {
	case "exit":
		n, _ := strconv.Atoi(argv[1])
		w.end(j.spec.ID, j, exited(n))
	case "false":
		w.end(j.spec.ID, j, exited(1))
	case "echo":
		j.log.WriteString(strings.Join(j.spec.Command[1:], " ") + "\n")
		w.end(j.spec.ID, j, exited(0))
	case "options":
		_ = json.NewEncoder(&j.log).Encode(j.spec.Options)
		w.end(j.spec.ID, j, exited(0))
	case "write":
		for i := 1; i < len(argv)-2; i += 2 {
			j.outputs[argv[i]] = argv[i+1]
		}
		w.end(j.spec.ID, j, exited(0))
	case "sleep":
		d, _ := time.ParseDuration(argv[1])
		time.AfterFunc(d, func() { w.Finish(j.spec.ID, 0) })
	case "wait":
		j.status = driver.JobStatus{State: driver.JobPending, Message: strings.Join(j.spec.Command[1:], " ")}
	case "hang":
	default:
		w.end(j.spec.ID, j, exited(0))
	}
}

// end gives a job its end, once. The caller holds the lock.
func (w *World) end(id string, j *job, status driver.JobStatus) {
	if j.status.State.Final() {
		return
	}
	status.Started, status.Ended = j.status.Started, time.Now()
	j.status = status
	close(j.ended)
	for _, told := range w.watch {
		go told(id)
	}
}

func (w *World) get(target string, h driver.Handle) *job {
	var id string
	if json.Unmarshal(h.Data, &id) != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[target+"/"+id]
}
