package synapse

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/pysession"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// session is what Livy says of one. Source: Livy 0.7.1, SessionInfo.
type session struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	Kind  string `json:"kind"`
	AppID string `json:"appId"`
}

// state is a session's in the words of the contract. Livy's others are those of one that is over: shutting_down,
// error, dead, killed and success. Source: Livy 0.7.1, SessionState.
func (l session) state() driver.SessionState {
	switch l.State {
	case "not_started", "starting", "recovering":
		return driver.SessionStarting
	case "idle":
		return driver.SessionIdle
	case "busy", "running":
		return driver.SessionBusy
	}
	return driver.SessionDead
}

// prefix begins the names of our sessions. Livy has each name once; the dots keep one target's from another's.
func (c *conn) prefix() string { return "zaffre." + c.id + "." }

// sessionPath is where a session is. Livy finds it by its name as well as by its number, and numbers begin anew when
// an endpoint loses its memory.
func (c *conn) sessionPath(name string) string { return "/sessions/" + c.prefix() + name }

// seen asks Livy for a session.
func (c *conn) seen(ctx context.Context, name string) (session, error) {
	var l session
	err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: c.sessionPath(name)}, &l)
	if missing(err) {
		err = sessionUnknown(name)
	}
	return l, err
}

// StartSession implements driver.Sessions. That it starts once stands on the name.
func (c *conn) StartSession(ctx context.Context, s driver.Session) (driver.SessionStatus, error) {
	body, err := c.sessionBody(s)
	if err != nil {
		return driver.SessionStatus{}, err
	}
	l, err := c.seen(ctx, s.Name)
	if err == nil && l.state() == driver.SessionDead {
		if err = c.dropSession(ctx, strconv.FormatInt(l.ID, 10)); err == nil { // by number: the next one has the name
			err = sessionUnknown(s.Name)
		}
	}
	if missing(err) {
		l, err = c.submitSession(ctx, s.Name, body)
	}
	if err != nil {
		return driver.SessionStatus{}, err
	}
	return c.statusOf(ctx, l)
}

func (c *conn) submitSession(ctx context.Context, name string, body map[string]any) (session, error) {
	var l session
	err := c.ask(ctx, restx.Call{Method: http.MethodPost, Path: "/sessions", JSON: body, Once: true}, &l)
	switch {
	case refusedWith(err, "Duplicate session name"):
		return c.seen(ctx, name) // somebody else was faster
	case refusedWith(err, "too many sessions"):
		return l, &fault.Error{
			Code: fault.Exhausted, Reason: "TooManySessions", What: "the session is not started", Why: "the endpoint is starting as many as it may at once",
			Fix: "stop one that is not needed; run: zaffre spark session list --compute NAME; or raise livy.server.session.max-creation in the endpoint's livy.conf", Err: err,
		}
	}
	return l, err
}

// sessionBody is what Livy is asked for. Source: Livy 0.7.1, CreateInteractiveRequest.
func (c *conn) sessionBody(s driver.Session) (map[string]any, error) {
	switch {
	case !slices.Contains([]string{"pyspark", "spark", "sparkr", "sql"}, s.Language):
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "LanguageUnsupported", What: "the session is not started", Why: "Livy has no language " + strconv.Quote(s.Language),
			Fix: "give pyspark, spark, sparkr or sql; run: zaffre spark session start --help", Field: "language",
		}
	case driver.Text(s.Options[jobClass]) != "":
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "TaskUnsupported", What: "the session is not started", Why: "a main class is of runs: a session has statements",
			Fix: "leave out --option className", Field: "options." + jobClass,
		}
	}
	given := maps.Clone(s.Options)
	delete(given, pysession.OptIdle)
	if err := refuse(given, submitOnly(), "is not Livy's"); err != nil {
		return nil, err
	}
	b := map[string]any{"name": c.prefix() + s.Name, "kind": s.Language}
	engineOptions(b, given)
	if idle, ok := s.Options[pysession.OptIdle].(time.Duration); ok {
		b["heartbeatTimeoutInSecond"] = max(1, int64(idle.Seconds()))
	}
	return b, nil
}

