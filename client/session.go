package client

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// SessionRequest asks for an interactive session.
type SessionRequest struct {
	Language string         `json:"language,omitempty" default:"pyspark" enum:"pyspark,spark,sparkr,sql" doc:"spark is Scala"`
	Options  map[string]any `json:"options,omitempty" doc:"What is said to the engine behind the target, by path: see job_options of its kind"`
}

// Session is an interactive session: an interpreter on a compute target, in which statements run one after the other
// and share their variables. The server keeps none: the engine behind the target does.
type Session struct {
	Name       string    `json:"name"`
	Compute    string    `json:"compute"`
	Language   string    `json:"language"`
	State      string    `json:"state" enum:"starting,idle,busy,dead"`
	Reason     string    `json:"reason,omitempty" doc:"Why it is dead: SessionDied, SessionExpired, NotStarted"`
	Message    string    `json:"message,omitempty"`
	Statements int       `json:"statements" doc:"How many were begun: the number of the next one"`
	Started    time.Time `json:"started,omitzero"`
}

// StatementRequest asks for a statement.
type StatementRequest struct {
	Code string `json:"code" minLength:"1"`
}

// Statement is one piece of code in a session.
type Statement struct {
	Number   int               `json:"number"`
	Code     string            `json:"code"`
	State    string            `json:"state" enum:"waiting,running,done,failed,canceled"`
	Progress float64           `json:"progress" doc:"0 to 1, where the engine tells"`
	Output   map[string]string `json:"output,omitempty" doc:"By MIME type: what it printed and its value as text/plain, tables as application/json"`
	Error    string            `json:"error,omitempty"`
	Trace    []string          `json:"trace,omitempty" doc:"The engine's own lines"`
}

// Final reports whether the statement has ended.
func (s Statement) Final() bool { return s.State != "waiting" && s.State != "running" }

func sessionPath(ws, compute string, more ...string) []string {
	return append([]string{"workspaces", ws, "computes", compute, "sessions"}, more...)
}

func statementPath(ws, compute, session string, number int, more ...string) []string {
	return append(sessionPath(ws, compute, session, "statements", strconv.Itoa(number)), more...)
}

// Sessions lists the sessions of a compute target, by name. It fails with CodeUnsupported where targets of its kind
// have none.
func (c *Client) Sessions(ctx context.Context, ws, compute string) ([]Session, error) {
	p, err := fetch[Page[Session]](ctx, c, get(sessionPath(ws, compute)...))
	return p.Items, err
}

// StartSession starts a session, or finds the one of that name. The answer comes while it starts: see WaitSession.
func (c *Client) StartSession(ctx context.Context, ws, compute, name string, q SessionRequest) (Session, error) {
	return fetch[Session](ctx, c, call{method: http.MethodPut, path: sessionPath(ws, compute, name), body: q})
}

// Session returns one session.
func (c *Client) Session(ctx context.Context, ws, compute, name string) (Session, error) {
	return fetch[Session](ctx, c, get(sessionPath(ws, compute, name)...))
}

// StopSession ends a session. One that is not there is no error.
func (c *Client) StopSession(ctx context.Context, ws, compute, name string) error {
	resp, err := c.send(ctx, call{method: http.MethodDelete, path: sessionPath(ws, compute, name)})
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// WaitSession returns a session when it starts no longer; seen, if not nil, is called with each answer.
func (c *Client) WaitSession(ctx context.Context, ws, compute, name string, seen func(Session)) (Session, error) {
	for try := 0; ; try++ {
		s, err := c.Session(ctx, ws, compute, name)
		if err == nil && seen != nil {
			seen(s)
		}
		if err != nil || s.State != "starting" {
			return s, err
		}
		if err := pause(ctx, calm(try)); err != nil {
			return s, err
		}
	}
}

// BeginStatement begins statement number of a session, which is as many as were begun before, or finds it if it was
// begun with the same code. Another number fails with CodeConflict, ReasonOf "StatementOutOfOrder".
func (c *Client) BeginStatement(ctx context.Context, ws, compute, session string, number int, code string) (Statement, error) {
	return fetch[Statement](ctx, c, call{method: http.MethodPut, path: statementPath(ws, compute, session, number), body: StatementRequest{Code: code}})
}

// NextStatement begins a statement behind all others, of whoever else uses the session.
func (c *Client) NextStatement(ctx context.Context, ws, compute, session, code string) (Statement, error) {
	const tries = 10 // others were faster so often
	for try := 0; ; try++ {
		s, err := c.WaitSession(ctx, ws, compute, session, nil)
		if err != nil {
			return Statement{}, err
		}
		st, err := c.BeginStatement(ctx, ws, compute, session, s.Statements, code)
		if ReasonOf(err) != "StatementOutOfOrder" || try == tries {
			return st, err
		}
	}
}

// Statement returns one statement.
func (c *Client) Statement(ctx context.Context, ws, compute, session string, number int) (Statement, error) {
	return fetch[Statement](ctx, c, get(statementPath(ws, compute, session, number)...))
}

// WaitStatement returns a statement when it has ended.
func (c *Client) WaitStatement(ctx context.Context, ws, compute, session string, number int) (Statement, error) {
	for try := 0; ; try++ {
		s, err := c.Statement(ctx, ws, compute, session, number)
		if err != nil || s.Final() {
			return s, err
		}
		if err := pause(ctx, calm(try)); err != nil {
			return s, err
		}
	}
}

// CancelStatement asks a statement to stop: WaitStatement tells when it has.
func (c *Client) CancelStatement(ctx context.Context, ws, compute, session string, number int) (Statement, error) {
	return fetch[Statement](ctx, c, post(statementPath(ws, compute, session, number, "cancel")...))
}

// calm is how long to wait between two looks at what may take from milliseconds to hours.
func calm(try int) time.Duration { return min(50*time.Millisecond<<min(try/4, 10), 2*time.Second) }
