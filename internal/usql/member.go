package usql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// member is a property or a method of C#, as SQL: $0 is what it is called on, $1 and so on its arguments, and
// !words! ends the run.
type member struct {
	args []dotnet.Kind
	ret  dotnet.Kind
	sql  string
	null bool // a string among the arguments may be null
	// parses is of members that take no char for a string.
	parses bool
	fold   func(args []any) any
}

// member compiles X.Name without a bracket.
func (s *scope) member(e *syntax.Member) value {
	switch x := e.X.(type) {
	case *syntax.Name:
		if s.hasAlias(x.Name) {
			if v, ok := s.column(e.At, x.Name, e.Name); ok {
				return v
			}
			return s.missing(e.At, x.Name+"."+e.Name)
		}
		if class, ok := s.class(x); ok {
			return s.static(e, class, nil, false)
		}
	case *syntax.Var:
		if s.hasAlias("@" + x.Name) {
			if v, ok := s.column(e.At, "@"+x.Name, e.Name); ok {
				return v
			}
			return s.missing(e.At, e.Name)
		}
	}
	return s.instance(e, nil, false)
}

// class returns the type that a name means; a column of that name comes first.
func (s *scope) class(x *syntax.Name) (string, bool) {
	for _, src := range s.sources {
		for _, c := range src.cols {
			if c.name == x.Name {
				return "", false
			}
		}
	}
	if k, ok := dotnet.Named(x.Name); ok {
		return k.String(), true
	}
	return x.Name, !x.Quoted && slices.Contains([]string{
		"Math", "Convert", "Regex", "TimeSpan", "DateTimeOffset", "Enumerable", "Encoding", "StringComparison", "CultureInfo", "Environment", "System",
	}, x.Name)
}

// call compiles F(args).
func (s *scope) call(e *syntax.Call) value {
	for i, n := range e.Names {
		if n != "" {
			s.note(refused(e.Args[i].Place(), "an argument with a name", "write the arguments in their order, without names"))
			return bad()
		}
	}
	switch f := e.F.(type) {
	case *syntax.Name:
		if e.Over != nil {
			return s.window(e, f.Name)
		}
		if syntax.IsAggregate(f.Name) {
			return s.aggregate(e, f.Name)
		}
		s.note(refused(e.At, "the function "+f.Name, "use members of C#'s types, as in s.Trim() or Math.Abs(x)"))
		return bad()
	case *syntax.Member:
		if x, ok := f.X.(*syntax.Name); ok && !s.hasAlias(x.Name) {
			if class, ok := s.class(x); ok {
				return s.static(f, class, e.Args, true)
			}
		}
		return s.instance(f, e.Args, true)
	}
	s.note(refused(e.At, "a call of this", "use members of C#'s types, as in s.Trim() or Math.Abs(x)"))
	return bad()
}

func (s *scope) args(es []syntax.Expr) (vs []value, ok bool) {
	for _, e := range es {
		vs = append(vs, s.expr(e))
	}
	return vs, !isBad(vs...)
}

// static compiles Class.Name.
func (s *scope) static(e *syntax.Member, class string, es []syntax.Expr, called bool) value {
	vs, ok := s.args(es)
	if !ok {
		return bad()
	}
	full := class + "." + e.Name
	switch {
	case full == "string.Format" && called:
		return s.format(e.At, vs)
	case full == "string.Join" && called:
		return s.join(e.At, vs)
	case full == "string.Concat" && called:
		return s.concatAll(e.At, vs)
	case full == "Convert.ToString" && called && len(vs) == 1:
		return s.text(vs[0], e.At)
	case class == "Math" && called:
		if v, ok := s.math(e, vs); ok {
			return v
		}
	}
	if v, ok := s.now(full); ok && !called {
		return v
	}
	return s.choose(e.At, full, statics()[full], value{}, vs, called)
}

