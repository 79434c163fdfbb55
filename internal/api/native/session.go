package native

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// SessionPath names a session.
type SessionPath struct {
	ComputePath
	Session string `path:"session" doc:"Name of the session"`
}

func (p SessionPath) key() store.Key { return compute.KeyOf(p.Workspace, p.Name) }

// StatementPath names a statement.
type StatementPath struct {
	SessionPath
	Number int `path:"number" minimum:"0" doc:"Its number, from 0"`
}

func (a *api) routesSessions() {
	const (
		all = "/workspaces/{ws}/computes/{name}/sessions"
		one = all + "/{session}"
		st  = one + "/statements/{number}"
	)
	huma.Register(a.huma, a.op(http.MethodGet, all, "list-sessions", "List the interactive sessions of a compute target"), a.listSessions)
	huma.Register(a.huma, a.op(http.MethodPut, one, "start-session", "Start a session, or find the one of that name; it is starting when the answer comes"), a.startSession)
	huma.Register(a.huma, a.op(http.MethodGet, one, "get-session", "Show a session"), a.getSession)
	stop := a.op(http.MethodDelete, one, "stop-session", "End a session and forget it")
	stop.DefaultStatus = http.StatusNoContent
	huma.Register(a.huma, stop, a.stopSession)
	huma.Register(a.huma, a.op(http.MethodPut, st, "begin-statement", "Begin the next statement of a session, or find it if it was begun with the same code"), a.beginStatement)
	huma.Register(a.huma, a.op(http.MethodGet, st, "get-statement", "Show a statement, and its output when it has ended"), a.getStatement)
	huma.Register(a.huma, a.op(http.MethodPost, st+"/cancel", "cancel-statement", "Ask a statement to stop"), a.cancelStatement)
}

func (a *api) listSessions(ctx context.Context, in *ComputePath) (*out[client.Page[client.Session]], error) {
	list, err := a.Computes.ListSessions(ctx, compute.KeyOf(in.Workspace, in.Name))
	return pageOf(list, "", func(st driver.SessionStatus) client.Session { return toSession(in.Name, st) }), err
}

func (a *api) startSession(ctx context.Context, in *struct {
	SessionPath
	Body client.SessionRequest
},
) (*out[client.Session], error) {
	st, err := a.Computes.StartSession(ctx, in.key(), driver.Session{Name: in.Session, Language: in.Body.Language, Options: in.Body.Options})
	return &out[client.Session]{toSession(in.Name, st)}, err
}

func (a *api) getSession(ctx context.Context, in *SessionPath) (*out[client.Session], error) {
	st, err := a.Computes.Session(ctx, in.key(), in.Session)
	return &out[client.Session]{toSession(in.Name, st)}, err
}

func (a *api) stopSession(ctx context.Context, in *SessionPath) (*struct{}, error) {
	return nil, a.Computes.StopSession(ctx, in.key(), in.Session)
}

func (a *api) beginStatement(ctx context.Context, in *struct {
	StatementPath
	Body client.StatementRequest
},
) (*out[client.Statement], error) {
	st, err := a.Computes.BeginStatement(ctx, in.key(), in.Session, in.Number, in.Body.Code)
	return &out[client.Statement]{toStatement(st)}, err
}

func (a *api) getStatement(ctx context.Context, in *StatementPath) (*out[client.Statement], error) {
	st, err := a.Computes.Statement(ctx, in.key(), in.Session, in.Number)
	return &out[client.Statement]{toStatement(st)}, err
}

func (a *api) cancelStatement(ctx context.Context, in *StatementPath) (*out[client.Statement], error) {
	st, err := a.Computes.CancelStatement(ctx, in.key(), in.Session, in.Number)
	return &out[client.Statement]{toStatement(st)}, err
}

func toSession(computeName string, s driver.SessionStatus) client.Session {
	return client.Session{
		Name: s.Name, Compute: computeName, Language: s.Language, State: string(s.State), Reason: s.Reason, Message: s.Message,
		Statements: s.Statements, Started: utc(s.Started),
	}
}

func toStatement(s driver.Statement) client.Statement {
	return client.Statement{
		Number: s.Number, Code: s.Code, State: string(s.State), Progress: s.Progress, Output: s.Output, Error: s.Error, Trace: s.Trace,
	}
}
