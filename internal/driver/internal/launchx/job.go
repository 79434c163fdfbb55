package launchx

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The launcher runs a job: it is both files in one.
var (
	//go:embed place.py
	placePy []byte
	//go:embed launch.py
	launchPy []byte
	launcher = slices.Concat(placePy, []byte("\n\n"), launchPy)
)

// Launcher returns the launcher's name in the store. It changes with its text, so that a server of another version
// does not use it.
func Launcher() string {
	sum := sha256.Sum256(launcher)
	return "launch/" + hex.EncodeToString(sum[:8]) + ".py"
}

// Variable is that by which the launcher is told the URL of the job's folder in a container of Azure Storage, with its
// signature: as an argument everybody on the machine would see it.
const Variable = "ZAFFRE_FOLDER"

// JobFolder returns a job's folder in the store: the launcher's argument is where the engine sees it.
func JobFolder(job string) string { return "jobs/" + job }

const (
	specName   = "spec.json"
	beganName  = "began"
	endName    = "end.json"
	cancelName = "cancel"
)

// spec is what the launcher does.
type spec struct {
	Command []string          `json:"command"`
	Dir     string            `json:"dir"`
	Env     map[string]string `json:"env"`
	Files   []carriedFile     `json:"files"`
	Timeout float64           `json:"timeout"` // seconds; 0: none
	Grace   float64           `json:"grace"`   // seconds
	Python  string            `json:"python"`  // see Folder.Python
	Asks    bool              `json:"asks"`    // it looks whether it is asked to end, and whether the engine is there
}

// grace is a job's that says none.
const grace = 10 * time.Second

// Fence refuses an attempt when a later one was started: fault.Precondition, Reason "Fenced". Each leaves its mark
// before it looks.
func (f *Folder) Fence(ctx context.Context, job driver.Job) error {
	folder := "runs/" + job.Run
	if err := f.PutBytes(ctx, folder+"/"+strconv.Itoa(job.Attempt), []byte(job.ID)); err != nil {
		return err
	}
	list, err := f.Store.List(ctx, folder)
	if err != nil {
		return err
	}
	for _, e := range list {
		if n, err := strconv.Atoi(e.Name); err == nil && n > job.Attempt {
			return &fault.Error{
				Code: fault.Precondition, Reason: "Fenced", What: "the job is not started", Why: "a later attempt of the run has started",
				Fix: "nothing: the later attempt goes on",
			}
		}
	}
	return nil
}

// Prepare writes what the launcher needs for a job, unless it began already: it has taken the variables away.
func (f *Folder) Prepare(ctx context.Context, job driver.Job) error {
	list, err := f.Listed(ctx, JobFolder(job.ID))
	if err != nil || slices.ContainsFunc(list, func(e Entry) bool { return e.Name == beganName }) {
		return err
	}
	files, err := f.carry(ctx, job.Files)
	if err != nil {
		return err
	}
	if err := f.carryLauncher(ctx); err != nil {
		return err
	}
	s := spec{Command: job.Command, Dir: job.Dir, Env: job.Env, Files: files, Timeout: job.Timeout.Seconds(), Grace: grace.Seconds(), Python: f.Python, Asks: f.Asks}
	if job.Grace > 0 {
		s.Grace = job.Grace.Seconds()
	}
	if f.Python != "" && job.Runtime.Python != "" {
		s.Python = job.Runtime.Python
	}
	return f.PutJSON(ctx, path.Join(JobFolder(job.ID), specName), s)
}

// Claim says of a job without launcher that it is ours.
func (f *Folder) Claim(ctx context.Context, job driver.Job) error {
	return f.PutBytes(ctx, path.Join(JobFolder(job.ID), specName), []byte("{}"))
}

func (f *Folder) carryLauncher(ctx context.Context) error {
	f.mu.Lock()
	there := f.carried
	f.mu.Unlock()
	if there {
		return nil
	}
	if err := f.PutBytes(ctx, Launcher(), launcher); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.carried = true
	return nil
}

// AskToEnd has the launcher end a job: it looks for that every half second. The mark also says when it was asked.
func (f *Folder) AskToEnd(ctx context.Context, job string) error {
	return f.PutBytes(ctx, path.Join(JobFolder(job), cancelName), []byte(seconds(time.Now())))
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// Job is what the folder says of a job.
type Job struct {
	There bool      // it is ours, and was not released
	Began time.Time // by the launcher; zero: not yet
	Asked time.Time // to end; zero: it was not
	End   *End      // nil: not yet, or the launcher did not live to write it
}

// End is what the launcher wrote last: see launch.py.
type End struct {
	Exit     *int    `json:"exit"`
	Signal   int     `json:"signal"`
	Name     string  `json:"name"`    // of the signal
	Missing  string  `json:"missing"` // why the command was not started
	TimedOut bool    `json:"timed_out"`
	Canceled bool    `json:"canceled"`
	At       float64 `json:"at"` // seconds since 1970
	Outputs  []struct {
		Path string `json:"path"`
		File string `json:"file"`
		Size int64  `json:"size"`
		Mode uint32 `json:"mode"`
	} `json:"outputs"`
}

// Look reads what the folder says of a job.
func (f *Folder) Look(ctx context.Context, job string) (Job, error) {
	folder := JobFolder(job)
	list, err := f.Listed(ctx, folder)
	j := Job{There: len(list) > 0}
	for _, e := range list {
		switch {
		case err != nil:
			return j, err
		case e.Name == beganName:
			j.Began, err = f.readTime(ctx, path.Join(folder, beganName))
		case e.Name == cancelName:
			j.Asked, err = f.readTime(ctx, path.Join(folder, cancelName))
		case e.Name == endName && e.Size > 0:
			j.End = &End{}
			err = f.ReadJSON(ctx, path.Join(folder, endName), j.End)
		}
	}
	return j, err
}

func (f *Folder) readTime(ctx context.Context, name string) (time.Time, error) {
	var s float64
	err := f.ReadJSON(ctx, name, &s)
	return timeOf(s), err
}

func timeOf(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC()
}

// Status is how the job ended, in the user's terms, without its begin.
func (e End) Status() driver.JobStatus {
	st := driver.JobStatus{State: driver.JobFailed, Ended: timeOf(e.At)}
	switch {
	case e.Canceled:
		st.State, st.Reason, st.Message = driver.JobCanceled, "Signaled", "it was cancelled"
	case e.TimedOut:
		st.Reason, st.Message = "TimedOut", "it ran longer than its limit"
	case e.Missing != "":
		st.Reason, st.Message = "NotStarted", e.Missing
	case e.Signal != 0:
		st.Reason, st.Signal, st.Message = "Signaled", e.Signal, fmt.Sprintf("killed by signal %d (%s)", e.Signal, e.Name)
	case e.Exit != nil && *e.Exit == 0:
		st.State = driver.JobDone
	case e.Exit != nil:
		st.Reason, st.ExitCode, st.Message = "ExitCode", *e.Exit, fmt.Sprintf("it ended with exit code %d", *e.Exit)
	default:
		st.Reason, st.Message = "ExitUnknown", "what it ended with is not known"
	}
	return st
}

// CheckVariables refuses names and values that no process can have: fault.Invalid, Reason "VariableInvalid", which
// does not say the value.
func CheckVariables(env map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.Contains(env[k], "\x00") {
			return &fault.Error{
				Code: fault.Invalid, Reason: "VariableInvalid", What: "the job is not started", Why: fmt.Sprintf("%q cannot be the name or hold the value of a variable", k),
				Fix: "correct it; run: zaffre run submit --help", Field: "variables",
			}
		}
	}
	return nil
}
