// Package client is the Go client of zaffre's native API. Its types are the wire: the server's
// handlers use the same ones, and the OpenAPI document is made from them.
package client

import "time"

// Fault is an error as the API sends it (RFC 9457, application/problem+json, with members of ours).
type Fault struct {
	Type      string   `json:"type,omitempty" doc:"URI reference of the reason's documentation"`
	Title     string   `json:"title" doc:"What happened, one line"`
	Status    int      `json:"status" doc:"HTTP status"`
	Detail    string   `json:"detail,omitempty" doc:"Why it happened"`
	Code      string   `json:"code" doc:"Class of the fault: programs act on it" example:"not_found"`
	Reason    string   `json:"reason" doc:"Stable name of the cause" example:"ComputeNotFound"`
	Fix       string   `json:"fix,omitempty" doc:"What to do about it"`
	Evidence  []string `json:"evidence,omitempty" doc:"The remote's own words"`
	Field     string   `json:"field,omitempty" doc:"JSON path of the offending request field"`
	RequestID string   `json:"request_id,omitempty"`
}

// Condition tells one aspect of a thing's health or progress.
type Condition struct {
	Type    string    `json:"type"`
	OK      bool      `json:"ok"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

// Silent reports whether it says that a machine does not answer.
func (c Condition) Silent() bool { return c.Type == "Reachable" && !c.OK }

// Page is the part that all lists share.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent at the end"`
}

// Server tells about the server.
type Server struct {
	Version   string    `json:"version"`
	ID        string    `json:"id" doc:"Fresh for each installation"`
	Started   time.Time `json:"started"`
	Ephemeral bool      `json:"ephemeral"`
	Database  string    `json:"database" doc:"sqlite or postgres"`
	Caller    string    `json:"caller" doc:"Who the token belongs to"`
}

// Workspace is a room for experiments, runs, computes and environments.
type Workspace struct {
	Name      string    `json:"name"`
	ID        string    `json:"id,omitempty" readOnly:"true"`
	CreatedBy string    `json:"created_by,omitempty" readOnly:"true"`
	Created   time.Time `json:"created,omitzero" readOnly:"true"`
}

// Token is a bearer token; Secret is there only in the answer that creates it.
type Token struct {
	ID        string    `json:"id,omitempty" readOnly:"true"`
	Name      string    `json:"name" doc:"Who uses it"`
	Workspace string    `json:"workspace" doc:"Where it is good for; * is everywhere"`
	Role      string    `json:"role" enum:"Reader,Contributor,Owner"`
	Secret    string    `json:"secret,omitempty" readOnly:"true"`
	Created   time.Time `json:"created,omitzero" readOnly:"true"`
	CreatedBy string    `json:"created_by,omitempty" readOnly:"true"`
	Expires   time.Time `json:"expires,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero" readOnly:"true"`
}

// Option is one setting of a compute kind.
type Option struct {
	Path      string `json:"path"`
	Flag      string `json:"flag,omitempty" doc:"Its name on the command line, where that does not follow from the path"`
	Type      string `json:"type" enum:"string,int,bool,duration,object,target"`
	Help      string `json:"help"`
	Default   any    `json:"default,omitempty"`
	Many      bool   `json:"many,omitempty"`
	Required  bool   `json:"required,omitempty"`
	Secret    bool   `json:"secret,omitempty"`
	Immutable bool   `json:"immutable,omitempty"`
	Only      string `json:"only,omitempty" enum:"attaching,making" doc:"The targets that take it: those that are attached, or those that zaffre makes; empty: all"`
}

// Kind is a kind of compute target.
type Kind struct {
	Name         string   `json:"name"`
	Summary      string   `json:"summary"`
	ComputeTypes []string `json:"compute_types,omitempty"`
	Implicit     bool     `json:"implicit,omitempty"`
	Example      string   `json:"example,omitempty" doc:"Flags of a usual attach"`
	Options      []Option `json:"options"`
	JobOptions   []Option `json:"job_options,omitempty" doc:"What a run may say to the engine behind a target"`
	Capabilities []string `json:"capabilities"`
	Grants       string   `json:"grants,omitempty" doc:"What the engine's administrator grants to the server, for the engine's own tools; {PATH:TEXT} stands for an option, or TEXT where it is not given"`
	GrantsFlag   string   `json:"grants_flag,omitempty" doc:"The flag of a command line that prints it"`

	Provision *Provision `json:"provision,omitempty" doc:"How targets are made; missing where there is nothing to make"`
}

