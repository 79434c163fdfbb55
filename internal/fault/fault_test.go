package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

func changedKey() *fault.Error {
	return &fault.Error{
		Code: fault.Denied, Reason: "HostKeyChanged", What: `cannot attach compute target "gpu"`,
		Why: "the SSH host key of 10.0.0.4:22 changed", Fix: "run: zaffre compute trust gpu",
		Evidence: []string{"host key mismatch"}, Field: "name", Err: io.ErrUnexpectedEOF,
	}
}

func TestErrorIsOneLineOfWhatAndWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *fault.Error
		want string
	}{
		{changedKey(), `cannot attach compute target "gpu": the SSH host key of 10.0.0.4:22 changed: unexpected EOF`},
		{&fault.Error{What: "a", Why: "b"}, "a: b"},
		{&fault.Error{What: "a"}, "a"},
		{&fault.Error{What: "a", Err: io.EOF}, "a: EOF"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if !errors.Is(changedKey(), io.ErrUnexpectedEOF) {
		t.Error("the underlying error is not found")
	}
}

func TestCodeAndReasonAndRetry(t *testing.T) {
	t.Parallel()
	of := func(c fault.Code) error {
		return &fault.Error{Code: c, Reason: "X", What: "x", Why: "x", Fix: "x"}
	}
	for name, c := range map[string]struct {
		err    error
		code   fault.Code
		reason string
		retry  bool
	}{
		"nil":              {nil, "", "", false},
		"a fault":          {changedKey(), fault.Denied, "HostKeyChanged", false},
		"wrapped":          {fmt.Errorf("attach: %w", changedKey()), fault.Denied, "HostKeyChanged", false},
		"the outer of two": {&fault.Error{Code: fault.Invalid, Reason: "Outer", Err: changedKey()}, fault.Invalid, "Outer", false},
		"joined":           {errors.Join(io.EOF, changedKey()), fault.Denied, "HostKeyChanged", false},
		"another error":    {io.EOF, fault.Internal, "", false},
		"deadline":         {fmt.Errorf("poll: %w", context.DeadlineExceeded), fault.Unavailable, "", true},
		"canceled":         {context.Canceled, fault.Unavailable, "", true},
		"unavailable":      {of(fault.Unavailable), fault.Unavailable, "X", true},
		"exhausted":        {of(fault.Exhausted), fault.Exhausted, "X", true},
		"conflict":         {of(fault.Conflict), fault.Conflict, "X", false},
		"not found":        {of(fault.NotFound), fault.NotFound, "X", false},
		"precondition":     {of(fault.Precondition), fault.Precondition, "X", false},
	} {
		if got := fault.CodeOf(c.err); got != c.code {
			t.Errorf("%s: code %q, want %q", name, got, c.code)
		}
		if got := fault.ReasonOf(c.err); got != c.reason {
			t.Errorf("%s: reason %q, want %q", name, got, c.reason)
		}
		if got := fault.Retryable(c.err); got != c.retry {
			t.Errorf("%s: retryable %v, want %v", name, got, c.retry)
		}
	}
}

func TestFromMakesAFaultOfAnyError(t *testing.T) {
	t.Parallel()
	if fault.From(nil) != nil {
		t.Error("nil is a fault")
	}
	own := changedKey()
	if fault.From(fmt.Errorf("x: %w", own)) != own {
		t.Error("a fault is not returned as it is")
	}
	for err, reason := range map[error]string{io.EOF: "InternalError", context.Canceled: "TimedOut"} {
		f := fault.From(err)
		if f.Reason != reason || f.What == "" || f.Why == "" || f.Fix == "" || !errors.Is(f, err) {
			t.Errorf("%v: got %+v", err, f)
		}
	}
}

func TestDoingKeepsWhatWentWrong(t *testing.T) {
	t.Parallel()
	if fault.Doing("x", nil) != nil {
		t.Error("nil is a fault")
	}
	own := changedKey()
	want := changedKey()
	want.What, want.Why = `cannot start run "7"`, own.What+": "+own.Why
	got := fault.Doing(want.What, fmt.Errorf("connect: %w", own))
	if diff := cmp.Diff(*want, *fault.From(got), cmpopts.EquateErrors()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := fault.Doing("x", fault.Doing(own.What, own)); fault.From(again).Why != want.Why {
		t.Errorf("what went wrong is said twice, or not: %v", again)
	}
	if diff := cmp.Diff(*changedKey(), *own, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("the original was changed (-want +got):\n%s", diff)
	}
}

// A program's switch must not meet two codes of one spelling; and they are on the wire and in
// databases: this table only grows.
func TestCodesAreStable(t *testing.T) {
	t.Parallel()
	want := map[fault.Code]string{
		fault.Invalid: "invalid", fault.NotFound: "not_found", fault.Exists: "already_exists", fault.Conflict: "conflict",
		fault.Precondition: "failed_precondition", fault.Denied: "permission_denied", fault.Unauthorized: "unauthenticated",
		fault.Unsupported: "unsupported", fault.Exhausted: "resource_exhausted", fault.Unavailable: "unavailable", fault.Internal: "internal",
	}
	if len(want) != 11 {
		t.Errorf("%d codes", len(want))
	}
	for code, text := range want {
		if string(code) != text {
			t.Errorf("%s is %q", text, code)
		}
	}
}