// instance compiles x.Name.
func (s *scope) instance(e *syntax.Member, es []syntax.Expr, called bool) value {
	x := s.expr(e.X)
	vs, ok := s.args(es)
	if !ok || isBad(x) {
		return bad()
	}
	if x.t.Nullable && x.t.Kind != dotnet.String && x.t.Kind != dotnet.Null {
		return s.ofNullable(e, x, vs)
	}
	full := x.t.Kind.String() + "." + e.Name
	if e.Name == "ToString" && called {
		return s.toString(e.At, x, vs)
	}
	x = must(x, e.At, "."+e.Name+" of a value that is null")
	return s.choose(e.At, full, instances()[full], x, vs, called)
}

// ofNullable compiles what int? and the like have themselves.
func (s *scope) ofNullable(e *syntax.Member, x value, vs []value) value {
	t := dotnet.Type{Kind: x.t.Kind}
	switch {
	case e.Name == "HasValue":
		return from(plain(dotnet.Bool), "("+x.sql+" IS NOT NULL)", x)
	case e.Name == "Value":
		x = must(x, e.At, ".Value of a value that is null")
		x.t = t
		return x
	case e.Name == "GetValueOrDefault" && len(vs) == 1:
		return s.orElse(e.At, x, s.to(vs[0], t, e.At))
	case e.Name == "ToString" && len(vs) == 0:
		v := s.text(x, e.At)
		if isBad(v) {
			return v
		}
		out := from(v.t, "coalesce("+v.sql+", '')", v)
		out.sure = true
		return out
	}
	s.note(invalid("NameUnknown", e.At, x.t.String()+" has no member "+e.Name, "a type with ? has HasValue, Value, GetValueOrDefault(x) and ToString()", "write .Value before it, or a value for null with ??"))
	return bad()
}

// choose picks the overload that the arguments fit.
func (s *scope) choose(at syntax.Pos, full string, all []member, x value, vs []value, called bool) value {
	if len(all) == 0 || (all[0].args == nil) == called {
		s.note(refused(at, full, "docs/howto/u-sql.md lists the members of C# that are known here"))
		return bad()
	}
	for _, m := range all {
		if m.takes(vs) {
			return s.apply(at, full, m, x, vs)
		}
	}
	return s.wrongArguments(at, full)
}

func (m member) takes(vs []value) bool {
	if len(m.args) != len(vs) {
		return false
	}
	for i, k := range m.args {
		v := vs[i]
		text := k == dotnet.String && (v.t.Kind == dotnet.String || v.t.Kind == dotnet.Char && !m.parses || v.t.Kind == dotnet.Null)
		if !text && (!dotnet.Widens(v.t.Kind, k) || v.t.Kind == dotnet.Char && k != dotnet.Char) {
			return false
		}
	}
	return true
}

func (s *scope) apply(at syntax.Pos, full string, m member, x value, vs []value) value {
	list := []string{"$0", x.sql}
	deps := []value{x}
	fold, lits := m.fold != nil && (x.sql == "" || x.known), []any{}
	if x.sql != "" {
		lits = append(lits, x.lit)
	}
	for i, v := range vs {
		switch k := m.args[i]; {
		case k != dotnet.String:
			v = s.to(v, plain(k), at)
		case !m.null:
			v = must(v, at, fmt.Sprintf("argument %d of %s is null", i+1, full))
		default:
			v.sql = coalesced(v)
		}
		if isBad(v) {
			return bad()
		}
		fold = fold && v.known
		lits = append(lits, v.lit)
		deps = append(deps, v)
		list = append(list, fmt.Sprintf("$%d", i+1), v.sql)
	}
	pieces := strings.Split(m.sql, "!")
	for i := 1; i < len(pieces); i += 2 {
		pieces[i] = raise(at, pieces[i])
	}
	out := from(plain(m.ret), strings.NewReplacer(list...).Replace(strings.Join(pieces, "")), deps...)
	out.sure = true
	out.throws = out.throws || len(pieces) > 1
	if fold {
		return out.fold(m.fold(lits))
	}
	return out
}

func coalesced(v value) string {
	if v.mayBeNull() || v.t.Kind == dotnet.Null {
		return "coalesce(" + v.sql + ", '')"
	}
	return v.sql
}