// dropSession ends a session and has it forgotten; one that is not there is. key is its name there, or its number.
func (c *conn) dropSession(ctx context.Context, key string) error {
	err := c.ask(ctx, restx.Call{Method: http.MethodDelete, Path: "/sessions/" + key}, nil)
	if missing(err) {
		return nil
	}
	return err
}

// StopSession implements driver.Sessions.
func (c *conn) StopSession(ctx context.Context, name string) error {
	return c.dropSession(ctx, c.prefix()+name)
}

// SessionStatus implements driver.Sessions.
func (c *conn) SessionStatus(ctx context.Context, name string) (driver.SessionStatus, error) {
	l, err := c.seen(ctx, name)
	if err != nil {
		return driver.SessionStatus{}, err
	}
	st, err := c.statusOf(ctx, l)
	if notRunning(err) || missing(err) { // it ended between two questions
		if l, err = c.seen(ctx, name); err == nil {
			st, err = c.statusOf(ctx, l)
		}
	}
	return st, err
}

// statusOf adds what Livy says only when it is asked for it: how many statements there were, or why it died. While a
// session starts it would let us wait for the number.
func (c *conn) statusOf(ctx context.Context, l session) (st driver.SessionStatus, err error) {
	st = driver.SessionStatus{Name: strings.TrimPrefix(l.Name, c.prefix()), Language: l.Kind, State: l.state()}
	switch st.State {
	case driver.SessionIdle, driver.SessionBusy:
		st.Statements, err = c.begun(ctx, st.Name)
	case driver.SessionDead:
		lines, logErr := c.said(ctx, "/sessions/"+strconv.FormatInt(l.ID, 10))
		if !missing(logErr) {
			err = logErr
		}
		st.Reason, st.Message = "SessionDied", fmt.Sprintf("Livy says %s: %s", l.State, telling(lines))
		if l.AppID != "" {
			st.Message += ", application " + l.AppID
		}
	}
	return st, err
}

// ListSessions implements driver.Sessions.
func (c *conn) ListSessions(ctx context.Context) ([]driver.SessionStatus, error) {
	found, err := c.sessions(ctx)
	if err != nil {
		return nil, err
	}
	out := []driver.SessionStatus{}
	for _, l := range found {
		st, err := c.statusOf(ctx, l)
		if missing(err) || notRunning(err) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b driver.SessionStatus) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// sessions returns ours.
func (c *conn) sessions(ctx context.Context) (ours []session, err error) {
	for from := int64(0); ; from += pageSize {
		var page struct {
			Total    int64     `json:"total"`
			Sessions []session `json:"sessions"`
		}
		q := url.Values{"from": {strconv.FormatInt(from, 10)}, "size": {strconv.Itoa(pageSize)}}
		if err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: "/sessions", Query: q}, &page); err != nil {
			return nil, err
		}
		for _, l := range page.Sessions {
			if strings.HasPrefix(l.Name, c.prefix()) {
				ours = append(ours, l)
			}
		}
		if len(page.Sessions) == 0 || from+pageSize >= page.Total {
			return ours, nil
		}
	}
}

// cleanSessions ends ours, or only says which there are.
func (c *conn) cleanSessions(ctx context.Context, dryRun bool) (items []driver.Item, err error) {
	if c.rest == nil {
		return nil, nil // nothing was ever asked of it
	}
	found, err := c.sessions(ctx)
	for _, l := range found {
		if !dryRun && err == nil {
			err = c.dropSession(ctx, l.Name)
		}
		items = append(items, driver.Item{Type: "livy-session", Name: strings.TrimPrefix(l.Name, c.prefix()), Removed: !dryRun && err == nil})
	}
	return items, err
}

func sessionUnknown(name string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "SessionUnknown", What: "there is no session " + name, Why: "it was not started, was stopped, or the endpoint has ended it because nobody used it",
		Fix: "start it; run: zaffre spark session start --compute NAME --name " + name,
	}
}

// refusedWith reports whether Livy refused with these words.
func refusedWith(err error, words string) bool {
	f := fault.From(err)
	return f != nil && len(f.Evidence) == 1 && strings.Contains(f.Evidence[0], words)
}

// notRunning reports whether Livy refused because the session is over, or not yet there.
func notRunning(err error) bool {
	return refusedWith(err, "Session is in state") || refusedWith(err, "Session isn't active")
}
