package synapse

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// statement is what Livy says of one. Source: Livy 0.7.1, Statement of livy-rsc.
type statement struct {
	ID       int     `json:"id"`
	Code     string  `json:"code"`
	State    string  `json:"state"`
	Progress float64 `json:"progress"`
	Output   struct {
		Status string                     `json:"status"` // "ok", "error"
		Data   map[string]json.RawMessage `json:"data"`
		Name   string                     `json:"ename"`
		Value  string                     `json:"evalue"`
		Trace  []string                   `json:"traceback"`
	} `json:"output"`
}

// shown is a statement in the words of the contract.
func (s statement) shown() driver.Statement {
	out := driver.Statement{Number: s.ID, Code: s.Code, Progress: s.Progress, State: driver.StatementRunning}
	switch s.State {
	case "waiting":
		out.State = driver.StatementWaiting
	case "cancelled":
		out.State = driver.StatementCanceled
	case "available":
		out.State = driver.StatementDone
		if s.Output.Status != "ok" {
			out.State, out.Error, out.Trace = driver.StatementFailed, s.failure(), s.Output.Trace
		}
	}
	for kind, value := range s.Output.Data {
		if out.Output == nil {
			out.Output = map[string]string{}
		}
		out.Output[kind] = textOf(value)
	}
	return out
}

func (s statement) failure() string {
	if s.Output.Name == "" {
		return s.Output.Value
	}
	return s.Output.Name + ": " + s.Output.Value
}

// textOf is a value of an output: what is text is it, what is data stays JSON.
func textOf(v json.RawMessage) string {
	var text string
	if json.Unmarshal(v, &text) == nil {
		return text
	}
	return string(v)
}

func (c *conn) statementsPath(session string) string { return c.sessionPath(session) + "/statements" }

func (c *conn) statementPath(session string, number int) string {
	return c.statementsPath(session) + "/" + strconv.Itoa(number)
}

// begun is how many statements a session has had. Livy forgets the oldest (livy.rsc.retained-statements), and
// numbers them without a gap.
func (c *conn) begun(ctx context.Context, session string) (int, error) {
	var page struct {
		Total      int         `json:"total_statements"`
		Statements []statement `json:"statements"`
	}
	q := url.Values{"from": {"0"}, "size": {"1"}}
	err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: c.statementsPath(session), Query: q}, &page)
	if err != nil || len(page.Statements) == 0 {
		return 0, err
	}
	return page.Statements[0].ID + page.Total, nil
}

// BeginStatement implements driver.Sessions. Livy numbers statements itself, so one at a time is compared with what
// is there, and posted.
func (c *conn) BeginStatement(ctx context.Context, session string, number int, code string) (driver.Statement, error) {
	done, err := c.turn(ctx, session)
	if err != nil {
		return driver.Statement{}, err
	}
	defer done()
	st, err := c.SessionStatus(ctx, session)
	if err == nil {
		err = takes(st)
	}
	switch {
	case err != nil:
		return driver.Statement{}, err
	case number == st.Statements:
		return c.post(ctx, session, number, code)
	case number >= 0 && number < st.Statements:
		return c.again(ctx, session, number, code)
	}
	return driver.Statement{}, outOfOrder(number, st.Statements)
}

// post begins a statement. One that got another number was not alone: another client of the endpoint was faster.
func (c *conn) post(ctx context.Context, session string, number int, code string) (driver.Statement, error) {
	var s statement
	err := c.ask(ctx, restx.Call{Method: http.MethodPost, Path: c.statementsPath(session), JSON: map[string]any{"code": code}, Once: true}, &s)
	if err != nil {
		return driver.Statement{}, c.refused(ctx, session, err)
	}
	if s.ID != number {
		if err := c.cancel(ctx, session, s.ID); err != nil {
			return driver.Statement{}, err
		}
		return driver.Statement{}, outOfOrder(number, s.ID)
	}
	return s.shown(), nil
}

