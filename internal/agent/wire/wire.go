// Package wire is what the agent and the control plane say to each other: the messages, and how
// they stand on a stream. Neither side trusts the other's lengths.
package wire

import (
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Version is the version of the channel. An agent of another version is replaced, not asked.
const Version = 1

// The operations. Each takes one stream: a request, then what its comment says.
const (
	OpHello       = "hello"        // -> Hello
	OpStart       = "start"        // Job -> Empty
	OpPoll        = "poll"         // JobRef -> Status
	OpCancel      = "cancel"       // JobRef -> Empty
	OpRelease     = "release"      // JobRef -> Empty
	OpSent        = "sent"         // JobRef -> Empty, or the fault that what a job has logged is still on its way
	OpSettle      = "settle"       // JobEnd -> Status
	OpTasks       = "tasks"        // TasksRef -> []Task
	OpSettleTasks = "settle_tasks" // TaskEnds -> Status
	OpLog         = "log"          // JobRef with Offset -> Empty, then bytes until the log is complete
	OpWatch       = "watch"        // -> Empty, then a Changed for each change
	OpOutputs     = "outputs"      // JobRef -> []File
	OpOutput      = "output"       // JobRef with Name, Offset -> Empty, then bytes
	OpMissing     = "missing"      // Code -> Hashes: the manifest itself, or else those of its files
	OpPut         = "put"          // a PutFile and its bytes for each file, then an end -> Empty
	OpBuild       = "build"        // Build -> Empty
	OpBuildStatus = "build_status" // BuildRef -> BuildResult
	OpBuildLog    = "build_log"    // BuildRef with Offset -> Empty, then bytes until the log is complete
	OpFacts       = "facts"        // FactsRequest -> Facts
	OpClean       = "clean"        // Clean -> []Item
	OpExec        = "exec"         // Exec, then bytes of stdin <-> Empty, Output messages, ExecResult
	OpOpen        = "open"         // Path with Offset -> Empty, then bytes
	OpWrite       = "write"        // Path with Mode, then bytes -> Empty
	OpReadDir     = "readdir"      // Path -> []FileInfo
	OpRemove      = "remove"       // Path -> Empty
	OpDial        = "dial"         // Dial -> Empty, then bytes both ways

	// OpHome is opened by the agent: after the request bytes go both ways, to the server's own listener.
	OpHome = "home" // Empty, then bytes both ways
)

// Request opens a stream.
type Request struct {
	Op string `json:"op"`
}

// Empty is an answer that says only that it worked.
type Empty struct{}

// Hello is who the agent is.
type Hello struct {
	Version int    `json:"version"`
	BootID  string `json:"boot_id"`
	PID     int    `json:"pid"`
	UID     int    `json:"uid"`
}

// Job is one attempt, as the agent gets it: driver.Job without what the server resolves.
type Job struct {
	ID      string            `json:"id"`
	Run     string            `json:"run"`
	Attempt int               `json:"attempt"`
	Command []string          `json:"command"`
	Dir     string            `json:"dir,omitzero"`
	Env     map[string]string `json:"env,omitzero"`
	// Manifest is the hash of the code's list, a JSON array of File, which is sent like a file; "": no code.
	Manifest string        `json:"manifest,omitzero"`
	Prefix   string        `json:"prefix,omitzero"` // of the runtime
	Python   string        `json:"python,omitzero"` // user-managed interpreter
	Image    string        `json:"image,omitzero"`  // run in a container of it; Python is then the image's
	GPUs     []int         `json:"gpus,omitzero"`   // of its slots
	Memory   int64         `json:"memory,omitzero"` // bytes
	Timeout  time.Duration `json:"timeout,omitzero"`
	Grace    time.Duration `json:"grace,omitzero"`
	Token    string        `json:"token,omitzero"` // of the run: its process reaches the server with it
	// Elsewhere is set where a scheduler starts the job on a machine that shares the agent's folder: the agent
	// only lays down what to do. Whatever is started runs: zaffre-agent run FOLDER-OF-THE-JOB.
	Elsewhere bool `json:"elsewhere,omitzero"`
	// Array has a job that runs elsewhere be many tasks: they are Indexes. What the scheduler starts for one runs:
	// zaffre-agent run FOLDER-OF-THE-JOB/tasks/INDEX.
	Array string `json:"array,omitzero"`
}

// What stands in values of Job.Env for what only the agent knows.
const (
	HomeURL = "{zaffre:home}" // the address by which the job's process reaches the server
	HomeCA  = "{zaffre:ca}"   // a file with the certificates that it may trust: that address's, and the public ones
)

// JobRef names a job, and a place in it where the operation needs one.
type JobRef struct {
	Job    string `json:"job"`
	Name   string `json:"name,omitzero"`
	Offset int64  `json:"offset,omitzero"`
}

// File is one entry of a manifest, as in driver.File.
type File struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	Size int64  `json:"size"`
	Hash string `json:"hash,omitzero"`
}

