package pyscan

import (
	"iter"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/azureml"
)

// word returns a token's text if it is a name or a sign, "" if there is none or it is a string.
func word(ts []token, i int) string {
	if i < 0 || i >= len(ts) || ts[i].kind == text {
		return ""
	}
	return ts[i].s
}

// at returns where a word or sign is that no bracket holds; len(ts) if there is none.
func at(ts []token, s string) int {
	depth := 0
	for i := range ts {
		w := word(ts, i)
		if w == s && depth == 0 {
			return i
		}
		switch w {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		}
	}
	return len(ts)
}

func after(ts []token, s string) int { return at(ts, s) + 1 }

// closing returns where the bracket closes that opens at i; len(ts) if it does not.
func closing(ts []token, i int) int {
	depth := 0
	for ; i < len(ts); i++ {
		switch word(ts, i) {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(ts)
}

// split returns what stands between the commas that no bracket holds.
func split(ts []token) iter.Seq[[]token] {
	return func(yield func([]token) bool) {
		for len(ts) > 0 {
			end := at(ts, ",")
			if !yield(ts[:end]) {
				return
			}
			ts = ts[min(end+1, len(ts)):]
		}
	}
}

// instance is the value of what is made of a class.
func instance(value string) string {
	if class := classOf(value); class != "" {
		return "=" + class
	}
	return ""
}

// classOf returns the class that a dotted name of the SDK means: "Run" of "azureml.core.run.Run".
func classOf(value string) string {
	if known(value) == "" {
		return ""
	}
	last := value[strings.LastIndexByte(value, '.')+1:]
	if last != "" && last[0] >= 'A' && last[0] <= 'Z' && strings.ToUpper(last) != last {
		return last
	}
	return ""
}

// compares are the signs between values that make something else of them.
var compares = map[string]bool{
	"==": true, "!=": true, "<": true, ">": true, "<=": true, ">=": true, "+": true, "-": true, "*": true, "/": true, "%": true, "|": true, "&": true,
	"in": true, "is": true, "not": true, ",": true, "lambda": true, "for": true,
}

// value follows an expression and returns what it is.
func (s *scanner) value(ts []token) string {
	out, plain, condition := "", true, false
	for i := 0; i < len(ts); {
		w := word(ts, i)
		switch {
		case w == "if" || w == "else":
			condition = w == "if" // of "a if b else c"; what b is matters not
			i++
		case ts[i].kind == name && !keyword(w), w == "(" || w == "[" || w == "{":
			v, n := s.postfix(ts[i:])
			if out == "" && !condition {
				out = v
			}
			i += max(n, 1)
		default:
			plain = plain && (condition || !compares[w])
			i++
		}
	}
	if !plain {
		return ""
	}
	return out
}

func keyword(w string) bool {
	switch w {
	case "and", "or", "not", "in", "is", "if", "else", "for", "lambda", "await", "yield", "from", "async", "print", "assert", "del", "raise", "global", "nonlocal", "pass", "None", "True", "False":
		return w != "print"
	}
	return false
}

// postfix follows a name or a bracket and all that hangs on it: attributes, calls, items.
func (s *scanner) postfix(ts []token) (value string, n int) {
	switch word(ts, 0) {
	case "(":
		end := closing(ts, 0)
		value, n = s.value(ts[1:min(end, len(ts))]), end+1
	case "[", "{":
		end := closing(ts, 0)
		if v := s.value(ts[1:min(end, len(ts))]); strings.HasPrefix(v, "=") {
			value = "[]" + v[1:]
		}
		n = end + 1
	default:
		value, n = s.lookup(ts[0].s), 1
	}
	for n < len(ts) {
		switch word(ts, n) {
		case ".":
			if n+1 >= len(ts) || ts[n+1].kind != name {
				return value, n + 1
			}
			var used int
			value, used = s.member(ts, n, value)
			n += used
		case "(":
			end := closing(ts, n)
			value = s.call(ts[max(0, n-1)], value, ts[n+1:min(end, len(ts))])
			n = end + 1
		case "[":
			end := closing(ts, n)
			s.value(ts[n+1 : min(end, len(ts))])
			value, n = element(value), end+1
		default:
			return value, n
		}
	}
	return value, n
}

// member follows ".name" at n, with its call if it is called.
func (s *scanner) member(ts []token, n int, of string) (value string, used int) {
	t := ts[n+1]
	var args []token
	called := word(ts, n+2) == "("
	used = 2
	if called {
		end := closing(ts, n+2)
		args = ts[n+3 : min(end, len(ts))]
		used = end + 1 - n
	}
	class, single := strings.CutPrefix(of, "=")
	if !single {
		class = classOf(of)
	}
	switch {
	case of == "" && ts[0].s == "self" && n == 1:
		value = s.lookup("self." + t.s)
		if called && s.functions[t.s] != nil {
			value = "@" + t.s
		}
		if called {
			value = s.call(t, value, args)
		}
		return value, used
	case strings.HasPrefix(of, "[]"):
		if t.s == "items" || t.s == "values" || t.s == "copy" {
			value = of
		} else if t.s == "get" || t.s == "pop" {
			value = element(of)
		}
	case class != "" && s.index.Class(class):
		value = s.memberOf(t, class, called)
	case class != "": // of a package that is known as a whole
		s.packaged(t, of+"."+t.s, called)
	case known(of) != "":
		value = of + "." + t.s
		if called {
			return s.call(t, value, args), used
		}
		return value, used
	}
	s.arguments(args)
	return value, used
}

func (s *scanner) memberOf(t token, class string, called bool) string {
	symbol, ok := s.index.Find(class, t.s)
	if called || ok && symbol.Support != azureml.Works {
		s.use(t, class, t.s)
	}
	v := s.index.Type(class, t.s)
	switch {
	case v == "", v == "int":
		return ""
	case strings.HasPrefix(v, "[]"):
		return v
	}
	return "=" + v
}

// arguments follows what a call is given; the names of keyword arguments are no values.
func (s *scanner) arguments(args []token) {
	for part := range split(args) {
		if word(part, 1) == "=" {
			part = part[2:]
		}
		s.value(part)
	}
}

// call follows a call of a value by the name t.
func (s *scanner) call(t token, value string, args []token) string {
	s.arguments(args)
	if n, ok := strings.CutPrefix(value, "@"); ok {
		f := s.functions[n]
		s.called(f, args)
		return f.returns
	}
	if known(value) == "" {
		if t.s == "list" || t.s == "sorted" || t.s == "reversed" || t.s == "next" || t.s == "enumerate" {
			v := s.quiet(args)
			if t.s == "next" {
				return element(v)
			}
			return v
		}
		return ""
	}
	if class := classOf(value); class != "" && s.index.Class(class) {
		s.use(t, class, "__init__")
		return "=" + class
	}
	s.packaged(t, value, true)
	if value == "azureml.core.get_run" {
		return "=Run"
	}
	return ""
}

// packaged records a call of what only its package is known of.
func (s *scanner) packaged(t token, dotted string, called bool) {
	if !called {
		return
	}
	symbol, ok := s.index.Package(dotted)
	if !ok || symbol.Part == "the SDK" {
		symbol = azureml.Symbol{Name: dotted, Support: Unknown}
	}
	s.record(t, symbol)
}
