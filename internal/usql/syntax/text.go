package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// verbatim reads the rest of an @"…" string, in which only "" is an escape.
func (l *lexer) verbatim(at Pos) {
	var b strings.Builder
	for l.at < len(l.src) {
		r := l.next()
		if r == '"' {
			if !l.has(`"`) {
				l.add(text, b.String(), at)
				return
			}
			l.next()
		}
		b.WriteRune(r)
	}
	l.unended(at)
}

func (l *lexer) unended(at Pos) {
	l.faults = append(l.faults, invalid("USQLSyntax", at, "this string has no end", "the closing quote is missing", "close the string where it ends"))
	l.add(text, "", at)
}

// str reads the rest of a string or a char in which a backslash begins an escape.
func (l *lexer) str(k kind, quote rune, at Pos) {
	var b strings.Builder
	for l.at < len(l.src) && l.src[l.at] != '\n' {
		from := l.pos
		r := l.next()
		if r == quote {
			l.closed(k, b.String(), at)
			return
		}
		if r == '\\' {
			r = l.escape(from)
		}
		b.WriteRune(r)
	}
	l.unended(at)
}

func (l *lexer) closed(k kind, s string, at Pos) {
	if k == char && utf8.RuneCountInString(s) != 1 {
		l.faults = append(l.faults, invalid("USQLSyntax", at, "a char has one character", "this has "+strconv.Itoa(utf8.RuneCountInString(s)),
			"write a string with double quotes"))
	}
	l.add(k, s, at)
}

// escape reads what follows a backslash.
func (l *lexer) escape(at Pos) rune {
	if l.at == len(l.src) {
		return '\\'
	}
	r := l.next()
	if i := strings.IndexRune(`abfnrtv0'"\`, r); i >= 0 {
		return []rune("\a\b\f\n\r\t\v\x00'\"\\")[i]
	}
	digits := map[rune]int{'u': 4, 'x': 4, 'U': 8}[r]
	n := 0
	for n < digits && l.at+n < len(l.src) && strings.IndexByte("0123456789abcdefABCDEF", l.src[l.at+n]) >= 0 {
		n++
	}
	v, err := strconv.ParseUint(l.src[l.at:l.at+n], 16, 32)
	if err != nil || v > utf8.MaxRune || n < digits && r != 'x' {
		l.faults = append(l.faults, invalid("USQLSyntax", at, `the escape \`+string(r)+` is not known`, "a backslash in a string begins an escape",
			`write \\ for a backslash, or @"…" around the string`))
		return utf8.RuneError
	}
	l.skip(n)
	return rune(v)
}
