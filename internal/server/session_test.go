package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// interpreters is an engine with sessions in memory: a statement's value is its code, and "hang" runs until it is
// cancelled. What it is told stays when its connections go.
type interpreters struct {
	mu       sync.Mutex
	started  []driver.Session
	sessions map[string][]driver.Statement
}

type sessionConn struct {
	driver.Conn
	*interpreters
}

func sessionKind(world *fake.World, engine *interpreters) driver.Kind {
	k := fake.Kind(world)
	connect := k.Connect
	k.Name, k.Prototype = "sessions", sessionConn{}
	k.JobOptions = []driver.Option{{Path: "cores", Type: driver.Int, Default: int64(1)}}
	k.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		c, err := connect(ctx, t)
		return sessionConn{c, engine}, err
	}
	return k
}

func notThere(reason string) error {
	return &fault.Error{Code: fault.NotFound, Reason: reason, What: "it is not there", Why: "of the test", Fix: "look at the test"}
}

func (e *interpreters) status(name string) driver.SessionStatus {
	return driver.SessionStatus{Name: name, Language: "pyspark", State: driver.SessionIdle, Statements: len(e.sessions[name])}
}

func (e *interpreters) StartSession(_ context.Context, s driver.Session) (driver.SessionStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.sessions[s.Name]; !ok {
		e.sessions[s.Name] = nil
		e.started = append(e.started, s)
	}
	return e.status(s.Name), nil
}

func (e *interpreters) ListSessions(context.Context) (list []driver.SessionStatus, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name := range e.sessions {
		list = append(list, e.status(name))
	}
	return list, nil
}

func (e *interpreters) SessionStatus(_ context.Context, name string) (driver.SessionStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.sessions[name]; !ok {
		return driver.SessionStatus{}, notThere("SessionUnknown")
	}
	return e.status(name), nil
}

func (e *interpreters) BeginStatement(_ context.Context, session string, n int, code string) (driver.Statement, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.sessions[session]
	if n < len(all) && all[n].Code == code {
		return all[n], nil
	}
	if n != len(all) {
		return driver.Statement{}, &fault.Error{Code: fault.Conflict, Reason: "StatementOutOfOrder", What: "it is not begun", Why: "of the test", Fix: "look at the test"}
	}
	st := driver.Statement{Number: n, Code: code, State: driver.StatementDone, Output: map[string]string{"text/plain": code}}
	if code == "hang" {
		st.State, st.Output = driver.StatementRunning, nil
	}
	e.sessions[session] = append(all, st)
	return st, nil
}

func (e *interpreters) ReadStatement(_ context.Context, session string, n int) (driver.Statement, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n >= len(e.sessions[session]) {
		return driver.Statement{}, notThere("StatementUnknown")
	}
	return e.sessions[session][n], nil
}

func (e *interpreters) CancelStatement(_ context.Context, session string, n int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions[session][n].State = driver.StatementCanceled
	return nil
}

func (e *interpreters) StopSession(_ context.Context, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, name)
	return nil
}

// TestSessionsOfATarget goes the whole way: client, API, service, driver.
func TestSessionsOfATarget(t *testing.T) {
	t.Parallel()
	world, engine := fake.NewWorld(), &interpreters{sessions: map[string][]driver.Statement{}}
	b := startWith(t, t.TempDir(), nil, world, fake.Kind(world), sessionKind(world, engine))
	for name, kind := range map[string]string{"pool": "sessions", "plain": "fake"} {
		if _, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: name, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	start := func(compute, name string, q client.SessionRequest) error {
		_, err := b.StartSession(t.Context(), "default", compute, name, q)
		return err
	}
	for reason, err := range map[string]error{
		"CapabilityMissing": start("plain", "mine", client.SessionRequest{}),
		"ComputeNotFound":   start("gone", "mine", client.SessionRequest{}),
		"NameInvalid":       start("pool", "../../batches/1", client.SessionRequest{}),
		"JobOptionUnknown":  start("pool", "mine", client.SessionRequest{Options: map[string]any{"corse": 2}}),
		"FieldInvalid":      start("pool", "mine", client.SessionRequest{Language: "cobol"}),
	} {
		wantClientReason(t, err, reason)
	}
	wantClientReason(t, start("pool", "Mine", client.SessionRequest{}), "NameInvalid") // engines tell small letters from large ones, or do not
	reader, err := b.CreateToken(t.Context(), client.Token{Name: "ro", Workspace: "default", Role: "Reader"})
	if err != nil {
		t.Fatal(err)
	}
	ro := b.as(t, reader.Secret)
	_, err = ro.Sessions(t.Context(), "default", "pool")
	wantClientReason(t, err, "RoleMissing")
	_, err = b.Session(t.Context(), "default", "pool", "mine")
	wantClientReason(t, err, "SessionUnknown")

	for range 2 {
		if err := start("pool", "mine", client.SessionRequest{Options: map[string]any{"cores": "4"}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(engine.started) != 1 || engine.started[0].Language != "pyspark" || engine.started[0].Options["cores"] != int64(4) {
		t.Errorf("the engine started %+v", engine.started)
	}
	for _, code := range []string{"1", "2", "2"} {
		st, err := b.NextStatement(t.Context(), "default", "pool", "mine", code)
		if err != nil || st.State != "done" || st.Output["text/plain"] != code {
			t.Errorf("%q is %+v, %v", code, st, err)
		}
	}
	_, err = b.BeginStatement(t.Context(), "default", "pool", "mine", 7, "x")
	wantClientReason(t, err, "StatementOutOfOrder")
	_, err = b.Statement(t.Context(), "default", "pool", "mine", 7)
	wantClientReason(t, err, "StatementUnknown")
	hanging, err := b.NextStatement(t.Context(), "default", "pool", "mine", "hang")
	if err != nil || hanging.Final() {
		t.Errorf("%+v, %v", hanging, err)
	}
	if st, err := b.CancelStatement(t.Context(), "default", "pool", "mine", hanging.Number); err != nil || st.State != "canceled" {
		t.Errorf("%+v, %v", st, err)
	}
	list, err := b.Sessions(t.Context(), "default", "pool")
	if err != nil || len(list) != 1 || list[0].Name != "mine" || list[0].Compute != "pool" || list[0].Statements != 4 {
		t.Errorf("the sessions are %+v, %v", list, err)
	}
	for range 2 {
		if err := b.StopSession(t.Context(), "default", "pool", "mine"); err != nil {
			t.Error(err)
		}
	}
	events, err := b.Events(t.Context(), "default", client.EventFilter{Subject: "compute/pool"})
	said := fmt.Sprint(events.Items)
	if err != nil || strings.Count(said, "compute.session.started") != 1 || strings.Count(said, "compute.session.stopped") != 1 {
		t.Errorf("the events are %v, %v", events.Items, err)
	}
	kinds, err := b.Kinds(t.Context())
	if err != nil || !slices.ContainsFunc(kinds, func(k client.Kind) bool {
		return k.Name == "sessions" && slices.Contains(k.Capabilities, "sessions")
	}) {
		t.Errorf("no kind is shown to have sessions: %v", err)
	}
}

func wantClientReason(t *testing.T, err error, reason string) {
	t.Helper()
	if client.ReasonOf(err) != reason {
		t.Errorf("the error is %v (%s), want %s", err, client.ReasonOf(err), reason)
	}
}
