package compute

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// An engine knows sessions by names that the driver makes from the target's ID and the session's own name. So a server
// that dies loses none, and one that is started again finds them.

// sessionWithin bounds each question about a session: what takes longer is watched by later ones.
const sessionWithin = 90 * time.Second

// StartSession starts an interactive session on a target, or finds the one of that name. Options are those of the
// kind's runs. It takes a Contributor, like all that is said to sessions: who submits runs can do there what a
// session can. Faults: CapabilityMissing where targets of the kind have none, those of CheckJobOptions, the driver's.
func (s *Service) StartSession(ctx context.Context, k store.Key, q driver.Session) (st driver.SessionStatus, err error) {
	what := fmt.Sprintf("cannot start session %q on compute target %q", q.Name, k.Name)
	err = s.withSession(ctx, k, q.Name, func(ctx context.Context, t Target, c driver.Sessions) error {
		if q.Options, err = s.sessionOptions(t, q.Options); err != nil {
			return err
		}
		if err := s.noteSession(ctx, c, t, q); err != nil {
			return err
		}
		st, err = c.StartSession(ctx, q)
		return err
	})
	return st, fault.Doing(what, err)
}

// sessionOptions checks what is said to the engine, and adds the kind's defaults.
func (s *Service) sessionOptions(t Target, options map[string]any) (map[string]any, error) {
	kind, err := s.Kind(t.Kind)
	if err != nil {
		return nil, err
	}
	if options, err = CheckJobOptions(kind, options); err != nil {
		return nil, err
	}
	return JobOptions(kind, options)
}

// noteSession writes into the event log that a session is started, before it is, unless it is there.
func (s *Service) noteSession(ctx context.Context, c driver.Sessions, t Target, q driver.Session) error {
	st, err := c.SessionStatus(ctx, q.Name)
	if err == nil && st.State != driver.SessionDead {
		return nil
	}
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	return s.emitSession(ctx, t, "compute.session.started", map[string]string{"session": q.Name, "language": q.Language})
}

func (s *Service) emitSession(ctx context.Context, t Target, typ string, data map[string]string) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(t *Target) ([]store.Effect, error) {
		return []store.Effect{store.Emit{Workspace: t.Workspace, Subject: "compute/" + t.Name, Type: typ, Actor: identity.From(ctx).Name, Data: data}}, nil
	})
	return err
}

// ListSessions returns the sessions of a target that were started here, by name.
func (s *Service) ListSessions(ctx context.Context, k store.Key) (list []driver.SessionStatus, err error) {
	err = s.withSessions(ctx, k, func(ctx context.Context, _ Target, c driver.Sessions) error {
		list, err = c.ListSessions(ctx)
		return err
	})
	return list, fault.Doing(fmt.Sprintf("cannot list the sessions of compute target %q", k.Name), err)
}

// Session reads the state of a session; fault.NotFound, Reason "SessionUnknown".
func (s *Service) Session(ctx context.Context, k store.Key, name string) (st driver.SessionStatus, err error) {
	err = s.withSession(ctx, k, name, func(ctx context.Context, _ Target, c driver.Sessions) error {
		st, err = c.SessionStatus(ctx, name)
		return err
	})
	return st, fault.Doing(fmt.Sprintf("cannot read session %q of compute target %q", name, k.Name), err)
}

// StopSession ends a session and forgets it. One that is not there is no error.
func (s *Service) StopSession(ctx context.Context, k store.Key, name string) error {
	err := s.withSession(ctx, k, name, func(ctx context.Context, t Target, c driver.Sessions) error {
		_, err := c.SessionStatus(ctx, name)
		if err == nil {
			err = s.emitSession(ctx, t, "compute.session.stopped", map[string]string{"session": name})
		}
		if err == nil {
			err = c.StopSession(ctx, name)
		}
		if fault.ReasonOf(err) == "SessionUnknown" {
			return nil
		}
		return err
	})
	return fault.Doing(fmt.Sprintf("cannot stop session %q of compute target %q", name, k.Name), err)
}

// BeginStatement begins a statement of a session, or finds it: see driver.Sessions.
func (s *Service) BeginStatement(ctx context.Context, k store.Key, session string, number int, code string) (driver.Statement, error) {
	return s.statement(ctx, k, session, "begin", func(ctx context.Context, c driver.Sessions) (driver.Statement, error) {
		return c.BeginStatement(ctx, session, number, code)
	})
}

// Statement reads the state of a statement; fault.NotFound, Reason "StatementUnknown".
func (s *Service) Statement(ctx context.Context, k store.Key, session string, number int) (driver.Statement, error) {
	return s.statement(ctx, k, session, "read", func(ctx context.Context, c driver.Sessions) (driver.Statement, error) {
		return c.ReadStatement(ctx, session, number)
	})
}

// CancelStatement asks a statement to stop, and returns it as it is then: it may go on for a while.
func (s *Service) CancelStatement(ctx context.Context, k store.Key, session string, number int) (driver.Statement, error) {
	return s.statement(ctx, k, session, "cancel", func(ctx context.Context, c driver.Sessions) (driver.Statement, error) {
		if err := c.CancelStatement(ctx, session, number); err != nil {
			return driver.Statement{}, err
		}
		return c.ReadStatement(ctx, session, number)
	})
}

func (s *Service) statement(ctx context.Context, k store.Key, session, verb string, f func(context.Context, driver.Sessions) (driver.Statement, error)) (st driver.Statement, err error) {
	err = s.withSession(ctx, k, session, func(ctx context.Context, _ Target, c driver.Sessions) error {
		st, err = f(ctx, c)
		return err
	})
	return st, fault.Doing(fmt.Sprintf("cannot %s a statement of session %q on compute target %q", verb, session, k.Name), err)
}

// sessionFunc is what is done with a target that has sessions.
type sessionFunc func(context.Context, Target, driver.Sessions) error

// withSession calls f with a target that has sessions, and looks at the name first: drivers make paths of it.
func (s *Service) withSession(ctx context.Context, k store.Key, name string, f sessionFunc) error {
	if err := checkSessionName(name); err != nil {
		return err
	}
	return s.withSessions(ctx, k, f)
}

func checkSessionName(name string) error {
	if err := id.CheckSlug("session", name); err != nil || strings.ToLower(name) == name {
		return err
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "NameInvalid", What: fmt.Sprintf("the session name %q cannot be used", name),
		Why: "it may hold only small letters, digits and hyphens", Fix: `choose a name such as "pyspark-2"`, Field: "session",
	}
}

func (s *Service) withSessions(ctx context.Context, k store.Key, f sessionFunc) error {
	t, err := s.Get(ctx, k)
	if err != nil {
		return err
	}
	kind, err := s.Kind(t.Kind)
	if err != nil {
		return err
	}
	if _, err := driver.As[driver.Sessions](kind.Prototype); err != nil {
		return err
	}
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return err
	}
	if t.Spec.Refused {
		return t.Status.Error
	}
	ctx, cancel := context.WithTimeout(ctx, sessionWithin)
	defer cancel()
	return s.Use(ctx, t, func(conn driver.Conn) error {
		c, err := driver.As[driver.Sessions](conn)
		if err != nil {
			return err
		}
		return f(ctx, t, c)
	})
}
