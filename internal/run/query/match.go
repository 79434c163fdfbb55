package query

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Match reports whether a text meets the clause.
func (c Clause) Match(text string) bool {
	switch c.Op {
	case Equal:
		return text == c.Value
	case NotEqual:
		return text != c.Value
	case Like:
		return like(c.Value, text)
	case ILike:
		return like(lower(c.Value), lower(text))
	case In:
		return slices.Contains(c.Values, text)
	case NotIn:
		return !slices.Contains(c.Values, text)
	}
	return c.Op == IsNotNull
}

// MatchNumber reports whether a number meets the clause. One that is not a number differs from all.
func (c Clause) MatchNumber(v float64) bool {
	if v != v {
		return c.Op == NotEqual || c.Op == IsNotNull
	}
	n := cmp.Compare(v, c.Number)
	switch c.Op {
	case Equal:
		return n == 0
	case NotEqual:
		return n != 0
	case Less:
		return n < 0
	case LessEqual:
		return n <= 0
	case Greater:
		return n > 0
	case GreaterEqual:
		return n >= 0
	}
	return c.Op == IsNotNull
}

// MatchMissing reports whether a run that lacks what the clause looks at meets it.
func (c Clause) MatchMissing() bool { return c.Op == IsNull }

// lower is the lower case of A-Z alone, as databases compare.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// like matches a pattern: at each % it first takes nothing, and on failure one character more.
func like(pattern, text string) bool {
	back, from := -1, 0 // the last %, and how far it reaches
	p, t := 0, 0
	for t < len(text) {
		r, size := utf8.DecodeRuneInString(text[t:])
		want, width := utf8.DecodeRuneInString(pattern[min(p, len(pattern)):])
		switch {
		case p < len(pattern) && want == '%':
			back, from = p, t
			p++
		case p < len(pattern) && (want == '_' || want == r):
			p, t = p+width, t+size
		case back >= 0:
			_, size := utf8.DecodeRuneInString(text[from:])
			from += size
			p, t = back+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "%") == ""
}
