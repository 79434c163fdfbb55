package run_test

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var owner = domaintest.Owner

func TestRunKeepsLogAndOutputs(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Await(t, s.Submit(t, "echo", "hello", "world"), run.Completed)
	if got := s.Log(t, r); got != "hello world\n" {
		t.Errorf("log %q", got)
	}
	w := s.Await(t, s.Submit(t, "write", "outputs/a b\n.txt", "kept"), run.Completed)
	list, _, err := s.Runs.ListArtifacts(owner(t.Context()), w.Key(), "", store.Page{})
	if err != nil || len(list) != 1 || list[0].Path != "outputs/a b\n.txt" || list[0].Size != 4 {
		t.Fatalf("artifacts %+v, %v", list, err)
	}
	_, body, err := s.Runs.OpenArtifact(owner(t.Context()), w.Key(), list[0].Path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if b, _ := io.ReadAll(body); string(b) != "ept" {
		t.Errorf("artifact from offset 1 is %q", b)
	}
	if taken, err := s.Runs.Taken(t.Context(), "fake/"+targetID(t, s)); taken != 0 || err != nil {
		t.Errorf("%d slots still taken, %v", taken, err)
	}
}

// TestOutputsAreFetchedOnce: a target that fails while its files are fetched is asked for those alone that are missing.
func TestOutputsAreFetchedOnce(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	full := &fault.Error{Code: fault.Exhausted, Reason: "DiskFull", What: "it fails", Why: "this once", Fix: "nothing"}
	s.Fake.Fail("OpenOutput", nil, nil, full)
	command, want := []string{"write"}, map[string]string{}
	for _, name := range []string{"outputs/a", "outputs/b", "outputs/c", "outputs/d", "outputs/e", "outputs/f"} {
		command, want[name] = append(command, name, "text of "+name), "text of "+name
	}
	r := s.Await(t, s.Submit(t, command...), run.Completed)
	got := map[string]string{}
	for name := range want {
		_, body, err := s.Runs.OpenArtifact(owner(t.Context()), r.Key(), name, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(body)
		body.Close()
		got[name] = string(b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the files (-want +got):\n%s", diff)
	}
	// A database that fails may lose a file that was fetched.
	if n := s.Fake.Calls("OpenOutput"); n != len(want)+1 && os.Getenv(domaintest.FaultsVariable) == "" {
		t.Errorf("%d files were fetched %d times", len(want), n)
	}
}

func targetID(t *testing.T, s *domaintest.Server) string {
	target, err := s.Computes.Get(owner(t.Context()), store.Key{Workspace: domaintest.Workspace, Name: "box"})
	if err != nil {
		t.Fatal(err)
	}
	return target.ID
}

func TestFailureSaysWhy(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Await(t, s.Submit(t, "exit", "3"), run.Failed)
	if r.Status.Error.Reason != "ExitCode" || !strings.Contains(r.Status.Error.Why, "exit code 3") || r.Attempt().Outcome.ExitCode != 3 {
		t.Errorf("error %+v", r.Status.Error)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Await(t, s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"false"}, Retries: 2}), run.Failed)
	if len(r.Status.Attempts) != 3 {
		t.Errorf("%d attempts, want 3", len(r.Status.Attempts))
	}
	for job, n := range s.Fake.Starts() {
		if n != 1 {
			t.Errorf("job %s started %d times", job, n)
		}
	}
}

func TestLostRunIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"hang"}, Retries: 1})
	s.Await(t, r, run.Running)
	s.Fake.Restart()
	domaintest.Eventually(t, func() (run.Run, bool) {
		got, err := s.Runs.Get(owner(t.Context()), r.Key())
		return got, err == nil && got.Status.State == run.Running && len(got.Status.Attempts) == 2
	})
}

// TestShutOut: a target that does not let us in says nothing of the run that it has, which goes on.
func TestShutOut(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"hang"}, Retries: 1})
	s.Await(t, r, run.Running)
	s.Fake.Fail("Poll", &fault.Error{Code: fault.Unauthorized, Reason: "PasswordRefused", Why: "the password has changed"}, &fault.Error{Code: fault.Denied, Reason: "AccountLocked"})
	domaintest.Eventually(t, func() (run.Run, bool) {
		got, err := s.Runs.Get(owner(t.Context()), r.Key())
		return got, err == nil && len(got.Status.Conditions) == 1 && got.Status.Conditions[0].Type == "Reachable" && got.Status.Conditions[0].OK
	})
	s.Fake.Finish("z-"+r.ID+"-1", 0)
	if got := s.Await(t, r, run.Completed); len(got.Status.Attempts) != 1 {
		t.Errorf("the attempts are %+v", got.Status.Attempts)
	}
}

