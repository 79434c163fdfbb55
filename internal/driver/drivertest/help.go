package drivertest

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// What the tests of a kind need beside the suite.

// Need returns the variable by which tests know an engine. Without it the test is left out, and fails where TEST_REQUIRE
// names the engine.
func Need(t testing.TB, variable, engine string) string {
	t.Helper()
	v := os.Getenv(variable)
	switch {
	case v != "":
	case slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), engine):
		t.Fatalf(`%s is not set; run: eval "$(test/engines/%s.sh env)"`, variable, engine)
	default:
		t.Skipf(`needs %[1]s: test/engines/%[1]s.sh up; eval "$(test/engines/%[1]s.sh env)"`, engine)
	}
	return v
}

// Connect returns a connection that is closed at the end of the test.
func Connect[C driver.Conn](t testing.TB, k driver.Kind, target driver.Target) C {
	t.Helper()
	c, err := k.Connect(context.WithoutCancel(t.Context()), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(C)
}

// With returns a target with some options changed, secret ones too; nil takes one away.
func With(k driver.Kind, t driver.Target, changes map[string]any) driver.Target {
	t.Options, t.Secrets = maps.Clone(t.Options), maps.Clone(t.Secrets)
	for name, v := range changes {
		secret := slices.ContainsFunc(k.Options, func(o driver.Option) bool { return o.Path == name && o.Secret })
		switch {
		case v == nil:
			delete(t.Options, name)
			delete(t.Secrets, name)
		case secret:
			t.Secrets[name] = v.(string)
		default:
			t.Options[name] = v
		}
	}
	return t
}

// NewJob returns the first attempt of a run.
func NewJob(command ...string) driver.Job {
	run := id.New()
	return driver.Job{ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: command, Options: map[string]any{}}
}

// Started starts a job.
func Started(t testing.TB, c driver.Runner, j driver.Job) driver.Handle {
	t.Helper()
	h, err := patient{c}.Start(t.Context(), j)
	if err != nil {
		t.Fatalf("Start: %v (%s)", err, fault.ReasonOf(err))
	}
	return h
}

// Await polls until ok takes a job's status.
func Await(t testing.TB, c driver.Runner, h driver.Handle, ok func(driver.JobStatus) bool) driver.JobStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var st driver.JobStatus
	if !Until(ctx, func() bool {
		var err error
		if st, err = (patient{c}).Poll(ctx, h); err != nil {
			t.Fatalf("Poll: %v", err)
		}
		return ok(st)
	}) {
		t.Fatalf("waited in vain; the job is %+v", st)
	}
	return st
}

// Final and Running are for Await.
func Final(st driver.JobStatus) bool   { return st.State.Final() }
func Running(st driver.JobStatus) bool { return st.State == driver.JobRunning }

// Log reads a job's log from an offset.
func Log(t testing.TB, c driver.Conn, h driver.Handle, offset int64) string {
	t.Helper()
	r, err := c.(driver.LogReader).ReadLog(t.Context(), h, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// WantReason fails unless err is a whole fault with that code and reason.
func WantReason(t testing.TB, err error, code fault.Code, reason string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Code != code || f.Reason != reason || f.Fix == "" || f.Why == "" {
		t.Errorf("the fault is %+v, want %s with the code %s", f, reason, code)
	}
}
