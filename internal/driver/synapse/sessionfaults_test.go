package synapse_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func pyspark(name string) driver.Session {
	return driver.Session{Name: name, Language: "pyspark", Options: map[string]any{"conf": map[string]any{"spark.ui.enabled": false}}}
}

// idle starts a session and waits until it takes statements.
func idle(t *testing.T, c driver.Sessions, q driver.Session) {
	t.Helper()
	st, err := c.StartSession(t.Context(), q)
	for err == nil && st.State == driver.SessionStarting {
		<-time.After(100 * time.Millisecond)
		st, err = c.SessionStatus(t.Context(), q.Name)
	}
	if err != nil || st.State != driver.SessionIdle {
		t.Fatalf("the session is %+v, %v", st, err)
	}
}

// does begins a statement and waits for its end.
func does(t *testing.T, c driver.Sessions, session string, number int, code string) driver.Statement {
	t.Helper()
	st, err := c.BeginStatement(t.Context(), session, number, code)
	for err == nil && (st.State == driver.StatementWaiting || st.State == driver.StatementRunning) {
		<-time.After(20 * time.Millisecond)
		st, err = c.ReadStatement(t.Context(), session, number)
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func failed(t *testing.T, s *rig.LivySessions, f rig.LivyFault) {
	t.Helper()
	if err := s.Fail(f); err != nil {
		t.Fatal(err)
	}
}

// TestLostAnswersOfSessions: the endpoint did what it was asked, and nobody heard it.
func TestLostAnswersOfSessions(t *testing.T) {
	t.Parallel()
	s := simulator(t)
	c := sessions(t, sessionTarget(s.URL))
	failed(t, s, rig.LivyFault{Method: "POST", Path: "/sessions", Kind: "lost", Times: 1})
	_, err := c.StartSession(t.Context(), pyspark("lost"))
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectionLost")
	idle(t, c, pyspark("lost"))
	if list, err := c.ListSessions(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("after a lost answer there are %+v, %v", list, err)
	}
	failed(t, s, rig.LivyFault{Method: "POST", Path: "/sessions/.*/statements", Kind: "lost", Times: 1})
	_, err = c.BeginStatement(t.Context(), "lost", 0, "n = globals().get('n', 0) + 1\nn")
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectionLost")
	if st := does(t, c, "lost", 0, "n = globals().get('n', 0) + 1\nn"); st.Output["text/plain"] != "1" {
		t.Errorf("the statement whose answer was lost is %+v, want it run once", st)
	}
	if st, err := c.SessionStatus(t.Context(), "lost"); err != nil || st.Statements != 1 {
		t.Errorf("the session is %+v, %v, want one statement", st, err)
	}
	failed(t, s, rig.LivyFault{Method: "DELETE", Path: "/sessions/.*", Kind: "lost", Times: 1})
	if err := c.StopSession(t.Context(), "lost"); err != nil { // what may be repeated is
		t.Error(err)
	}
}

// TestForgottenStatements: Livy keeps some, and numbers them all. Another client of the endpoint may begin one too.
func TestForgottenStatements(t *testing.T) {
	t.Parallel()
	s := simulator(t, "--retain", "3")
	c := sessions(t, sessionTarget(s.URL))
	idle(t, c, pyspark("many"))
	for n := range 5 {
		if st := does(t, c, "many", n, fmt.Sprint(n*n)); st.Output["text/plain"] != fmt.Sprint(n*n) {
			t.Fatalf("statement %d is %+v", n, st)
		}
	}
	if st, err := c.SessionStatus(t.Context(), "many"); err != nil || st.Statements != 5 {
		t.Errorf("the session is %+v, %v, want 5 statements", st, err)
	}
	_, err := c.ReadStatement(t.Context(), "many", 0)
	drivertest.WantReason(t, err, fault.NotFound, "StatementUnknown")
	_, err = c.BeginStatement(t.Context(), "many", 0, "0")
	drivertest.WantReason(t, err, fault.Conflict, "StatementOutOfOrder")
	said(t, s.URL, "POST", "/sessions/zaffre.t1.many/statements", `{"code": "'theirs'"}`)
	_, err = c.BeginStatement(t.Context(), "many", 5, "'ours'")
	drivertest.WantReason(t, err, fault.Conflict, "StatementOutOfOrder")
	if st := does(t, c, "many", 6, "'ours'"); st.Output["text/plain"] != "'ours'" {
		t.Errorf("the statement behind another client's is %+v", st)
	}
}

// TestSQL has rows as data, and a session that ends when nobody asks for it.
func TestSQL(t *testing.T) {
	t.Parallel()
	c := sessions(t, sessionTarget(simulator(t).URL))
	q := pyspark("rows")
	q.Language, q.Options["idleTimeout"] = "sql", 15*time.Second
	idle(t, c, q)
	st := does(t, c, "rows", 0, "select 1 as one, 'x' as ex")
	if want := `"data":[[1,"x"]]`; st.State != driver.StatementDone || !strings.Contains(st.Output["application/json"], want) {
		t.Errorf("the rows are %+v, want %s", st, want)
	}
	<-time.After(15500 * time.Millisecond) // of the engine's own clock
	_, err := c.ReadStatement(t.Context(), "rows", 0)
	drivertest.WantReason(t, err, fault.NotFound, "SessionUnknown")
}

// TestSessionsOfOthers: only those with the target's own prefix are ours.
func TestSessionsOfOthers(t *testing.T) {
	t.Parallel()
	s := simulator(t, "--starting", "2")
	other := sessionTarget(s.URL)
	other.ID = "t1-b"
	ours, theirs := sessions(t, sessionTarget(s.URL)), sessions(t, other)
	if _, err := theirs.StartSession(t.Context(), pyspark("same")); err != nil {
		t.Fatal(err)
	}
	said(t, s.URL, "POST", "/sessions", `{"kind": "pyspark", "name": "same"}`)
	_, err := ours.StartSession(t.Context(), pyspark("same"))
	drivertest.WantReason(t, err, fault.Exhausted, "TooManySessions")
	if list, err := ours.ListSessions(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("ours are %+v, %v", list, err)
	}
	if items, err := ours.(driver.Cleaner).Clean(t.Context(), false); err != nil || len(items) != 0 {
		t.Errorf("cleaning takes %+v, %v", items, err)
	}
	_, err = theirs.BeginStatement(t.Context(), "same", 0, "1") // while it starts
	drivertest.WantReason(t, err, fault.Unavailable, "SessionStarting")
}

// TestSessionsOfAGateway: what stands before an endpoint may refuse, and it may go.
func TestSessionsOfAGateway(t *testing.T) {
	t.Parallel()
	s := simulator(t, "--login", "ada:pw-canary")
	login := map[string]any{"administratorAccount.username": "ada", "administratorAccount.password": "wrong-canary"}
	_, err := sessions(t, with(sessionTarget(s.URL), login)).StartSession(t.Context(), pyspark("mine"))
	drivertest.WantReason(t, err, fault.Unauthorized, "LoginRefused")
	if strings.Contains(fmt.Sprintf("%+v", fault.From(err)), "canary") {
		t.Errorf("the fault tells the password: %+v", fault.From(err))
	}
	login["administratorAccount.password"] = "pw-canary"
	c := sessions(t, with(sessionTarget(s.URL), login))
	for _, f := range []struct {
		code   int
		want   fault.Code
		reason string
	}{{403, fault.Denied, "PermissionMissing"}, {500, fault.Unavailable, "ServiceFailed"}, {503, fault.Unavailable, "ServiceFailed"}} {
		failed(t, s, rig.LivyFault{Method: "POST", Path: "/sessions", Kind: "status", Code: f.code, Times: 1})
		_, err := c.StartSession(t.Context(), pyspark("mine"))
		drivertest.WantReason(t, err, f.want, f.reason)
	}
	idle(t, c, pyspark("mine"))
	failed(t, s, rig.LivyFault{Method: "GET", Path: "/sessions/.*", Kind: "status", Code: 503, Times: 1})
	if st := does(t, c, "mine", 0, "6 * 7"); st.Output["text/plain"] != "42" { // what may be repeated is
		t.Errorf("the statement is %+v", st)
	}
	s.Stop()
	for _, do := range []func() error{
		func() error { _, err := c.BeginStatement(t.Context(), "mine", 1, "1"); return err },
		func() error { _, err := c.ReadStatement(t.Context(), "mine", 0); return err },
		func() error { return c.CancelStatement(t.Context(), "mine", 0) },
		func() error { return c.StopSession(t.Context(), "mine") },
	} {
		drivertest.WantReason(t, do(), fault.Unavailable, "ConnectionRefused")
	}
}

// TestSessionRefusals are told before anything is asked of the endpoint.
func TestSessionRefusals(t *testing.T) {
	t.Parallel()
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(s.Close)
	q := pyspark("mine")
	q.Options["className"] = "org.example.Main"
	_, err := sessions(t, sessionTarget(s.URL)).StartSession(t.Context(), q)
	drivertest.WantReason(t, err, fault.Unsupported, "TaskUnsupported")
	_, err = sessions(t, with(sessionTarget(s.URL), map[string]any{"livy": nil})).StartSession(t.Context(), pyspark("mine"))
	drivertest.WantReason(t, err, fault.Precondition, "AddressUnknown")
	if asked != 0 {
		t.Errorf("the endpoint was asked %d times", asked)
	}
	_, err = connect(t, target(s.URL, t.TempDir())).Start(t.Context(), withOptions(drivertest.NewJob("true"), map[string]any{"idleTimeout": 5 * time.Second}))
	drivertest.WantReason(t, err, fault.Unsupported, "TaskUnsupported")
}
