package driver

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
)

// Optional capabilities. A kind has those that its Conn type implements. One type may have them
// all, so no two may share a method name: the test of this package embeds them in one interface.

// Host is the capability below the others: commands, files and streams on a machine.
type Host interface {
	Conn
	// Exec runs argv, without a shell, until it ends.
	Exec(ctx context.Context, argv []string, std Stdio) (exit int, err error)
	// FS returns the machine's files.
	FS() FS
	// Dial opens a stream from the machine: "tcp" or "unix".
	Dial(ctx context.Context, network, addr string) (net.Conn, error)
}

// FS is a machine's files, by absolute path.
type FS interface {
	OpenFile(ctx context.Context, name string, offset int64) (io.ReadCloser, error)
	// WriteFile makes the whole file appear, with its folders, or nothing.
	WriteFile(ctx context.Context, name string, mode fs.FileMode, r io.Reader) error
	ReadDir(ctx context.Context, name string) ([]fs.FileInfo, error)
	RemoveAll(ctx context.Context, name string) error
}

// Stdio is what a command reads and writes. Resize non-nil asks for a terminal.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
	Resize   <-chan [2]int // columns, rows
}

// Runner is the capability to run jobs.
type Runner interface {
	Conn
	// Start starts job, or finds it if job.ID was started before. An attempt below the highest
	// that the target has seen of the same run is refused: fault.Precondition, Reason "Fenced".
	Start(ctx context.Context, job Job) (Handle, error)
	// Poll reads the job's state. A job the target has no record of is JobLost, not an error.
	Poll(ctx context.Context, h Handle) (JobStatus, error)
	// Cancel asks the job to stop; Poll tells when it has.
	Cancel(ctx context.Context, h Handle) error
	// Release deletes what Start left on the target. It follows a final state exactly when
	// logs and outputs are safe. It fails with fault.Unavailable, Reason "WritesWaiting", while the target holds
	// something that the job's process wrote to the server and that the server does not have yet.
	Release(ctx context.Context, h Handle) error
}

// Watcher is the capability to tell of changes early.
type Watcher interface {
	// Watch calls changed with a job's ID when it may have changed, until ctx ends. It may miss
	// some: it wakes the run's row, and Poll stays the truth. There is one per target.
	Watch(ctx context.Context, changed func(jobID string)) error
}

// LogReader is the capability to read a job's log.
type LogReader interface {
	// ReadLog opens the job's log at a byte offset. A kind that can push keeps the stream open
	// until the log is complete; others end it at what there is. Offsets survive a restart.
	ReadLog(ctx context.Context, h Handle, offset int64) (io.ReadCloser, error)
}

// Outputs is the capability to fetch the files that a job left in its folders outputs and logs.
type Outputs interface {
	// ListOutputs returns them in the order of their paths, which start with "outputs/" or "logs/".
	ListOutputs(ctx context.Context, h Handle) ([]File, error)
	OpenOutput(ctx context.Context, h Handle, name string, offset int64) (io.ReadCloser, error)
}

// EnvBuilder is the capability to build environments where the jobs run.
type EnvBuilder interface {
	// Build starts a build, or finds the one with this digest. A failed build is started anew.
	Build(ctx context.Context, digest string, d Definition) error
	// BuildStatus returns the state of a build; BuildMissing if there is no record of it.
	BuildStatus(ctx context.Context, digest string) (BuildStatus, error)
	// BuildLog opens the build's log at a byte offset; like ReadLog.
	BuildLog(ctx context.Context, digest string, offset int64) (io.ReadCloser, error)
}

// Cleaner is the capability to take away what we left on a target.
type Cleaner interface {
	// Clean removes it all and says what it was; dryRun only says.
	Clean(ctx context.Context, dryRun bool) ([]Item, error)
}

// Provisioner is the capability to make what a target stands for, on an engine that somebody has: see Target.Made.
type Provisioner interface {
	Conn
	// Create makes it, or brings it to the options of today, under names made of the target's ID. What an earlier
	// call left half made, it finishes.
	Create(ctx context.Context) error
	// Delete begins to take away all that Create made, with what is in it, and says what that is; dryRun only says.
	// It is called again until every item is Removed, or there is none. It touches nothing that Create did not make.
	Delete(ctx context.Context, dryRun bool) ([]Item, error)
}

// Shell is the capability to give users a shell.
type Shell interface {
	// OpenShell gives a shell on the target, or beside a job, until it ends. Stdio.Resize asks for a terminal.
	OpenShell(ctx context.Context, h *Handle, std Stdio) (exit int, err error)
}

// Identifier is the capability to show who is there before anything is told to it.
type Identifier interface {
	// Identify goes as far as the target proves who it is, and proves nothing of ours to it: no credential
	// of its own is used, though those of targets that it stands on are. Observation.Pin is what it showed,
	// and the facts say that in words for people: "address", "host-key" (its fingerprint), "host-key.type", and
	// "host-key.demanded" where it is one that the target's options, or the inventory, demand.
	Identify(ctx context.Context) (Observation, error)
}

// Item is one thing of ours on a target: a process, a folder, a pod.
type Item struct {
	Type, Name string
	Bytes      int64
	Removed    bool
	// Remedy removes by hand what could not be removed: a command for the engine's own tools; "": there is none.
	Remedy string
	// Of a "job" that goes on: a command that asks for its end, on the machine where it is, and what it was given. End is
	// "" for one that has ended, and where nobody knows.
	End    string
	GPUs   []int // of Job.Slots
	Memory int64 // Job.Memory
}

// Handle is a driver's own record of what it started. The control plane stores it and never
// looks inside; Version lets a newer binary read what an older one wrote.
type Handle struct {
	Version int             `json:"version"`
	Data    json.RawMessage `json:"data"`
}
