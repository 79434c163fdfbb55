package drivertest

import (
	"slices"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func testUnknownSession(s *sessionEnv) {
	c := s.open()
	_, err := c.SessionStatus(s.ctx, s.name)
	s.wantReason(err, fault.NotFound, "SessionUnknown")
	_, err = c.BeginStatement(s.ctx, s.name, 0, s.code("print", "x"))
	s.wantReason(err, fault.NotFound, "SessionUnknown")
	_, err = c.ReadStatement(s.ctx, s.name, 0)
	s.wantReason(err, fault.NotFound, "SessionUnknown")
	s.wantReason(c.CancelStatement(s.ctx, s.name, 0), fault.NotFound, "SessionUnknown")
	if err := c.StopSession(s.ctx, s.name); err != nil {
		s.Errorf("StopSession of what is not there: %v", err)
	}
}

func testUnknownLanguage(s *sessionEnv) {
	q := s.session()
	q.Language = "cobol"
	_, err := s.open().StartSession(s.ctx, q)
	s.wantReason(err, fault.Unsupported, "LanguageUnsupported")
}

// testSessionTwice: by four at once, by one after the other, and on connections of their own.
func testSessionTwice(s *sessionEnv) {
	var wg sync.WaitGroup
	for range 4 {
		c := s.open()
		wg.Go(func() {
			if st, err := c.StartSession(s.ctx, s.session()); err != nil || st.Name != s.name || st.Language != s.Language {
				s.Errorf("StartSession = %+v, %v", st, err)
			}
		})
	}
	wg.Wait()
	c := s.open()
	if st := s.idle(c); st.Statements != 0 || st.Language != s.Language {
		s.Errorf("a new session is %+v", st)
	}
	list, err := c.ListSessions(s.ctx)
	if n := len(slices.DeleteFunc(list, func(st driver.SessionStatus) bool { return st.Name != s.name })); err != nil || n != 1 {
		s.Errorf("started five times, there are %d, %v", n, err)
	}
}

// testSessionLivesOn: with the connection ends nothing of the session.
func testSessionLivesOn(s *sessionEnv) {
	first := s.open()
	n := s.begin(first, s.code("value", "zaffre_x"))
	_ = first.Close()
	c := s.open()
	if st := s.end(c, n); st.State != driver.StatementDone || !strings.Contains(st.Output["text/plain"], "2") {
		s.Errorf("a statement whose connection went is %+v", st)
	}
	if st := s.untilState(c, driver.SessionIdle); st.Statements != *s.next {
		s.Errorf("the session has %d statements, want %d", st.Statements, *s.next)
	}
}

func testSessionList(s *sessionEnv) {
	list, err := s.open().ListSessions(s.ctx)
	i := slices.IndexFunc(list, func(st driver.SessionStatus) bool { return st.Name == s.name })
	byName := slices.IsSortedFunc(list, func(a, b driver.SessionStatus) int { return strings.Compare(a.Name, b.Name) })
	if err != nil || i < 0 || list[i].State != driver.SessionIdle || list[i].Language != s.Language || !byName {
		s.Errorf("the sessions are %+v, %v, want %s idle among them, by name", list, err, s.name)
	}
}

func testSessionDead(s *sessionEnv) {
	if s.Kill == nil {
		s.Skip("the harness cannot end an interpreter")
	}
	c := s.open()
	s.Kill(s.T, s.name)
	st := s.untilState(c, driver.SessionDead)
	if st.Reason == "" || st.Message == "" {
		s.Fatalf("a session that died is %+v, want Reason and Message", st)
	}
	_, err := c.BeginStatement(s.ctx, s.name, *s.next, s.code("print", "x"))
	s.wantReason(err, fault.Precondition, st.Reason)
	_, err = c.ReadStatement(s.ctx, s.name, 0)
	s.wantReason(err, fault.Precondition, st.Reason)
	s.wantReason(c.CancelStatement(s.ctx, s.name, 0), fault.Precondition, st.Reason)
	if st := s.idle(c); st.Statements != 0 {
		s.Errorf("the session that took the place of a dead one is %+v", st)
	}
	*s.next = 0
	if st := s.end(c, s.begin(c, s.code("value", "zaffre_x"))); st.State != driver.StatementFailed {
		s.Errorf("a variable of the dead session is %+v, want an error", st)
	}
}

func testSessionStop(s *sessionEnv) {
	c := s.open()
	for range 2 {
		if err := c.StopSession(s.ctx, s.name); err != nil {
			s.Fatalf("StopSession: %v", err)
		}
		_, err := c.SessionStatus(s.ctx, s.name)
		s.wantReason(err, fault.NotFound, "SessionUnknown")
	}
	list, err := c.ListSessions(s.ctx)
	if err != nil || slices.ContainsFunc(list, func(st driver.SessionStatus) bool { return st.Name == s.name }) {
		s.Errorf("after a stop the sessions are %+v, %v", list, err)
	}
}

// testSessionClean: sessions are what we left on a target, too.
func testSessionClean(s *sessionEnv) {
	if !driver.Can[driver.Cleaner](s.Kind) {
		s.Skip("the kind lacks the capability")
	}
	c := s.open()
	s.idle(c)
	cleaner := c.(driver.Cleaner)
	items, err := cleaner.Clean(s.ctx, true)
	if err != nil || !slices.ContainsFunc(items, func(i driver.Item) bool { return strings.Contains(i.Name, s.name) && !i.Removed }) {
		s.Fatalf("Clean, dry = %+v, %v, want the session", items, err)
	}
	if st := s.status(c); st.State != driver.SessionIdle {
		s.Errorf("after a dry run the session is %+v", st)
	}
	items, err = cleaner.Clean(s.ctx, false)
	if err != nil || !slices.ContainsFunc(items, func(i driver.Item) bool { return strings.Contains(i.Name, s.name) && i.Removed }) {
		s.Fatalf("Clean = %+v, %v, want the session", items, err)
	}
	_, err = c.SessionStatus(s.ctx, s.name)
	s.wantReason(err, fault.NotFound, "SessionUnknown")
}