// again finds a statement that was begun before.
func (c *conn) again(ctx context.Context, session string, number int, code string) (driver.Statement, error) {
	s, err := c.ReadStatement(ctx, session, number)
	if fault.ReasonOf(err) == "StatementUnknown" || err == nil && s.Code != code {
		return driver.Statement{}, outOfOrder(number, number+1)
	}
	return s, err
}

// ReadStatement implements driver.Sessions. The session is asked for first: of one that starts, Livy lets wait.
func (c *conn) ReadStatement(ctx context.Context, session string, number int) (driver.Statement, error) {
	l, err := c.seen(ctx, session)
	if err != nil {
		return driver.Statement{}, err
	}
	switch l.state() {
	case driver.SessionDead:
		st, err := c.statusOf(ctx, l)
		if err == nil {
			err = takes(st)
		}
		return driver.Statement{}, err
	case driver.SessionStarting:
		return driver.Statement{}, statementUnknown(session, number)
	}
	var s statement
	err = c.ask(ctx, restx.Call{Method: http.MethodGet, Path: c.statementPath(session, number)}, &s)
	if missing(err) {
		return driver.Statement{}, statementUnknown(session, number)
	}
	return s.shown(), c.refused(ctx, session, err)
}

// CancelStatement implements driver.Sessions.
func (c *conn) CancelStatement(ctx context.Context, session string, number int) error {
	s, err := c.ReadStatement(ctx, session, number)
	if err != nil || s.State != driver.StatementWaiting && s.State != driver.StatementRunning {
		return err
	}
	return c.cancel(ctx, session, number)
}

func (c *conn) cancel(ctx context.Context, session string, number int) error {
	return c.refused(ctx, session, c.ask(ctx, restx.Call{Method: http.MethodPost, Path: c.statementPath(session, number) + "/cancel", JSON: map[string]any{}}, nil))
}

// refused says of a refusal because the session has ended, why it has.
func (c *conn) refused(ctx context.Context, session string, err error) error {
	if !notRunning(err) {
		return err
	}
	st, again := c.SessionStatus(ctx, session)
	if again != nil {
		return again
	}
	if why := takes(st); why != nil {
		return why
	}
	return err
}

// takes says why a session takes no statements.
func takes(st driver.SessionStatus) error {
	switch st.State {
	case driver.SessionDead:
		return &fault.Error{
			Code: fault.Precondition, Reason: "SessionDied", What: "the session " + st.Name + " takes no statements", Why: "it is dead: " + st.Message,
			Fix: "start it anew; run: zaffre spark session start --compute NAME --name " + st.Name,
		}
	case driver.SessionStarting:
		return &fault.Error{
			Code: fault.Unavailable, Reason: "SessionStarting", What: "the session " + st.Name + " takes no statements", Why: "it is starting",
			Fix: "wait until it is idle; run: zaffre spark session list --compute NAME", RetryAfter: 2 * time.Second,
		}
	}
	return nil
}

// turn waits for the turn of a statement in its session.
func (c *conn) turn(ctx context.Context, session string) (done func(), err error) {
	v, _ := c.turns.LoadOrStore(session, make(chan struct{}, 1))
	gate := v.(chan struct{})
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func outOfOrder(number, next int) error {
	return &fault.Error{
		Code: fault.Conflict, Reason: "StatementOutOfOrder", What: fmt.Sprintf("statement %d is not begun", number),
		Why: fmt.Sprintf("somebody began another one meanwhile: the next has the number %d", next), Fix: "send it again with that number; run: zaffre spark session exec does so",
	}
}

func statementUnknown(session string, number int) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "StatementUnknown", What: fmt.Sprintf("there is no statement %d in the session %s", number, session),
		Why: "it was not begun, or the endpoint has forgotten it", Fix: "send it; run: zaffre spark session exec --help",
	}
}