// Provision is what a kind says of targets that zaffre makes.
type Provision struct {
	Resource string `json:"resource,omitempty" doc:"The inventory's entry for this resource ID says where they are made, if the request does not"`
	Grants   string `json:"grants,omitempty" doc:"As the kind's grants, for making"`
	Example  string `json:"example,omitempty" doc:"Flags of a usual one"`
}

// Check is one named step of looking at a target.
type Check struct {
	Name     string   `json:"name"`
	Required bool     `json:"required"`
	OK       bool     `json:"ok"`
	Millis   int64    `json:"ms"`
	Evidence []string `json:"evidence,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Fix      string   `json:"fix,omitempty"`
}

// Machine is a place for jobs.
type Machine struct {
	Name   string  `json:"name"`
	Runs   int     `json:"runs" doc:"How many runs it takes at once"`
	Taken  int     `json:"taken" doc:"How many it has"`
	GPUs   int     `json:"gpus"`
	CPU    float64 `json:"cpu"`
	Memory int64   `json:"memory_bytes"`
}

// Compute is a compute target. Secrets go in by Options and never come out.
type Compute struct {
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Options    map[string]any    `json:"options,omitempty" doc:"Settings of the kind, by option path"`
	Shared     bool              `json:"shared,omitempty" doc:"It may stand for a computer that another target stands for"`
	Made       bool              `json:"made,omitempty" doc:"zaffre makes what it stands for, and deletes that with it; it was not attached"`
	Pin        map[string]string `json:"pin,omitempty" maxProperties:"8" doc:"What it is held to, such as its hostKey: what it showed first. When attaching: be held to this from the start; an update does not look at it"`
	ID         string            `json:"id,omitempty" readOnly:"true"`
	Implicit   bool              `json:"implicit,omitempty" readOnly:"true"`
	State      string            `json:"state,omitempty" readOnly:"true"`
	Error      *Fault            `json:"error,omitempty" readOnly:"true"`
	Conditions []Condition       `json:"conditions,omitempty" readOnly:"true"`
	Checks     []Check           `json:"checks,omitempty" readOnly:"true"`
	Machines   []Machine         `json:"machines,omitempty" readOnly:"true"`
	Facts      map[string]string `json:"facts,omitempty" readOnly:"true"`
	CreatedBy  string            `json:"created_by,omitempty" readOnly:"true"`
	Created    time.Time         `json:"created,omitzero" readOnly:"true"`
	Running    int               `json:"running,omitempty" readOnly:"true" doc:"How many runs go on there"`
	Seen       time.Time         `json:"seen,omitzero" readOnly:"true" doc:"When it was looked at last"`
	Answered   time.Time         `json:"answered,omitzero" readOnly:"true" doc:"When it answered last"`
}

// Identity is what a machine proved to be before it was attached. Nothing of it is kept.
type Identity struct {
	Pin    map[string]string `json:"pin,omitempty" doc:"What it showed, for Compute.pin"`
	Facts  map[string]string `json:"facts,omitempty" doc:"The same for people: address, host-key (its fingerprint), host-key.type"`
	Checks []Check           `json:"checks,omitempty"`
}

// Environment is one version of a named definition.
type Environment struct {
	Name        string            `json:"name"`
	Version     int               `json:"version,omitempty" readOnly:"true"`
	Digest      string            `json:"digest,omitempty" readOnly:"true"`
	Conda       string            `json:"conda,omitempty" doc:"Conda specification, YAML or JSON"`
	Pip         []string          `json:"pip,omitempty" doc:"Requirement lines"`
	Python      string            `json:"python,omitempty" doc:"Version, where the conda specification names none" example:"3.11"`
	Exact       bool              `json:"exact,omitempty" doc:"Refuse rather than take a newer minor version of Python"`
	Variables   map[string]string `json:"variables,omitempty"`
	UserManaged bool              `json:"user_managed,omitempty" doc:"Use the interpreter as it is"`
	Interpreter string            `json:"interpreter,omitempty"`
	BaseImage   string            `json:"base_image,omitempty"`
	Created     time.Time         `json:"created,omitzero" readOnly:"true"`
	CreatedBy   string            `json:"created_by,omitempty" readOnly:"true"`
}

// Build is the state of an environment on a target.
type Build struct {
	Digest   string    `json:"digest"`
	Compute  string    `json:"compute"`
	State    string    `json:"state" enum:"missing,running,done,failed"`
	Way      string    `json:"way,omitempty" doc:"How it was built: uv, conda, image, host"`
	Python   string    `json:"python,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Error    *Fault    `json:"error,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

// File is one entry of a snapshot's manifest.
type File struct {
	Path string `json:"path" maxLength:"4096"`
	Mode uint32 `json:"mode" doc:"Permission bits; with 0o120000 it is a symbolic link"`
	Size int64  `json:"size" minimum:"0"`
	Hash string `json:"hash" pattern:"^[0-9a-f]{64}$" doc:"SHA-256"`
}

// RunRequest asks for a run.
type RunRequest struct {
	Name        string            `json:"name,omitempty" doc:"The client's own ID: the same one again is the same run"`
	Experiment  string            `json:"experiment,omitempty" default:"Default"`
	Display     string            `json:"display,omitempty"`
	Parent      string            `json:"parent,omitempty"`
	Compute     string            `json:"compute,omitempty" default:"server"`
	Command     []string          `json:"command" minItems:"1" doc:"argv; a first word python is the environment's interpreter"`
	Dir         string            `json:"dir,omitempty" doc:"Working folder below the code"`
	Snapshot    string            `json:"snapshot,omitempty"`
	Environment string            `json:"environment,omitempty" doc:"name or name:version"`
	Variables   map[string]string `json:"variables,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	GPUs        int               `json:"gpus,omitempty" minimum:"0"`
	CPU         float64           `json:"cpu,omitempty" minimum:"0"`
	Memory      int64             `json:"memory_bytes,omitempty" minimum:"0"`
	Priority    int               `json:"priority,omitempty" minimum:"-1000" maximum:"1000"`
	Timeout     float64           `json:"timeout_seconds,omitempty" minimum:"0"`
	LostAfter   float64           `json:"lost_after_seconds,omitempty" minimum:"0" doc:"Give an attempt up as lost when its target has not answered for so long; 0: never"`
	Retries     int               `json:"retries,omitempty" minimum:"0" maximum:"100"`
	Options     map[string]any    `json:"options,omitempty" doc:"What is said to the engine behind the target, by path: see job_options of its kind"`
}

// Attempt is one try to run a run.
type Attempt struct {
	Number   int       `json:"number"`
	State    string    `json:"state"`
	ExitCode int       `json:"exit_code"`
	Signal   int       `json:"signal,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Message  string    `json:"message,omitempty"`
	GPUs     []int     `json:"gpus,omitempty" doc:"Which ones it has"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Run is one execution of a script.
type Run struct {
	ID          string            `json:"id" doc:"The name, if the client gave one"`
	UID         string            `json:"uid" doc:"ULID"`
	Workspace   string            `json:"workspace"`
	Experiment  string            `json:"experiment"`
	Number      int64             `json:"number"`
	Display     string            `json:"display,omitempty"`
	Parent      string            `json:"parent,omitempty"`
	Origin      string            `json:"origin"`
	State       string            `json:"state"`
	Compute     string            `json:"compute"`
	Command     []string          `json:"command"`
	Dir         string            `json:"dir,omitempty"`
	Snapshot    string            `json:"snapshot,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Digest      string            `json:"digest,omitempty" doc:"Of the environment"`
	Variables   map[string]string `json:"variables,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	GPUs        int               `json:"gpus,omitempty"`
	CPU         float64           `json:"cpu,omitempty"`
	Memory      int64             `json:"memory_bytes,omitempty"`
	Priority    int               `json:"priority,omitempty"`
	Timeout     float64           `json:"timeout_seconds,omitempty"`
	LostAfter   float64           `json:"lost_after_seconds,omitempty"`
	Retries     int               `json:"retries,omitempty"`
	Options     map[string]any    `json:"options,omitempty"`
	Params      map[string]string `json:"params,omitempty" doc:"What the run logged as parameters: they never change"`
	Metrics     map[string]Number `json:"metrics,omitempty" doc:"In lists: the latest values of the metrics that were asked for"`
	Attempts    []Attempt         `json:"attempts,omitempty"`
	Error       *Fault            `json:"error,omitempty"`
	Conditions  []Condition       `json:"conditions,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
	User        string            `json:"user,omitempty" doc:"Whom the client of an external run names as its owner"`
	CreatedBy   string            `json:"created_by"`
	Created     time.Time         `json:"created"`
	Started     time.Time         `json:"started,omitzero"`
	Ended       time.Time         `json:"ended,omitzero"`
	Deleted     time.Time         `json:"deleted,omitzero"`
}

// ExternalRun asks for a run that its client executes and moves.
type ExternalRun struct {
	Name       string            `json:"name,omitempty" doc:"The client's own ID: the same one again is the same run"`
	Experiment string            `json:"experiment,omitempty" default:"Default"`
	Display    string            `json:"display,omitempty"`
	Parent     string            `json:"parent,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Params     map[string]string `json:"params,omitempty"`
	User       string            `json:"user,omitempty"`
	Started    time.Time         `json:"started,omitzero"`
}

// RunChange says what becomes of a run; what is absent stays. State, times and warnings are those of external
// runs: a managed run takes labels and its display name.
type RunChange struct {
	State      string            `json:"state,omitempty" enum:"NotStarted,Preparing,Queued,Running,Finalizing,CancelRequested,Completed,Failed,Canceled"`
	Display    *string           `json:"display,omitempty"`
	Started    time.Time         `json:"started,omitzero"`
	Ended      time.Time         `json:"ended,omitzero"`
	Warnings   []string          `json:"warnings,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Params     map[string]string `json:"params,omitempty"`
	RemoveTags []string          `json:"remove_tags,omitempty"`
}

// Final reports whether the run has ended.
func (r Run) Final() bool {
	return r.State == "Completed" || r.State == "Failed" || r.State == "Canceled"
}

// Artifact is a file of a run or a model, or a folder of them.
type Artifact struct {
	Path    string    `json:"path"`
	Folder  bool      `json:"folder,omitempty"`
	Size    int64     `json:"size"`
	Hash    string    `json:"hash,omitempty" doc:"SHA-256"`
	Created time.Time `json:"created,omitzero"`
}

// Experiment is a set of runs with a name.
type Experiment struct {
	Name      string            `json:"name"`
	ID        string            `json:"id,omitempty" readOnly:"true" doc:"Digits; 0 is the experiment Default"`
	Runs      int64             `json:"runs" readOnly:"true" required:"false" doc:"How many were ever submitted"`
	Tags      map[string]string `json:"tags,omitempty"`
	CreatedBy string            `json:"created_by,omitempty" readOnly:"true"`
	Created   time.Time         `json:"created,omitzero" readOnly:"true"`
	Deleted   time.Time         `json:"deleted,omitzero" readOnly:"true"`
}

// ExperimentChange says what becomes of an experiment's tags.
type ExperimentChange struct {
	Tags       map[string]string `json:"tags,omitempty"`
	RemoveTags []string          `json:"remove_tags,omitempty"`
}

// Event is an entry of the event log.
type Event struct {
	Sequence int64             `json:"sequence"`
	Time     time.Time         `json:"time"`
	Subject  string            `json:"subject"`
	Type     string            `json:"type"`
	Actor    string            `json:"actor"`
	Data     map[string]string `json:"data,omitempty"`
}
