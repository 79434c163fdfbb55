package run

import (
	"context"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Request asks for a run. Spec.Environment may be any reference; Spec.Digest is found by it.
type Request struct {
	Workspace, Name             string // Name "": the run's ID
	Experiment, Display, Parent string
	Tags, Properties            map[string]string
	Definition                  []byte // see Run.Definition
	Warnings                    []string
	Spec                        Spec
	root                        string
}

// DefaultExperiment takes the runs that name none.
const DefaultExperiment = "Default"

// Submit records a run and has it started. The same name with the same spec again is the same run,
// with tags and display name brought up to date; with another spec it is fault.Conflict, Reason
// "RunDiffers". When Submit has returned, the run happens even if the server dies.
func (s *Service) Submit(ctx context.Context, q Request) (r Run, created bool, err error) {
	const what = "cannot submit the run"
	if err := s.check(ctx, &q); err != nil {
		return r, false, fault.Doing(what, err)
	}
	if q.Name != "" {
		if r, err = s.again(ctx, q); fault.CodeOf(err) != fault.NotFound {
			return r, false, fault.Doing(what, err)
		}
	}
	r = newRun(ctx, q)
	if r.Number, err = s.number(ctx, q.Workspace, q.Experiment); err != nil {
		return r, false, fault.Doing(what, err)
	}
	first := wake(r)
	if r.Status.State == Queued {
		first = wakePlacement(r)
	}
	err = s.Runs.Insert(ctx, r, first, r.emit(r.CreatedBy, "run.submitted"))
	if fault.CodeOf(err) == fault.Exists { // the same request, at the same time
		r, err = s.again(ctx, q)
		return r, false, fault.Doing(what, err)
	}
	return r, err == nil, fault.Doing(what, err)
}

func newRun(ctx context.Context, q Request) Run {
	now, uid := time.Now(), id.New()
	name := q.Name
	if name == "" {
		name = uid
	}
	state := NotStarted
	if q.Spec.Digest == "" {
		state = Queued // there is nothing to prepare
	}
	return Run{
		Workspace: q.Workspace, Name: name, ID: uid, Experiment: q.Experiment, Display: q.Display, Parent: q.Parent, Root: q.root,
		Origin: Managed, Tags: q.Tags, Properties: q.Properties, Definition: q.Definition, Spec: q.Spec,
		Status:    Status{State: state, Changed: now, Warnings: q.Warnings},
		CreatedBy: identity.From(ctx).Name, Created: now,
	}
}

// again is Submit of a name that is taken.
func (s *Service) again(ctx context.Context, q Request) (Run, error) {
	return s.Runs.Update(ctx, store.Key{Workspace: q.Workspace, Name: q.Name}, func(r *Run) ([]store.Effect, error) {
		if r.Origin != Managed || !sameSpec(r.Spec, q.Spec) || r.Experiment != q.Experiment || r.Parent != q.Parent {
			return nil, runDiffers(q.Name)
		}
		if q.Display != "" {
			r.Display = q.Display
		}
		return nil, r.label(q.Tags, nil, nil)
	})
}

func runDiffers(name string) error {
	return &fault.Error{
		Code: fault.Conflict, Reason: "RunDiffers", What: fmt.Sprintf("run %q exists", name),
		Why: "it was submitted with other settings, and what a run executes never changes",
		Fix: "choose another name; run: zaffre run show " + name, Field: "name",
	}
}

// sameSpec compares what will be executed. Which version a reference to an environment means may
// have moved since; its definition then shows in the digest.
func sameSpec(a, b Spec) bool {
	if len(a.Env) == 0 && len(b.Env) == 0 {
		a.Env, b.Env = nil, nil
	}
	same := compute.SameOptions(a.Options, b.Options)
	a.Options, b.Options = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func (s *Service) check(ctx context.Context, q *Request) error {
	if err := identity.Require(ctx, q.Workspace, identity.Contributor); err != nil {
		return err
	}
	if q.Experiment == "" {
		q.Experiment = DefaultExperiment
	}
	if err := checkNames(q); err != nil {
		return err
	}
	if err := checkLabels(q.Tags, nil); err != nil {
		return err
	}
	if err := checkSpec(q.Spec); err != nil {
		return err
	}
	if err := s.checkTarget(ctx, q); err != nil {
		return err
	}
	if err := s.checkCode(ctx, q.Spec); err != nil {
		return err
	}
	var err error
	if q.root, err = s.rootBelow(ctx, q.Workspace, q.Parent); err != nil {
		return err
	}
	return s.resolve(ctx, q)
}

// rootBelow returns the root of a run that is to be a child of parent: "" without one.
func (s *Service) rootBelow(ctx context.Context, workspace, parent string) (string, error) {
	if parent == "" {
		return "", nil
	}
	p, err := s.Get(ctx, store.Key{Workspace: workspace, Name: parent})
	return p.Top(), err
}

func checkNames(q *Request) error {
	if err := id.CheckName("experiment", q.Experiment); err != nil {
		return err
	}
	if q.Name == "" {
		return nil
	}
	return id.CheckName("name", q.Name)
}

func checkSpec(p Spec) error {
	why, field := "", ""
	switch {
	case len(p.Command) == 0 || p.Command[0] == "":
		why, field = "there is no command", "command"
	case slices.ContainsFunc(p.Command, hasNUL):
		why, field = "an argument holds a NUL byte", "command"
	case !cleanDir(p.Dir):
		why, field = "the working folder leaves the code", "dir"
	case p.GPUs < 0 || p.CPU < 0 || p.Memory < 0 || p.Timeout < 0 || p.LostAfter < 0 || p.Retries < 0:
		why, field = "an amount is negative", "gpus"
	case badVariable(p.Env) != "":
		why, field = fmt.Sprintf("%q cannot be the name or hold the value of a variable", badVariable(p.Env)), "variables"
	default:
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "RunInvalid", What: "the run cannot be executed as it is",
		Why: why, Fix: "correct it; run: zaffre run submit --help", Field: field,
	}
}

func hasNUL(s string) bool { return strings.ContainsRune(s, 0) }

func cleanDir(dir string) bool {
	return dir == "" || path.Clean(dir) == dir && !path.IsAbs(dir) && dir != ".." && !strings.HasPrefix(dir, "../")
}

func badVariable(env map[string]string) string {
	for k, v := range env {
		if k == "" || strings.ContainsAny(k, "=\x00") || hasNUL(v) {
			return k
		}
	}
	return ""
}

func (s *Service) checkTarget(ctx context.Context, q *Request) error {
	if q.Spec.Target == "" {
		q.Spec.Target = compute.Server
	}
	t, err := s.Computes.Get(ctx, compute.KeyOf(q.Workspace, q.Spec.Target))
	if err != nil {
		return err
	}
	kind, err := s.Computes.Kind(t.Kind)
	if err != nil {
		return err
	}
	if !driver.Can[driver.Runner](kind) {
		return &fault.Error{
			Code: fault.Unsupported, Reason: "RunsUnsupported", What: "no run can be submitted to " + t.Name,
			Why: "targets of kind " + t.Kind + " run no jobs", Fix: "run: zaffre compute list", Field: "compute",
		}
	}
	if q.Spec.Options, err = compute.CheckJobOptions(kind, q.Spec.Options); err != nil {
		return err
	}
	return s.furnish(ctx, q, kind, t)
}

// furnish gives a run that names no environment the one that the kind's runs need.
func (s *Service) furnish(ctx context.Context, q *Request, kind driver.Kind, t compute.Target) error {
	if q.Spec.Environment != "" || kind.Environment == nil {
		return nil
	}
	options, err := compute.OptionsOf(kind, t)
	if err != nil {
		return err
	}
	d := kind.Environment(options)
	if d == nil {
		return nil
	}
	e, err := s.Environments.Register(ctx, environment.Environment{Workspace: q.Workspace, Name: kind.Name, Definition: *d})
	q.Spec.Environment = e.Key().Name
	return err
}

// checkCode looks for the script in the snapshot, so that a missing one is told at once.
func (s *Service) checkCode(ctx context.Context, p Spec) error {
	if p.Snapshot == "" {
		return nil
	}
	files, err := s.Snapshots.Files(ctx, snapshot.ID(p.Snapshot))
	if err != nil {
		return err
	}
	script, ok := scriptOf(p)
	if !ok {
		return nil
	}
	list, err := files.Manifest(ctx)
	if err != nil || slices.ContainsFunc(list, func(f driver.File) bool { return f.Path == script }) {
		return err
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ScriptMissing", What: fmt.Sprintf("there is no script %q in the code", script),
		Why: fmt.Sprintf("the code has %d files, and it is none of them%s", len(list), nearest(list, script)),
		Fix: "name a script of the source folder, and see that .amlignore or .gitignore does not leave it out", Field: "command",
	}
}

// scriptOf returns the path of the script of Python, or of U-SQL, that the command names, if it names one.
func scriptOf(p Spec) (string, bool) {
	if first := p.Command[0]; strings.EqualFold(path.Ext(first), ".usql") && !path.IsAbs(first) {
		return path.Join(p.Dir, first), true
	}
	if len(p.Command) < 2 || p.Command[0] != "python" {
		return "", false
	}
	script := p.Command[1]
	if strings.HasPrefix(script, "-") || path.IsAbs(script) {
		return "", false
	}
	return path.Join(p.Dir, script), true
}

func nearest(list []driver.File, script string) string {
	var names []string
	for _, f := range list {
		if strings.HasSuffix(f.Path, path.Ext(script)) && len(names) < 5 {
			names = append(names, f.Path)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; it has " + quoted(names)
}

// resolve pins the environment to a version.
func (s *Service) resolve(ctx context.Context, q *Request) error {
	if q.Spec.Environment == "" {
		return nil
	}
	e, err := s.Environments.Get(ctx, q.Workspace, q.Spec.Environment)
	if err != nil {
		return err
	}
	q.Spec.Environment, q.Spec.Digest = e.Key().Name, e.Digest
	return nil
}