// The states of a job, as in package driver.
const (
	JobPending  = "pending"
	JobRunning  = "running"
	JobDone     = "done"
	JobFailed   = "failed"
	JobCanceled = "canceled"
	JobLost     = "lost"
)

// Leaving is the Reason of a job that failed while somebody was ending the machine it ran on, such as a pod. Who
// started the machine can say more.
const Leaving = "Leaving"

// Status is how a job stands. It is also what exit.json holds.
type Status struct {
	State    string    `json:"state"`
	ExitCode int       `json:"exit_code,omitzero"`
	Signal   int       `json:"signal,omitzero"`
	Reason   string    `json:"reason,omitzero"`
	Message  string    `json:"message,omitzero"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	// Of a job that runs elsewhere: whether it was begun there, for how long nothing was heard of it since, and
	// whether its end was asked for.
	Claimed bool          `json:"claimed,omitzero"`
	Silent  time.Duration `json:"silent,omitzero"`
	Asked   bool          `json:"asked,omitzero"`
	Array   *Array        `json:"array,omitzero"` // of one that has tasks
}

// Array is how the tasks of a job stand, as Indexes. All others have ended.
type Array struct {
	Tasks   int    `json:"tasks"`            // how many there are
	Waiting string `json:"waiting,omitzero"` // did not say yet that they began
	Running string `json:"running,omitzero"`
	// Unclear are those that were ended by a signal of which only the scheduler can say why it was sent. They
	// count as ended once they are settled.
	Unclear string `json:"unclear,omitzero"`
}

// TasksRef names tasks of a job.
type TasksRef struct {
	Job   string `json:"job"`
	Tasks string `json:"tasks"` // Indexes
}

// Task is how one task of a job stands by its own files: with a State where it wrote down its end.
type Task struct {
	Index  int    `json:"index"`
	Status Status `json:"status"`
}

// TaskEnds says how tasks ended that can no more say it themselves, or not why.
type TaskEnds struct {
	Job  string    `json:"job"`
	Ends []TaskEnd `json:"ends"`
}

// TaskEnd is an end of some tasks. Claimed in it says that they were begun: those of which that is not so, and which
// begin meanwhile, go on.
type TaskEnd struct {
	Tasks  string `json:"tasks"` // Indexes
	Status Status `json:"status"`
}

// JobEnd says how a job ended that can no more say it itself. What it said before wins.
type JobEnd struct {
	Job    string `json:"job"`
	Status Status `json:"status"`
}

// Changed says that a job may have changed.
type Changed struct {
	Job string `json:"job"`
}

// Code names the code of a job.
type Code struct {
	Manifest string `json:"manifest"` // its hash
}

// Hashes is a list of SHA-256 in lower-case hex.
type Hashes struct {
	Hashes []string         `json:"hashes"`
	Begun  map[string]int64 `json:"begun,omitempty"` // how many bytes have come of those whose stream broke off
}

// PutFile announces the bytes of one file.
type PutFile struct {
	Hash   string `json:"hash"`
	Offset int64  `json:"offset,omitzero"` // where the bytes begin; see Hashes.Begun
}

// BuildRef names a build.
type BuildRef struct {
	Digest string `json:"digest"`
	Offset int64  `json:"offset,omitzero"`
}

// FactsRequest asks for facts.
type FactsRequest struct {
	Interpreters []string `json:"interpreters,omitzero"` // more folders or paths to look for Pythons
}

// Facts is what the agent knows of its machine.
type Facts struct {
	OS        string    `json:"os"`
	Arch      string    `json:"arch"`
	Hostname  string    `json:"hostname"`
	BootID    string    `json:"boot_id"`
	MachineID string    `json:"machine_id,omitzero"`
	User      string    `json:"user"` // name or number
	CPUs      int       `json:"cpus"`
	Memory    int64     `json:"memory"` // bytes, of the machine or of the control group if that is less
	GPUs      []GPU     `json:"gpus,omitzero"`
	GPUError  string    `json:"gpu_error,omitzero"` // why the tool that lists them failed
	Root      string    `json:"root"`
	DiskFree  int64     `json:"disk_free"` // bytes, below Root
	RootError string    `json:"root_error,omitzero"`
	NoExec    bool      `json:"no_exec,omitzero"` // programs below Root cannot run
	Default   Python    `json:"default,omitzero"` // what "python" means without an environment
	Pythons   []Python  `json:"pythons,omitzero"`
	UV        string    `json:"uv,omitzero"` // path
	Time      time.Time `json:"time"`
}

// GPU is one GPU.
type GPU struct {
	Index  int    `json:"index"`
	UUID   string `json:"uuid"`
	Name   string `json:"name"`
	Memory int64  `json:"memory"` // bytes
	Driver string `json:"driver"`
}

// Python is an interpreter.
type Python struct {
	Path    string `json:"path"`
	Version string `json:"version"` // "3.10.13"
}

// Clean asks to remove all that the agent made.
type Clean struct {
	DryRun bool `json:"dry_run"`
}

// Item is one thing of ours, as in driver.Item.
type Item struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Removed bool   `json:"removed"`
	End     string `json:"end,omitzero"`
	GPUs    []int  `json:"gpus,omitzero"`
	Memory  int64  `json:"memory,omitzero"`
}

// Exec asks to run a command.
type Exec struct {
	Argv []string `json:"argv"`
}

// Output is what a command wrote, to stream 1 or 2.
type Output struct {
	Stream int    `json:"stream"`
	Data   []byte `json:"data"`
	Exit   *int   `json:"exit,omitzero"` // the last message: how it ended
}

// Path names a file of the machine.
type Path struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset,omitzero"`
	Mode   uint32 `json:"mode,omitzero"`
}

