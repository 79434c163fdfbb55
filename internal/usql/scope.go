package usql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// column is a column of a rowset.
type column struct {
	name    string
	t       dotnet.Type
	sure    bool // it is never null
	virtual bool // the files' names have it
}

// source is a rowset in FROM.
type source struct {
	alias  string // "x", or "@rows" where it has none
	sql    string // its name in SQL
	cols   []column
	rows   *rowset // nil: a query
	padded bool    // an outer join may fill it with nulls
}

// scope is what the names of an expression may mean.
type scope struct {
	*compiler
	sources []source
	groups  []string // of GROUP BY, as SQL
	grouped bool
	aggs    bool   // aggregates may stand here
	within  bool   // an aggregate
	windows bool   // OVER may stand here
	over    string // of the aggregate that is compiled
	named   map[string]value
}

// column finds a column by its name; of is "" or an alias.
func (s *scope) column(at syntax.Pos, of, col string) (value, bool) {
	var found []value
	for i, src := range s.sources {
		if of != "" && of != src.alias {
			continue
		}
		for _, c := range src.cols {
			if c.name == col {
				v := value{t: c.t.OrNull(src.padded), sql: src.sql + "." + name(col), sure: c.sure && !src.padded, refs: []ref{{i, col}}}
				found = append(found, v)
			}
		}
	}
	if len(found) > 1 {
		s.note(invalid("ColumnAmbiguous", at, fmt.Sprintf("the column %q is in several rowsets", col), "FROM has more than one rowset with it", "write the rowset's alias before it: a."+col))
		return bad(), true
	}
	if len(found) == 0 {
		return bad(), false
	}
	v := found[0]
	if !s.within {
		v.loose = &syntax.Name{At: at, Name: col}
	}
	return v, true
}

func (s *scope) hasAlias(of string) bool {
	return slices.ContainsFunc(s.sources, func(src source) bool { return src.alias == of })
}

// missing notes that a name means nothing.
func (s *scope) missing(at syntax.Pos, col string) value {
	var have []string
	for _, src := range s.sources {
		for _, c := range src.cols {
			have = append(have, c.name)
		}
	}
	why := "the rowsets in FROM have " + strings.Join(have, ", ")
	if len(s.sources) == 0 {
		why = "there are no columns here"
	}
	fix := "take one of those, or declare a variable"
	for _, h := range have {
		if strings.EqualFold(h, col) {
			fix = "write " + h + ": names are the same only in the same case"
		}
	}
	s.note(invalid("NameUnknown", at, fmt.Sprintf("there is no column %q", col), why, fix))
	return bad()
}

// settle checks what a clause of a grouped query may read.
func (s *scope) settle(v value) value {
	if s.grouped && v.loose != nil {
		s.note(invalid("NotGrouped", v.loose.At, fmt.Sprintf("the column %q is neither grouped nor in an aggregate", v.loose.Name),
			"a group has many values of it", "add it to GROUP BY, or take one value with ANY_VALUE, MIN or MAX"))
		return bad()
	}
	return v
}

// maxSQL is how long an expression may become: some of C#'s are written with a part of theirs twice.
const maxSQL = 1 << 20

// expr compiles an expression.
func (s *scope) expr(e syntax.Expr) value {
	v := s.bare(e)
	if len(v.sql) > maxSQL {
		s.note(invalid("USQLTooDeep", e.Place(), "this expression is too large", "as SQL it has more than 1 MiB", "compute a part of it in a query before this one"))
		return bad()
	}
	for _, g := range s.groups {
		if placeless(g) == placeless(v.sql) {
			v.loose, v.sql = nil, g
		}
	}
	return v
}

var placed = regexp.MustCompile(`usql:\d+:\d+:`)

// placeless is an expression wherever it stands: GROUP BY and SELECT mean the same by the same words.
func placeless(sql string) string { return placed.ReplaceAllString(sql, "") }

func (s *scope) bare(e syntax.Expr) value {
	switch e := e.(type) {
	case *syntax.Literal:
		return s.literal(e)
	case *syntax.Var:
		return s.variable(e)
	case *syntax.Name:
		return s.name(e)
	case *syntax.Member:
		return s.member(e)
	case *syntax.Call:
		return s.call(e)
	case *syntax.New:
		return s.construct(e)
	case *syntax.Cast:
		return s.castTo(e)
	case *syntax.Unary:
		return s.unary(e)
	case *syntax.Binary:
		return s.binary(e)
	case *syntax.Cond:
		return s.branches(e.At, []syntax.When{{Test: e.Test, Then: e.Then}}, e.Else)
	}
	return s.predicate(e)
}

func (s *scope) literal(l *syntax.Literal) value {
	switch l.Kind {
	case syntax.BoolLiteral:
		return constant(dotnet.Bool, l.Text == "true")
	case syntax.StringLiteral:
		return constant(dotnet.String, l.Text)
	case syntax.CharLiteral:
		return constant(dotnet.Char, l.Text)
	case syntax.NumberLiteral:
		return s.number(l)
	}
	return value{t: dotnet.Type{Kind: dotnet.Null, Nullable: true}, sql: "NULL", known: true}
}

func (s *scope) variable(e *syntax.Var) value {
	if v, ok := s.vars[e.Name]; ok {
		return v
	}
	if _, ok := s.rowsets[e.Name]; ok {
		s.note(invalid("NameUnknown", e.At, "@"+e.Name+" is a rowset, not a value", "an expression works on values", "name a column of it, with @"+e.Name+" in FROM"))
		return bad()
	}
	s.note(invalid("NameUnknown", e.At, "there is no variable @"+e.Name, "no DECLARE before it names it, and no parameter", "declare it: DECLARE EXTERNAL @"+e.Name+" string = \"…\";"))
	return bad()
}

func (s *scope) name(e *syntax.Name) value {
	if v, ok := s.column(e.At, "", e.Name); ok {
		return v
	}
	if v, ok := s.named[e.Name]; ok {
		return v
	}
	return s.missing(e.At, e.Name)
}

func (s *scope) castTo(e *syntax.Cast) value {
	t, ok := s.typeOf(e.Type)
	v := s.expr(e.X)
	if !ok {
		return bad()
	}
	return s.explicit(v, t, e.At)
}

// typeOf returns the type that is written.
func (c *compiler) typeOf(t syntax.TypeName) (dotnet.Type, bool) {
	k, ok := dotnet.Named(t.Name)
	if !ok {
		c.note(refused(t.At, "the type "+t.Name, "use bool, the numbers of C#, char, string, DateTime or Guid"))
		return dotnet.Type{}, false
	}
	return dotnet.Type{Kind: k, Nullable: t.Nullable || k == dotnet.String}, true
}
