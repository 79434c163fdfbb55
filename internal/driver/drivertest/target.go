package drivertest

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func testKind(e *env) {
	if e.Kind.Name == "" || e.Kind.Summary == "" || e.Kind.Document == nil {
		e.Errorf("kind %+v lacks its Name, Summary or Document", e.Kind)
	}
	if diff := cmp.Diff(capabilities(e.Kind.Prototype), capabilities(e.conn)); diff != "" {
		e.Errorf("the capabilities are asked of Prototype, and of what Connect returns are others (-want +got):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, o := range e.Kind.Options {
		if o.Path == "" || o.Type == "" || o.Help == "" || seen[o.Path] {
			e.Errorf("option %+v lacks its Path, Type or Help, or stands twice", o)
		}
		seen[o.Path] = true
	}
	if _, err := json.Marshal(e.Kind.Document(driver.View{})); err != nil {
		e.Errorf("the document of a target that was never seen is no JSON: %v", err)
	}
}

// capabilities returns the names of those that a connection has.
func capabilities(c driver.Conn) []string {
	var out []string
	for _, has := range []func(driver.Conn) string{
		has[driver.Host], has[driver.Runner], has[driver.Watcher], has[driver.LogReader], has[driver.Outputs], has[driver.EnvBuilder],
		has[driver.Cleaner], has[driver.Provisioner], has[driver.Shell], has[driver.Identifier], has[driver.Sessions],
	} {
		if name := has(c); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func has[C any](c driver.Conn) string {
	if _, ok := c.(C); !ok {
		return ""
	}
	return reflect.TypeFor[C]().Name()
}

func testObserve(e *env) {
	first := e.observe(e.conn)
	if !first.Exists || !first.Ready || first.Identity == "" {
		e.Fatalf("Observe = %+v, want a target that exists, is ready and has an identity", first)
	}
	names := map[string]bool{}
	for _, c := range first.Checks {
		if c.Name == "" || names[c.Name] {
			e.Errorf("check %+v has no name of its own", c)
		}
		names[c.Name] = true
		if c.Required && !c.OK {
			e.Errorf("check %q is required and failed, yet Observe gave no error", c.Name)
		}
		if !c.OK && (c.Reason == "" || c.Fix == "") {
			e.Errorf("check %+v failed without Reason and Fix", c)
		}
	}
	for _, m := range first.Machines {
		if m.Identity == "" || m.Runs < 1 {
			e.Errorf("machine %+v lacks its Identity, or runs nothing", m)
		}
	}
	second := e.observe(e.connect())
	if first.Identity != second.Identity || first.Lasting != second.Lasting {
		e.Errorf("seen twice, the target is %q, %q and then %q, %q", first.Identity, first.Lasting, second.Identity, second.Lasting)
	}
	if d := cmp.Diff(first.Machines, second.Machines); d != "" {
		e.Errorf("seen twice, the machines differ (-first +second):\n%s", d)
	}
}

func (e *env) observe(c driver.Conn) driver.Observation {
	e.Helper()
	var o driver.Observation
	if err := Patiently(e.ctx, func() (err error) { o, err = c.Observe(e.ctx); return err }); err != nil {
		e.Fatalf("Observe: %v", err)
	}
	return o
}

func testRefusals(e *env) {
	for _, r := range e.Refusals {
		e.Run(r.Name, func(t *testing.T) {
			e := &env{T: t, Harness: e.Harness, ctx: e.ctx}
			c, err := e.Kind.Connect(e.ctx, r.Target)
			var o driver.Observation
			if err == nil {
				defer c.Close()
				o, err = c.Observe(e.ctx)
			}
			e.wantFault(err, r.Code)
			if got := fault.ReasonOf(err); got != r.Reason {
				t.Errorf("the reason is %q, want %q", got, r.Reason)
			}
			if r.Check != "" {
				e.wantFailed(o.Checks, r)
			}
		})
	}
}

// wantFailed checks that the check that failed is the one that was to.
func (e *env) wantFailed(checks []driver.Check, r Refusal) {
	e.Helper()
	for _, c := range checks {
		if !c.Required || c.OK {
			continue
		}
		if c.Name != r.Check || c.Reason != r.Reason || c.Fix == "" {
			e.Errorf("check %+v failed, want %q with the reason %q and a Fix", c, r.Check, r.Reason)
		}
		return
	}
	e.Errorf("no required check failed, want %q", r.Check)
}

func testAlias(e *env) {
	if e.Alias == nil {
		e.Skip("the target has no other name")
	}
	c, err := e.Kind.Connect(e.ctx, *e.Alias)
	if err != nil {
		e.Fatal(err)
	}
	defer c.Close()
	a, b := e.observe(e.conn), e.observe(c)
	if a.Identity != b.Identity {
		e.Errorf("one machine under two names is %q and %q", a.Identity, b.Identity)
	}
	if len(a.Machines) != len(b.Machines) || len(a.Machines) > 0 && a.Machines[0].Identity != b.Machines[0].Identity {
		e.Errorf("the machines under two names are %+v and %+v", a.Machines, b.Machines)
	}
}

// testDeadline: a call whose time has run out returns at once, and may be repeated.
func testDeadline(e *env) {
	h := e.start(e.job(e.script("exit", "0")))
	e.end(h)
	ctx, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
	defer cancel()
	begin := time.Now()
	_, err := e.runner().Poll(ctx, h)
	if err != nil {
		e.wantFault(err, fault.Unavailable)
	}
	if took := time.Since(begin); took > 15*time.Second {
		e.Errorf("a call without time left took %s", took)
	}
	if st := e.poll(h); st.State != driver.JobDone {
		e.Errorf("after that the job is %+v, want it done", st)
	}
}

// testBlackHole: where nobody answers, a call still returns within its deadline.
func testBlackHole(e *env) {
	if e.BlackHole == nil {
		e.Skip("the harness has no black hole")
	}
	c, err := e.Kind.Connect(e.ctx, *e.BlackHole)
	if err != nil {
		e.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(e.ctx, 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = as[driver.Runner](e, c).Start(ctx, e.job(e.script("exit", "0")))
	e.wantFault(err, fault.Unavailable)
	if took := time.Since(begin); took > 15*time.Second {
		e.Errorf("the call took %s, with 300 ms to do it", took)
	}
}

// testHandle: what an unknown version wrote is refused, not guessed.
func testHandle(e *env) {
	h := driver.Handle{Version: 1 << 30, Data: json.RawMessage(`{"a":1}`)}
	if st, err := e.runner().Poll(e.ctx, h); err == nil && st.State != driver.JobLost {
		e.Errorf("the job of a handle that nobody wrote is %+v", st)
	}
}