// FileInfo is one entry of a folder. Mode is an fs.FileMode.
type FileInfo struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	Mode    uint32    `json:"mode"`
	ModTime time.Time `json:"mod_time"`
}

// Dial asks for a connection from the machine.
type Dial struct {
	Network string `json:"network"`
	Addr    string `json:"addr"`
}

// Fault is a fault.Error on the channel.
type Fault struct {
	Code     fault.Code `json:"code"`
	Reason   string     `json:"reason"`
	What     string     `json:"what"`
	Why      string     `json:"why"`
	Fix      string     `json:"fix"`
	Field    string     `json:"field,omitzero"`
	Evidence []string   `json:"evidence,omitzero"`
}

// NewFault returns err for the channel. What is underneath stays here.
func NewFault(err error) Fault {
	e := fault.From(err)
	f := Fault{Code: e.Code, Reason: e.Reason, What: e.What, Why: e.Why, Fix: e.Fix, Field: e.Field, Evidence: e.Evidence}
	if e.Err != nil && e.Code == fault.Internal {
		f.Evidence = append(f.Evidence, e.Err.Error())
	}
	return f
}

// Err returns f as the error that it was.
func (f Fault) Err() error {
	return &fault.Error{
		Code: f.Code, Reason: f.Reason, What: f.What, Why: f.Why, Fix: f.Fix, Field: f.Field, Evidence: f.Evidence,
	}
}