// TestAnEngineSaysWhyItWaits: what has its place at the target may still wait for one behind that.
func TestAnEngineSaysWhyItWaits(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Submit(t, "wait", "partition closed is down")
	domaintest.Eventually(t, func() (run.Run, bool) {
		got, err := s.Runs.Get(owner(t.Context()), r.Key())
		c := got.Status.Conditions
		return got, err == nil && len(c) == 1 && !c[0].OK && c[0].Type == "Placed" && c[0].Reason == "EngineWaits" && c[0].Message == "partition closed is down"
	})
	s.Fake.Finish("z-"+r.ID+"-1", 0)
	if got := s.Await(t, r, run.Completed); len(got.Status.Conditions) != 0 {
		t.Errorf("a run that has ended waits: %+v", got.Status.Conditions)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	running := s.Submit(t, "hang")
	s.Await(t, running, run.Running)
	var waiting []run.Run
	for range 5 {
		waiting = append(waiting, s.Submit(t, "hang"))
	}
	for _, r := range append(waiting, running) {
		for range 2 { // twice is once
			if _, err := s.Runs.Cancel(owner(t.Context()), r.Key()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range append(waiting, running) {
		s.Await(t, r, run.Canceled)
	}
	done := s.Await(t, s.Submit(t, "true"), run.Completed)
	if r, err := s.Runs.Cancel(owner(t.Context()), done.Key()); err != nil || r.Status.State != run.Completed {
		t.Errorf("cancel of an ended run = %s, %v", r.Status.State, err)
	}
}

// A target may ask for the same Start again, until it has all that a job takes.
func TestStartedAgain(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "one", map[string]any{"slots": 1})
	r := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"late"}})
	s.Await(t, r, run.Completed)
	if got := s.Fake.Starts()["z-"+r.ID+"-1"]; got != 1 {
		t.Errorf("its process began %d times", got)
	}
}

func TestQueueByPriority(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "one", map[string]any{"slots": 1})
	first := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"hang"}})
	s.Await(t, first, run.Running)
	low := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"hang"}})
	high := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"hang"}, Priority: 5})
	domaintest.Eventually(t, func() (run.Run, bool) { // both wait, and know for what
		r, err := s.Runs.Get(owner(t.Context()), low.Key())
		return r, err == nil && len(r.Status.Conditions) > 0 && strings.Contains(r.Status.Conditions[0].Message, "0 of 1 places free on one, 1 runs ahead")
	})
	s.Fake.Finish("z-"+first.ID+"-1", 0)
	s.Await(t, high, run.Running)
	if got, _ := s.Runs.Get(owner(t.Context()), low.Key()); got.Status.State != run.Queued {
		t.Errorf("the run of low priority is %s", got.Status.State)
	}
}

func TestSubmitTwice(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	q := run.Request{Workspace: domaintest.Workspace, Name: `it's/"mine" é`, Spec: run.Spec{Target: "box", Command: []string{"hang"}}}
	a, created, err := s.Runs.Submit(owner(t.Context()), q)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	q.Tags = map[string]string{"k": "v"}
	b, created, err := s.Runs.Submit(owner(t.Context()), q)
	if err != nil || created || a.ID != b.ID || b.Tags["k"] != "v" {
		t.Errorf("again: created %v, %v, tags %v", created, err, b.Tags)
	}
	q.Spec.Command = []string{"true"}
	_, _, err = s.Runs.Submit(owner(t.Context()), q)
	domaintest.Refused(t, err, "RunDiffers")
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	reader := identity.With(t.Context(), identity.Caller{Name: "rob", Roles: map[string]identity.Role{domaintest.Workspace: identity.Reader}})
	ok := run.Spec{Target: "box", Command: []string{"true"}}
	with := func(change func(*run.Spec)) run.Spec { p := ok; change(&p); return p }
	for reason, c := range map[string]struct {
		ctx  context.Context
		name string
		spec run.Spec
	}{
		"RoleMissing":         {reader, "", ok},
		"ComputeNotFound":     {owner(t.Context()), "", with(func(p *run.Spec) { p.Target = "nowhere" })},
		"EnvironmentNotFound": {owner(t.Context()), "", with(func(p *run.Spec) { p.Environment = "none" })},
		"RunInvalid":          {owner(t.Context()), "", with(func(p *run.Spec) { p.Command = nil })},
		"NameInvalid":         {owner(t.Context()), "a\nb", ok},
	} {
		_, _, err := s.Runs.Submit(c.ctx, run.Request{Workspace: domaintest.Workspace, Name: c.name, Spec: c.spec})
		domaintest.Refused(t, err, reason)
	}
	r := s.SubmitSpec(t, with(func(p *run.Spec) { p.GPUs = 64 }))
	if got := s.Await(t, r, run.Failed); got.Status.Error.Reason != "NoMachineFits" {
		t.Errorf("64 GPUs: %+v", got.Status.Error)
	}
}

// The target answers nothing for a while: the run says so, and goes on when it does again.
func TestUnreachableIsACondition(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	away := &fault.Error{Code: fault.Unavailable, Reason: "ConnectionRefused", What: "x", Why: "nobody listens", Fix: "x"}
	s.Fake.Fail("Start", away, away)
	s.Fake.Fail("Started", away)
	r := s.Await(t, s.Submit(t, "echo", "once"), run.Completed)
	if s.Fake.Starts()["z-"+r.ID+"-1"] != 1 || s.Log(t, r) != "once\n" {
		t.Errorf("started %v, log %q", s.Fake.Starts(), s.Log(t, r))
	}
}

