package driver

import (
	"context"
	"io"
	"maps"
	"strings"
	"time"
)

// Job is one attempt to run a step, with everything resolved: no names left to look up.
type Job struct {
	ID      string // "z-<ulid>-<attempt>", unique for ever, [a-z0-9-]{1,63}: a pod name, a Slurm job name
	Run     string // the run's ULID, lower case
	Attempt int    // from 1; fences: a lower one never starts after a higher one
	// Command is argv. A first word "python" means the interpreter of Runtime.
	Command []string
	Dir     string // working folder below the code, slash-separated; "" is the code's root
	Env     map[string]string
	Files   Files // the code; nil: none
	Runtime Runtime
	Slots   []Slot        // the places taken; none: the engine places the job
	Memory  int64         // bytes the job may use; more ends it as out of memory; 0: no limit
	Timeout time.Duration // from the start of the process; 0: none
	// Token lets the job's process reach the server by HomeURL, on a target whose Kind relays; "": it does not.
	Token string
	// Options are those of Kind.JobOptions, with defaults applied, typed as in Target.Options.
	Options map[string]any
	Grace   time.Duration // between TERM and KILL when it is cancelled or timed out; 0: 10 s
}

// WithoutServer returns a job whose process does not know of the server: none of its variables tells of it.
func (j Job) WithoutServer() Job {
	j.Token, j.Env = "", maps.Clone(j.Env)
	maps.DeleteFunc(j.Env, func(_, v string) bool { return strings.Contains(v, HomeURL) || strings.Contains(v, HomeCA) })
	return j
}

// What stands in values of Job.Env, on a target whose Kind relays, for what only it knows.
const (
	HomeURL = "{zaffre:home}" // https://HOST:PORT, by which the job's process, with Job.Token, reaches the server
	HomeCA  = "{zaffre:ca}"   // path of a PEM file: the CA of that address, and the public ones
)

// Files is a set of files: what there is, and the bytes by hash, so that a target asks only
// for those it lacks.
type Files interface {
	Manifest(ctx context.Context) ([]File, error)
	OpenHash(ctx context.Context, hash string) (io.ReadCloser, error)
}

// ModeLink in File.Mode marks a symbolic link, whose content is its target (as git does).
const ModeLink = 0o120000

// File is one entry of a manifest.
type File struct {
	Path string `json:"path"` // slash-separated, relative, clean, no ".."
	Mode uint32 `json:"mode"` // permission bits, with ModeLink for a symbolic link
	Size int64  `json:"size"` // bytes
	Hash string `json:"hash"` // SHA-256 in lower-case hex; "" if not known
}

// Slot is a place on a machine: one of its runs, and the GPUs that go with it.
type Slot struct {
	Machine string // its identity
	Run     int
	GPUs    []int
}

// Definition is an environment with its names resolved. Its digest covers all of it.
type Definition struct {
	Conda       []byte            // a conda specification (YAML or JSON); nil: none
	Pip         []string          // requirement lines, as pip reads them
	Python      string            // "3.10": the version to use where Conda does not say; "": the target's default
	Exact       bool              // refuse rather than take a newer minor version of Python
	Env         map[string]string // variables of the job
	UserManaged bool              // use Interpreter as it is: build nothing
	Interpreter string            // user-managed: a path or a name on the target; "" is "python3"
	BaseImage   string            // an OCI reference, for targets that run images
	Dockerfile  []byte
}

// ImageEnvironment is where the environment lies in an image that Images made: a virtual environment.
const ImageEnvironment = "/opt/environment"

// Runtime is a built environment. At most one field is set; none: the target's own interpreter.
type Runtime struct {
	Image  string // OCI reference with digest
	Prefix string // a folder on the target with bin/python
	Python string // user-managed: the path of an interpreter on the target
}

// BuildState is the state of an environment's build on a target.
type BuildState string

const (
	BuildMissing BuildState = "missing" // no record of it there
	BuildRunning BuildState = "running"
	BuildDone    BuildState = "done"
	BuildFailed  BuildState = "failed"
)

// BuildStatus is what a target says of a build.
type BuildStatus struct {
	State    BuildState
	Runtime  Runtime  // once done
	Way      string   // "uv", "conda", "image", "host"; why this one stands in the log
	Python   string   // the version of the interpreter, once done: "3.10.13"
	Warnings []string // what the definition asked for and did not get
	Reason   string   // of a failure, as in fault.Error: "PackageNotFound"
	Message  string   // names the package, and why
	Fix      string
}

// JobState is the state of a job on a target.
type JobState string

const (
	JobPending  JobState = "pending" // accepted, not yet running
	JobRunning  JobState = "running"
	JobDone     JobState = "done" // exit code 0
	JobFailed   JobState = "failed"
	JobCanceled JobState = "canceled"
	JobLost     JobState = "lost" // no record of it, or the machine was restarted; never mere silence
)

// JobStatus is what a target says of a job.
type JobStatus struct {
	State          JobState
	ExitCode       int       // of a process that exited
	Signal         int       // that ended it; 0: none
	Reason         string    // of a failure: "ExitCode", "Signaled", "OutOfMemory", "TimedOut", "NotStarted", "ExitUnknown", "Restarted", "NoRecord"
	Message        string    // in the user's terms: "killed by signal 9 (SIGKILL)"
	Started, Ended time.Time // zero: not yet
	Nodes          []string
	// Again says of a job that is pending that the target waits for what only Start brings, such as its files: Start
	// is to be called again, with the same job.
	Again bool
}

// Final reports whether the job has ended.
func (s JobState) Final() bool { return s != "" && s != JobPending && s != JobRunning }
