package drivertest

import (
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func testStatementTwice(s *sessionEnv) {
	c := s.open()
	s.does(c, s.code("set", "zaffre_x", "1"))
	n, code := *s.next, s.code("add", "zaffre_x", "1")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if st, err := c.BeginStatement(s.ctx, s.name, n, code); err != nil || st.Number != n {
				s.Errorf("BeginStatement = %+v, %v", st, err)
			}
		})
	}
	wg.Wait()
	if got := s.begin(s.open(), code); s.end(c, got).State != driver.StatementDone {
		s.Errorf("the statement that was begun five times is %+v", s.end(c, got))
	}
	if got := s.does(c, s.code("value", "zaffre_x")); !strings.Contains(got, "2") {
		s.Errorf("a statement that was begun five times left %q, want 2", got)
	}
	if st := s.status(c); st.Statements != *s.next {
		s.Errorf("the session has %d statements, want %d", st.Statements, *s.next)
	}
}

func testOutOfOrder(s *sessionEnv) {
	c := s.open()
	for _, n := range []int{*s.next + 1, 0, -1} {
		_, err := c.BeginStatement(s.ctx, s.name, n, s.code("print", "out of order"))
		s.wantReason(err, fault.Conflict, "StatementOutOfOrder")
	}
	if st := s.status(c); st.Statements != *s.next {
		s.Errorf("after what was refused the session has %d statements, want %d", st.Statements, *s.next)
	}
}

func testUnknownStatement(s *sessionEnv) {
	c := s.open()
	_, err := c.ReadStatement(s.ctx, s.name, *s.next)
	s.wantReason(err, fault.NotFound, "StatementUnknown")
	s.wantReason(c.CancelStatement(s.ctx, s.name, *s.next), fault.NotFound, "StatementUnknown")
}

func testStatementOutput(s *sessionEnv) {
	c := s.open()
	if got := s.does(c, s.code("print", "grüße, 世界")); got != "grüße, 世界" {
		s.Errorf("it printed %q", got)
	}
	both := s.code("print", "before") + "\n" + s.code("value", "zaffre_x")
	got := s.does(c, both)
	if i, j := strings.Index(got, "before"), strings.LastIndex(got, "2"); i < 0 || j < i {
		s.Errorf("what prints, and then has a value, gives %q", got)
	}
}

func testStatementError(s *sessionEnv) {
	c := s.open()
	st := s.end(c, s.begin(c, s.code("raise", "no such luck")))
	if st.State != driver.StatementFailed || !strings.Contains(st.Error, "no such luck") || len(st.Trace) == 0 {
		s.Errorf("a statement that failed is %+v, want its error and trace", st)
	}
	if got := s.does(c, s.code("value", "zaffre_x")); !strings.Contains(got, "2") {
		s.Errorf("after an error the variable is %q", got)
	}
}

func testStatementCancel(s *sessionEnv) {
	c := s.open()
	n := s.begin(c, s.code("hang"))
	s.until("the statement to run", func() bool {
		st, err := c.ReadStatement(s.ctx, s.name, n)
		return err == nil && st.State == driver.StatementRunning
	})
	s.untilState(c, driver.SessionBusy)
	begin := time.Now()
	for range 2 {
		if err := c.CancelStatement(s.ctx, s.name, n); err != nil {
			s.Fatalf("CancelStatement: %v", err)
		}
	}
	if st := s.end(c, n); st.State != driver.StatementCanceled {
		s.Errorf("a statement that was cancelled is %+v", st)
	}
	if took := time.Since(begin); took > patience {
		s.Errorf("it took %s to end", took)
	}
	if err := c.CancelStatement(s.ctx, s.name, 0); err != nil || s.end(c, 0).State != driver.StatementDone {
		s.Errorf("a statement that was done before it was cancelled is %+v, %v", s.end(c, 0), err)
	}
	if got := s.does(c, s.code("value", "zaffre_x")); !strings.Contains(got, "2") {
		s.Errorf("after a cancel the variable is %q", got)
	}
}
