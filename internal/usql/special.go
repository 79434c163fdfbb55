package usql

import (
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
	"github.com/zaffre-ml/zaffre/internal/usql/syntax"
)

// now are the times that are those of the compilation.
func (c *compiler) now(full string) (value, bool) {
	t := c.time.UTC().Truncate(time.Microsecond)
	switch full {
	case "DateTime.Now", "DateTime.UtcNow":
	case "DateTime.Today":
		t = t.Truncate(24 * time.Hour)
	default:
		return bad(), false
	}
	return constant(dotnet.DateTime, t), true
}

// toString compiles x.ToString() and, of a DateTime, with a format.
func (s *scope) toString(at syntax.Pos, x value, vs []value) value {
	if len(vs) == 0 {
		if x.t.Kind == dotnet.String {
			return must(x, at, ".ToString of a value that is null")
		}
		return s.text(x, at)
	}
	format, ok := vs[0].lit.(string)
	if len(vs) > 1 || !ok || x.t.Kind != dotnet.DateTime {
		s.note(refused(at, "ToString with these arguments", "take it without any; of a DateTime, with one format that is a constant"))
		return bad()
	}
	return s.dated(at, x, format)
}

func (s *scope) dated(at syntax.Pos, x value, format string) value {
	f, err := dotnet.ParseFormat(format)
	if err != nil {
		s.note(refused(at, strconv.Quote(format)+" as a format ("+err.Error()+")", "use O, s, u, or y, M, d, H, h, m, s, fff and tt"))
		return bad()
	}
	out := from(plain(dotnet.String), "strftime("+x.sql+", "+quote(f.Strftime())+")", x)
	out.sure = !x.mayBeNull()
	if t, ok := x.lit.(time.Time); ok && x.known {
		return out.fold(f.Text(t))
	}
	return out
}

// concatAll puts values together as string.Concat does.
func (s *scope) concatAll(at syntax.Pos, vs []value) value {
	out := constant(dotnet.String, "")
	for _, v := range vs {
		if out = s.concat(at, out, v); isBad(out) {
			return out
		}
	}
	return out
}

// join compiles string.Join with single values.
func (s *scope) join(at syntax.Pos, vs []value) value {
	if len(vs) < 2 || vs[0].t.Kind != dotnet.String {
		return s.wrongArguments(at, "string.Join")
	}
	var all []value
	for i, v := range vs[1:] {
		if i > 0 {
			all = append(all, vs[0])
		}
		all = append(all, v)
	}
	return s.concatAll(at, all)
}

// format compiles string.Format with a constant: {0}, and {0:yyyy-MM} of a DateTime.
func (s *scope) format(at syntax.Pos, vs []value) value {
	text, ok := "", false
	if len(vs) > 0 {
		text, ok = vs[0].lit.(string)
	}
	if !ok {
		s.note(refused(at, "string.Format without a constant format", "put the text together with +"))
		return bad()
	}
	out := constant(dotnet.String, "")
	for text != "" && !isBad(out) {
		n := strings.IndexAny(text, "{}")
		if n < 0 {
			return s.concat(at, out, constant(dotnet.String, text))
		}
		out = s.concat(at, out, constant(dotnet.String, text[:n]))
		text = text[n:]
		if strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "}}") {
			out, text = s.concat(at, out, constant(dotnet.String, text[:1])), text[2:]
			continue
		}
		end := strings.IndexByte(text, '}')
		if end <= 0 {
			return s.wrongArguments(at, "string.Format")
		}
		out = s.concat(at, out, s.hole(at, text[1:end], vs[1:]))
		text = text[end+1:]
	}
	return out
}

func (s *scope) hole(at syntax.Pos, in string, vs []value) value {
	index, format, dated := strings.Cut(in, ":")
	i, err := strconv.Atoi(index)
	switch {
	case err != nil:
		s.note(refused(at, "{"+in+"} in a format", "write {0}, or {0:yyyy-MM-dd} for a DateTime"))
		return bad()
	case i < 0 || i >= len(vs):
		return s.wrongArguments(at, "string.Format")
	case dated && vs[i].t.Kind == dotnet.DateTime:
		return s.dated(at, vs[i], format)
	case dated:
		s.note(refused(at, "{"+in+"} in a format", "write {0}: numbers have no formats here"))
		return bad()
	}
	return vs[i]
}

// construct compiles new DateTime(…) and new string and the like.
func (s *scope) construct(e *syntax.New) value {
	vs, ok := s.args(e.Args)
	if !ok {
		return bad()
	}
	if e.Type.Name != "DateTime" || len(vs) != 3 && len(vs) != 6 {
		s.note(refused(e.At, "new "+e.Type.Name+" with these arguments", "use new DateTime(year, month, day), with or without hour, minute and second"))
		return bad()
	}
	ints := kinds(dotnet.Int, dotnet.Int, dotnet.Int, dotnet.Int, dotnet.Int, dotnet.Int)
	m := member{args: ints[:3], ret: dotnet.DateTime, sql: "make_timestamp($1, $2, $3, 0, 0, 0)", fold: newDateTime}
	if len(vs) == 6 {
		m.args, m.sql = ints, "make_timestamp($1, $2, $3, $4, $5, $6)"
	}
	if !m.takes(vs) {
		return s.wrongArguments(e.At, "new DateTime")
	}
	return s.apply(e.At, "new DateTime", m, value{}, vs)
}

func newDateTime(args []any) any {
	var n [6]int
	for i, a := range args {
		v, ok := a.(int64)
		if !ok {
			return nil
		}
		n[i] = int(v)
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if n[0] < 1 || n[0] > 9999 || t.Day() != n[2] || int(t.Month()) != n[1] || t.Hour() != n[3] || t.Minute() != n[4] {
		return nil
	}
	return t
}
