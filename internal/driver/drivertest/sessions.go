package drivertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// SessionHarness gives RunSessions a real target to work on.
type SessionHarness struct {
	Kind     driver.Kind
	Target   driver.Target
	Language string
	Options  map[string]any // of each session, with the kind's defaults
	// Code returns what does the named thing in the language; "" if the target cannot do it: what needs it is skipped.
	//
	//	set NAME NUMBER   a variable
	//	add NAME NUMBER   adds to it, and has no value
	//	value NAME        an expression with its value
	//	print TEXT        writes the text and a newline
	//	raise TEXT        fails with the text in its message
	//	hang              runs for minutes; a cancel ends it
	Code func(what string, args ...string) string
	// Kill ends a session's interpreter from outside. nil: skipped.
	Kill func(t *testing.T, name string)
}

// sessionLimit bounds each suite of sessions: an interpreter takes seconds to start.
const sessionLimit = 10 * time.Minute

// RunSessions runs the tests of driver.Sessions on one target, in order: they share a session.
func RunSessions(t *testing.T, h SessionHarness) {
	ctx, cancel := context.WithTimeout(t.Context(), sessionLimit)
	t.Cleanup(cancel)
	s := &sessionEnv{SessionHarness: h, ctx: ctx, name: "suite-" + id.New(), next: new(int)}
	t.Cleanup(func() { s.in(t).drop() })
	for _, tt := range []struct {
		name string
		test func(*sessionEnv)
	}{
		{"UnknownSession", testUnknownSession},
		{"UnknownLanguage", testUnknownLanguage},
		{"StartTwiceStartsOnce", testSessionTwice},
		{"StatementTwiceRunsOnce", testStatementTwice},
		{"OutOfOrderRefused", testOutOfOrder},
		{"UnknownStatement", testUnknownStatement},
		{"Output", testStatementOutput},
		{"ErrorAndTrace", testStatementError},
		{"Cancel", testStatementCancel},
		{"LivesOnWithoutUs", testSessionLivesOn},
		{"List", testSessionList},
		{"Dead", testSessionDead},
		{"StopTwice", testSessionStop},
		{"Clean", testSessionClean},
	} {
		if !t.Run(tt.name, func(t *testing.T) { tt.test(s.in(t)) }) {
			return
		}
	}
}

// sessionEnv is one test of a session.
type sessionEnv struct {
	SessionHarness
	*testing.T
	ctx  context.Context
	name string
	next *int // the number of the next statement
}

// in returns the environment of a test, whose statements follow those of the tests before.
func (s *sessionEnv) in(t *testing.T) *sessionEnv {
	c := *s
	c.T = t
	return &c
}

// open connects anew, so that what a test finds is what the target knows.
func (s *sessionEnv) open() driver.Sessions {
	s.Helper()
	c, err := s.Kind.Connect(s.ctx, s.Target)
	if err != nil {
		s.Fatalf("Connect: %v", err)
	}
	s.Cleanup(func() { _ = c.Close() })
	sessions, err := driver.As[driver.Sessions](c)
	if err != nil {
		s.Fatal(err)
	}
	return sessions
}

// drop takes away what the suite left; a target that is gone has taken it already.
func (s *sessionEnv) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := s.Kind.Connect(ctx, s.Target)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.(driver.Sessions).StopSession(ctx, s.name)
}

func (s *sessionEnv) session() driver.Session {
	options := s.Options
	if options == nil {
		options = map[string]any{}
	}
	return driver.Session{Name: s.name, Language: s.Language, Options: options}
}

func (s *sessionEnv) code(what string, args ...string) string {
	s.Helper()
	code := s.Code(what, args...)
	if code == "" {
		s.Skipf("the target cannot do %q", what)
	}
	return code
}

func (s *sessionEnv) status(c driver.Sessions) driver.SessionStatus {
	s.Helper()
	st, err := c.SessionStatus(s.ctx, s.name)
	if err != nil {
		s.Fatalf("SessionStatus: %v", err)
	}
	return st
}

// idle starts the session, or finds it, and waits until it takes statements.
func (s *sessionEnv) idle(c driver.Sessions) driver.SessionStatus {
	s.Helper()
	var st driver.SessionStatus
	if err := Patiently(s.ctx, func() (err error) { st, err = c.StartSession(s.ctx, s.session()); return err }); err != nil || st.Name != s.name {
		s.Fatalf("StartSession = %+v, %v", st, err)
	}
	return s.untilState(c, driver.SessionIdle)
}

func (s *sessionEnv) untilState(c driver.Sessions, want driver.SessionState) (st driver.SessionStatus) {
	s.Helper()
	s.until("the session to be "+string(want), func() bool {
		st = s.status(c)
		if st.State == driver.SessionDead && want != driver.SessionDead {
			s.Fatalf("the session is %+v, want it %s", st, want)
		}
		return st.State == want
	})
	return st
}

// until asks again and again until ok is true.
func (s *sessionEnv) until(what string, ok func() bool) {
	s.Helper()
	if !Until(s.ctx, ok) {
		s.Fatalf("waited in vain for %s", what)
	}
}

// begin begins the next statement.
func (s *sessionEnv) begin(c driver.Sessions, code string) int {
	s.Helper()
	n := *s.next
	st, err := c.BeginStatement(s.ctx, s.name, n, code)
	if err != nil || st.Number != n || st.Code != code {
		s.Fatalf("BeginStatement = %+v, %v, want number %d", st, err, n)
	}
	*s.next++
	return n
}

// end waits until a statement has ended.
func (s *sessionEnv) end(c driver.Sessions, n int) (st driver.Statement) {
	s.Helper()
	s.until("the statement to end", func() bool {
		var err error
		if st, err = c.ReadStatement(s.ctx, s.name, n); err != nil {
			s.Fatalf("ReadStatement: %v", err)
		}
		return st.State != driver.StatementWaiting && st.State != driver.StatementRunning
	})
	return st
}

// does runs code and returns what it printed, and its value.
func (s *sessionEnv) does(c driver.Sessions, code string) string {
	s.Helper()
	st := s.end(c, s.begin(c, code))
	if st.State != driver.StatementDone || st.Error != "" {
		s.Fatalf("the statement is %+v, want it done", st)
	}
	return strings.TrimSpace(st.Output["text/plain"])
}

func (s *sessionEnv) wantReason(err error, code fault.Code, reason string) {
	s.Helper()
	f := fault.From(err)
	if f == nil || f.Code != code || f.Reason != reason || f.What == "" || f.Why == "" || f.Fix == "" {
		s.Errorf("the fault is %+v, want a whole one with Reason %s and Code %s", f, reason, code)
	}
}
