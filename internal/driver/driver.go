// Package driver is the contract between the control plane and the kinds of compute target.
package driver

import (
	"context"
	"net"
	"reflect"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Kind describes one kind of compute target. It is data: listing kinds opens nothing.
type Kind struct {
	Name          string   // the folder, the CLI noun, the "kind" log attribute: "sshvm"
	Summary       string   // one sentence: CLI help, web form, reference page
	ComputeTypes  []string // its names on the wire: {"AKS", "Kubernetes"}; none: no foreign face shows it
	Attached      bool     // the machines were there before and stay after (isAttachedCompute)
	Relays        bool     // its jobs reach the server by HomeURL: see Job.Token
	Implicit      bool     // every workspace has one without attaching: "local"
	ResourceTypes []string // the ARM types it stands for: "Microsoft.Compute/virtualMachines"
	Example       string   // flags of a usual attach, for the help: "--address 10.0.0.4 --user me"
	Options       []Option // what attaching takes; everything that shows or reads them derives from here
	JobOptions    []Option // what a run may say to the engine behind a target: see Job.Options. None is Secret

	// Environment returns what the runs that name no environment need, by the target's options; nil, or a nil
	// answer: nothing. It is registered under the kind's name, and built like any other.
	Environment func(options map[string]any) *Definition
	// Grants is what the engine's administrator grants to the server, as text for the engine's own tools; "": nothing.
	// {PATH:TEXT} in it stands for an option, or TEXT where that is not given. GrantsFlag has the command line print it.
	Grants     string
	GrantsFlag string // "print-rbac"
	// Provision says how targets are made, where the Conn is a Provisioner; nil: there is nothing to make.
	Provision *Provision

	// Document returns what an answer's "properties" must hold: the faces have no per-kind code.
	Document func(View) map[string]any
	// Prototype is a nil value of the type that Connect returns; where the options choose among several, of one
	// that has all their capabilities. Its method set is the kind's capability list: see Can, and As for one connection.
	Prototype Conn
	// Connect checks the options and makes a connection. It dials nothing: the first call does.
	Connect func(ctx context.Context, t Target) (Conn, error)
}

// Provision is what a kind says of targets that it makes rather than finds.
type Provision struct {
	ComputeTypes []string // those of Kind.ComputeTypes that a body without a resource ID makes: {"AKS"}
	Resource     string   // the inventory's entry for this resource ID says where they are made, if the request does not
	Grants       string   // as Kind.Grants, for making
	Example      string   // flags of a usual one, for the help
}

// Option is one setting of a kind.
type Option struct {
	Path      string // JSON path in the ARM "properties": "administratorAccount.username"
	Flag      string // its name on the command line, where the path makes a bad one: "user"
	Type      OptionType
	Help      string
	Default   any
	Many      bool // a list of Type: jump hosts, members of a pool
	Required  bool
	Secret    bool   // sealed at rest; never leaves the server again
	Immutable bool   // changing it takes detach and attach
	Only      Origin // the targets that take it; "": all
	Beside    bool   // a secret that does not open the target: what opens it may come from the inventory all the same
	// Group names options that say one thing together, such as a login by password or by key: who attaches
	// again with one of them gives all, and those left out are dropped. "": the option stands alone.
	Group string
}

// Origin is where a target comes from.
type Origin string

// The origins.
const (
	Attaching Origin = "attaching" // it was there before
	Making    Origin = "making"    // zaffre made it: see Kind.Provision
)

// OptionType is the type of an option's value.
type OptionType string

// The option types, with the Go type that a Target carries for each.
const (
	String    OptionType = "string"   // string
	Int       OptionType = "int"      // int64
	Bool      OptionType = "bool"     // bool
	Duration  OptionType = "duration" // time.Duration; ISO 8601 or Go's form on the wire
	Object    OptionType = "object"   // map[string]any, passed through as JSON
	TargetRef OptionType = "target"   // string: names an attached target or an inventory host; see Target.On
)

// Target is an attached compute target as its driver sees it: settings with defaults applied,
// secrets opened, nothing about workspaces, users or HTTP.
type Target struct {
	ID      string // stable and unique; [a-z0-9-]{1,32}
	Place   string // the same for each target that is attached by its name, one after the other; [a-z0-9]{1,32}, "": not known
	Made    bool   // zaffre makes what it stands for: see Provisioner
	Options map[string]any
	Secrets map[string]string
	On      map[string][]Conn                           // by option path; the control plane opens and closes them
	Pinned  map[string]string                           // what an Observation of it pinned, and users trusted since
	Home    func(ctx context.Context) (net.Conn, error) // to the server's own listener, for relays
	Here    func(ctx context.Context) (Conn, error)     // the server's own machine, for Connect; as those of On
	Tools   string                                      // folder of the server for programs that machines are given; "": none
	Images  Images                                      // makes images of environments; nil: this server makes none
}

// View is what Document sees of a target.
type View struct {
	ComputeType string
	CreatedBy   string
	Made        bool           // see Target
	Options     map[string]any // without the secret ones
	Seen        Observation    // the latest; zero before the first
}

// Conn is an open connection to one target.
//
// The rules below hold for Conn and for every capability:
//   - A call returns within its context's deadline. What takes longer is started by one call
//     and watched by later ones.
//   - A call repeated with the same arguments, after success, failure or a crash in between,
//     has no further effect and returns the same answer.
//   - Errors are *fault.Error: Unavailable is retried, every other code ends the operation.
//   - Methods may be called from several goroutines.
type Conn interface {
	// Observe reads the target's state and changes nothing that lasts. A target that is gone is an
	// answer (Exists false), not an error. Beside an error it returns the checks made so far; the
	// first required one that failed is the error.
	Observe(ctx context.Context) (Observation, error)
	// Close ends the connection. What runs on the target goes on.
	Close() error
}

// Observation is what a driver saw of its target.
type Observation struct {
	Exists, Ready   bool
	Reason, Message string            // why not ready; Reason is stable CamelCase: "DiskFull"
	Identity        string            // which machine or account it is now; equal for two names of one thing
	Lasting         string            // what of that survives a restart (machine-id): compared when the other is away
	Checks          []Check           // in the order made
	Machines        []Machine         // where jobs can go; none: the engine behind the target places them
	Facts           map[string]string // "python.version", "driver.cuda": shown, never acted on
	// Pin is what the target is held to from now on: "hostKey". The first that is seen without an error
	// is kept and handed back as Target.Pinned. Beside an error it is what a user may trust instead.
	Pin      map[string]string
	Observed time.Time
}

// Note adds a check; err is why it failed, a fault, or nil. It returns err.
func (o *Observation) Note(c Check, err error) error {
	c.OK = err == nil
	if f := fault.From(err); f != nil {
		c.Reason, c.Fix = f.Reason, f.Fix
		c.Evidence = append(append([]string{f.Why}, c.Evidence...), f.Evidence...)
	}
	o.Checks = append(o.Checks, c)
	return err
}

// Check is one named step of looking at a target.
type Check struct {
	Name         string // "tcp", "host-key", "login": stable
	Required, OK bool
	Duration     time.Duration
	Evidence     []string // the remote's own words, without secrets
	Reason       string   // as in fault.Error
	Fix          string   // what to do when it failed
}

// Machine is a place for jobs. Slots belong to Identity, whichever target they were taken through.
type Machine struct {
	Identity, Name string
	Runs           int // at once
	GPUs           int
	CPU            float64 // cores
	Memory         int64   // bytes
}

// Can reports whether a kind has capability C. It asks the type, so it needs no connection
// and cannot disagree with the code.
func Can[C any](k Kind) bool { _, ok := any(k.Prototype).(C); return ok }

// As returns conn as capability C, or a fault.Unsupported that names the missing capability.
func As[C any](conn Conn) (C, error) {
	c, ok := conn.(C)
	if !ok {
		name := reflect.TypeFor[C]().Name()
		return c, &fault.Error{
			Code: fault.Unsupported, Reason: "CapabilityMissing", What: "this compute target cannot do this",
			Why: "its kind lacks the capability " + name, Fix: "choose a target of another kind; run: zaffre compute kinds",
		}
	}
	return c, nil
}