func TestEnvironmentIsBuiltOnce(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	ctx := owner(t.Context())
	e, err := s.Environments.Register(ctx, environment.Environment{Workspace: domaintest.Workspace, Name: "sk", Definition: driver.Definition{Pip: []string{"scikit-learn"}}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Environments.Register(ctx, environment.Environment{Workspace: domaintest.Workspace, Name: "sk", Definition: driver.Definition{Pip: []string{"scikit-learn"}}})
	if err != nil || again.Version != e.Version {
		t.Errorf("the same definition is version %d, %v", again.Version, err)
	}
	var runs []run.Run
	for range 6 {
		runs = append(runs, s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"true"}, Environment: "sk"}))
	}
	for _, r := range runs {
		s.Await(t, r, run.Completed)
	}
	if n := s.Fake.Builds(e.Digest); n != 1 {
		t.Errorf("built %d times", n)
	}
	bad, err := s.Environments.Register(ctx, environment.Environment{Workspace: domaintest.Workspace, Name: "bad", Definition: driver.Definition{Pip: []string{"impossible"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Await(t, s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"true"}, Environment: bad.Name}), run.Failed)
	if r.Status.Error.Reason != "PackageNotFound" || !strings.Contains(r.Status.Error.Why, "impossible") {
		t.Errorf("error %+v", r.Status.Error)
	}
}

// An environment that was taken away from the target is built again, and the run goes on.
func TestEnvironmentIsBuiltAgain(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	e, err := s.Environments.Register(owner(t.Context()), environment.Environment{Workspace: domaintest.Workspace, Name: "sk", Definition: driver.Definition{Pip: []string{"scikit-learn"}}})
	if err != nil {
		t.Fatal(err)
	}
	spec := run.Spec{Target: "box", Command: []string{"true"}, Environment: "sk"}
	s.Await(t, s.SubmitSpec(t, spec), run.Completed)
	s.Fake.LoseBuild(e.Digest)
	if r := s.Await(t, s.SubmitSpec(t, spec), run.Completed); len(r.Status.Attempts) != 1 {
		t.Errorf("%d attempts, want 1", len(r.Status.Attempts))
	}
	if n := s.Fake.Builds(e.Digest); n != 2 {
		t.Errorf("built %d times, want twice", n)
	}
}

func TestCondaVariablesReachTheJob(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	e, err := s.Environments.Register(owner(t.Context()), environment.Environment{Workspace: domaintest.Workspace, Name: "v", Definition: driver.Definition{
		Conda: []byte("dependencies: [numpy]\nvariables: {A: conda, B: conda}\n"), Env: map[string]string{"B": "own"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"A": "conda", "B": "own"}, e.Definition.Env); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFollowLog(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Submit(t, "hang")
	body, err := s.Runs.OpenLog(owner(t.Context()), r.Key(), 0, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	s.Await(t, r, run.Running)
	time.AfterFunc(10*time.Millisecond, func() { s.Fake.Finish("z-"+r.ID+"-1", 0) })
	if b, err := io.ReadAll(body); err != nil || string(b) != "" {
		t.Errorf("log %q, %v; want its end", b, err)
	}
}

func TestDetachedTargetEndsItsRuns(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "one", map[string]any{"slots": 1})
	running := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"hang"}})
	s.Await(t, running, run.Running)
	waiting := s.SubmitSpec(t, run.Spec{Target: "one", Command: []string{"hang"}})
	k := store.Key{Workspace: domaintest.Workspace, Name: "one"}
	_, err := s.Computes.Detach(owner(t.Context()), k, compute.DetachOptions{})
	domaintest.Refused(t, err, "RunsActive")
	items, err := s.Computes.Detach(owner(t.Context()), k, compute.DetachOptions{Force: true})
	if err != nil || len(items) != 1 || !items[0].Removed {
		t.Errorf("detach removed %+v, %v", items, err)
	}
	s.Await(t, waiting, run.Failed)
	s.Await(t, running, run.Failed)
}

func TestEveryChangeIsAnEvent(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	r := s.Await(t, s.Submit(t, "true"), run.Completed)
	events := domaintest.Insist(t, func() ([]store.Event, error) {
		return s.DB.Events(t.Context(), domaintest.Workspace, "run/"+r.Name, 0, 100)
	})
	var got []string
	for _, e := range events {
		got = append(got, e.Actor+" "+e.Type+" "+e.Data["state"])
	}
	want := []string{"ann run.submitted Queued", "system run.state_changed Running", "system run.state_changed Finalizing", "system run.state_changed Completed"}
	if len(got) == len(want)-1 { // it may end before it was seen running
		want = append(want[:1:1], want[2:]...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
