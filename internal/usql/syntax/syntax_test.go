package syntax_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// shape writes an expression with all its brackets.
func shape(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Literal:
		return e.Text
	case *syntax.Var:
		return "@" + e.Name
	case *syntax.Name:
		return e.Name
	case *syntax.Member:
		return shape(e.X) + "." + e.Name
	case *syntax.Call:
		var args []string
		for _, a := range e.Args {
			args = append(args, shape(a))
		}
		return shape(e.F) + "(" + strings.Join(args, ",") + ")"
	case *syntax.Unary:
		return "(" + e.Op + shape(e.X) + ")"
	case *syntax.Binary:
		return "(" + shape(e.X) + " " + e.Op + " " + shape(e.Y) + ")"
	case *syntax.Cond:
		return "(" + shape(e.Test) + "?" + shape(e.Then) + ":" + shape(e.Else) + ")"
	case *syntax.Cast:
		return "((" + e.Type.Name + ")" + shape(e.X) + ")"
	case *syntax.Between:
		return fmt.Sprintf("(%s between(%v) %s,%s)", shape(e.X), e.Not, shape(e.Low), shape(e.High))
	case *syntax.In:
		return fmt.Sprintf("(%s in(%v) %d)", shape(e.X), e.Not, len(e.List))
	case *syntax.IsNull:
		return fmt.Sprintf("(%s null(%v))", shape(e.X), e.Not)
	}
	return fmt.Sprintf("%T", e)
}

// TestPrecedence: what binds more than what.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"},
		{"a == b && c < d || e", "(((a == b) && (c < d)) || e)"},
		{"a AND b OR c AND NOT d", "((a AND b) OR (c AND (!d)))"},
		{"NOT a == b", "(!(a == b))"},
		{"!a == b", "((!a) == b)"},
		{"a ?? b ?? c", "(a ?? (b ?? c))"},
		{"a ? b : c ? d : e", "(a?b:(c?d:e))"},
		{"a ?? b ? c : d", "((a ?? b)?c:d)"},
		{"-a.B(1).C * 2", "((-a.B(1).C) * 2)"},
		{"(int) a + b", "(((int)a) + b)"},
		{"(int?) -a", "((int)(-a))"},
		{"(a) + b", "(a + b)"},
		{"a BETWEEN 1 AND 2 + 3 AND b", "((a between(false) 1,(2 + 3)) AND b)"},
		{"a + 1 NOT IN (1, 2) == true", "(((a + 1) in(true) 2) == true)"},
		{"a IS NOT NULL AND b IS NULL", "((a null(true)) AND (b null(false)))"},
		{"int.Parse(@v)", "int.Parse(@v)"},
		{`"a\t\u0041" + @"b\""c"`, "(a\tA + b\\\"c)"},
		{"[a b].Length % 2", "(a b.Length % 2)"},
	} {
		s, faults := syntax.Parse("DECLARE @x = " + tc.in + ";")
		if len(faults) > 0 || len(s.Statements) != 1 {
			t.Errorf("%s: %v", tc.in, faults)
			continue
		}
		if diff := cmp.Diff(tc.want, shape(s.Statements[0].(*syntax.Declare).Value)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.in, diff)
		}
	}
}

// TestPlaces: a place counts lines and characters, also behind comments, texts over lines and tabs.
func TestPlaces(t *testing.T) {
	t.Parallel()
	const script = "\ufeff// é\r\n/* two\nlines */\tDECLARE @a = @\"x\ny\" + 日本;"
	s, faults := syntax.Parse(script)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	d := s.Statements[0].(*syntax.Declare)
	b := d.Value.(*syntax.Binary)
	got := []string{d.At.String(), b.X.Place().String(), b.At.String(), b.Y.Place().String()}
	want := []string{"line 3, column 18", "line 3, column 23", "line 4, column 4", "line 4, column 6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
