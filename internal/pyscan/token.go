package pyscan

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind int

const (
	name kind = iota
	text      // a string
	number
	op
)

// token is one word of a logical line.
type token struct {
	kind kind
	s    string // of a text: its contents where it is plain, else ""
	line int    // from 1
}

// logical is a line as Python sees it: with what its brackets and backslashes go on with.
type logical struct {
	indent int
	tokens []token
}

// lexer splits a source into logical lines. It never fails: what it does not understand it leaves out, and a
// string without an end is one to the end of the file.
type lexer struct {
	src   string
	at    int
	line  int
	depth int // of brackets
	out   []logical
	now   logical
	fresh bool // at the begin of a physical line that begins a logical one
}

func lines(src string) []logical {
	l := &lexer{src: strings.ReplaceAll(src, "\r\n", "\n"), line: 1, fresh: true}
	for l.at < len(l.src) {
		l.step()
	}
	l.end()
	return l.out
}

func (l *lexer) end() {
	if len(l.now.tokens) > 0 {
		l.out = append(l.out, l.now)
	}
	l.now, l.fresh = logical{}, true
}

func (l *lexer) add(k kind, s string, line int) {
	l.now.tokens = append(l.now.tokens, token{k, s, line})
}

func (l *lexer) step() {
	if l.fresh && l.depth == 0 {
		l.indent()
		l.fresh = false
		return
	}
	c := l.src[l.at]
	switch {
	case c == '\n':
		l.at++
		l.line++
		if l.depth == 0 {
			l.end()
		}
	case c == '\\' && strings.HasPrefix(l.src[l.at:], "\\\n"):
		l.at += 2
		l.line++
	case c == '#':
		for l.at < len(l.src) && l.src[l.at] != '\n' {
			l.at++
		}
	case c == ' ' || c == '\t' || c == '\f' || c == '\\':
		l.at++
	case c == '"' || c == '\'':
		l.str("")
	case c >= '0' && c <= '9':
		l.number()
	default:
		l.wordOrOp()
	}
}

func (l *lexer) indent() {
	for l.at < len(l.src) {
		switch l.src[l.at] {
		case ' ':
			l.now.indent++
		case '\t':
			l.now.indent = l.now.indent/8*8 + 8
		default:
			return
		}
		l.at++
	}
}

func (l *lexer) number() {
	start := l.at
	for l.at < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.at:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' {
			break
		}
		l.at += n
	}
	l.add(number, l.src[start:l.at], l.line)
}

func (l *lexer) wordOrOp() {
	start := l.at
	for l.at < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.at:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		l.at += n
	}
	if word := l.src[start:l.at]; word != "" {
		if l.at < len(l.src) && (l.src[l.at] == '"' || l.src[l.at] == '\'') && len(word) <= 2 && strings.Trim(strings.ToLower(word), "rbfu") == "" {
			l.str(strings.ToLower(word))
			return
		}
		l.add(name, word, l.line)
		return
	}
	for _, two := range []string{"==", "!=", "<=", ">=", "->", ":=", "+=", "-=", "*=", "/=", "|=", "&=", "**", "//", "<<", ">>"} {
		if strings.HasPrefix(l.src[l.at:], two) {
			l.add(op, two, l.line)
			l.at += 2
			return
		}
	}
	_, n := utf8.DecodeRuneInString(l.src[l.at:])
	s := l.src[l.at : l.at+n]
	switch s {
	case "(", "[", "{":
		l.depth++
	case ")", "]", "}":
		l.depth = max(0, l.depth-1)
	}
	l.add(op, s, l.line)
	l.at += n
}

// str reads a string. In an f-string what stands in braces is not looked at.
func (l *lexer) str(prefix string) {
	line, quote := l.line, l.src[l.at:l.at+1]
	if strings.HasPrefix(l.src[l.at:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	l.at += len(quote)
	start := l.at
	for l.at < len(l.src) && !strings.HasPrefix(l.src[l.at:], quote) {
		switch c := l.src[l.at]; {
		case c == '\\' && l.at+1 < len(l.src):
			if l.src[l.at+1] == '\n' {
				l.line++
			}
			l.at++
		case c == '\n' && len(quote) == 1: // no end in its line: an error of Python's
			l.add(text, "", line)
			return
		case c == '\n':
			l.line++
		}
		l.at++
	}
	s := ""
	if prefix == "" || prefix == "u" || prefix == "r" {
		s = l.src[start:min(l.at, len(l.src))]
	}
	l.add(text, s, line)
	l.at = min(l.at+len(quote), len(l.src))
}
