package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// lexer splits a script into tokens. What is wrong it notes, and goes on.
type lexer struct {
	src    string
	at     int
	pos    Pos
	out    []token
	faults []*fault.Error
}

func lex(src string) ([]token, []*fault.Error) {
	l := &lexer{src: strings.TrimPrefix(src, "\ufeff"), pos: Pos{1, 1}}
	for l.space(); l.at < len(l.src); l.space() {
		l.token()
	}
	return append(l.out, token{end, "", l.pos}), l.faults
}

// next consumes one character.
func (l *lexer) next() rune {
	r, n := utf8.DecodeRuneInString(l.src[l.at:])
	l.at += n
	l.pos.Column++
	if r == '\n' {
		l.pos = Pos{l.pos.Line + 1, 1}
	}
	return r
}

func (l *lexer) has(s string) bool { return strings.HasPrefix(l.src[l.at:], s) }

func (l *lexer) skip(n int) {
	for to := l.at + n; l.at < to; {
		l.next()
	}
}

func (l *lexer) add(k kind, s string, at Pos) { l.out = append(l.out, token{k, s, at}) }

// space consumes white space and comments.
func (l *lexer) space() {
	for l.at < len(l.src) {
		r, _ := utf8.DecodeRuneInString(l.src[l.at:])
		switch {
		case unicode.IsSpace(r):
			l.next()
		case l.has("//"):
			for l.at < len(l.src) && l.src[l.at] != '\n' {
				l.next()
			}
		case l.has("/*"):
			at := l.pos
			n := strings.Index(l.src[l.at+2:], "*/")
			if n < 0 {
				l.faults = append(l.faults, invalid("USQLSyntax", at, "this comment has no end", "there is no */ after it", "end the comment with */"))
				n = len(l.src) - l.at - 4
			}
			l.skip(n + 4)
		default:
			return
		}
	}
}

func (l *lexer) token() {
	at := l.pos
	r, _ := utf8.DecodeRuneInString(l.src[l.at:])
	switch {
	case l.has(`@"`):
		l.skip(2)
		l.verbatim(at)
	case r == '"':
		l.next()
		l.str(text, '"', at)
	case r == '\'':
		l.next()
		l.str(char, '\'', at)
	case r == '@':
		l.next()
		l.add(variable, l.name(), at)
	case r == '[':
		l.bracket(at)
	case r >= '0' && r <= '9' || r == '.' && l.digitAfter():
		l.add(number, l.number(), at)
	case nameRune(r):
		l.add(word, l.name(), at)
	default:
		l.operator(at)
	}
}

func (l *lexer) digitAfter() bool {
	return l.at+1 < len(l.src) && l.src[l.at+1] >= '0' && l.src[l.at+1] <= '9'
}

func nameRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func (l *lexer) name() string {
	from := l.at
	for l.at < len(l.src) {
		if r, _ := utf8.DecodeRuneInString(l.src[l.at:]); !nameRune(r) {
			break
		}
		l.next()
	}
	return l.src[from:l.at]
}

// number reads digits, a fraction, an exponent and a suffix.
func (l *lexer) number() string {
	from := l.at
	l.name()
	if l.at < len(l.src) && l.src[l.at] == '.' && l.digitAfter() {
		l.next()
		l.name()
	}
	if s := l.src[from:l.at]; strings.HasSuffix(strings.ToLower(s), "e") && !strings.HasPrefix(s, "0x") && (l.has("+") || l.has("-")) {
		l.next()
		l.name()
	}
	return l.src[from:l.at]
}

// bracket reads a [quoted name]; an index, as in a[0], comes as operators.
func (l *lexer) bracket(at Pos) {
	n := strings.IndexAny(l.src[l.at:], "]\n")
	after := len(l.out) > 0 && (l.out[len(l.out)-1].s == ")" || l.out[len(l.out)-1].kind == word && !keyword(l.out[len(l.out)-1].s))
	if n < 2 || l.src[l.at+n] != ']' || after {
		l.operator(at)
		return
	}
	s := l.src[l.at+1 : l.at+n]
	l.skip(n + 1)
	l.add(quoted, s, at)
}

func (l *lexer) operator(at Pos) {
	for _, two := range []string{"==", "!=", "<=", ">=", "&&", "||", "??", "=>", "<<", ">>"} {
		if l.has(two) {
			l.skip(2)
			l.add(op, two, at)
			return
		}
	}
	r := l.next()
	if !strings.ContainsRune("=<>!?:;,.()+-*/%[]{}&|^~", r) {
		l.faults = append(l.faults, invalid("USQLSyntax", at, "the character "+string(r)+" has no meaning here",
			"no word of U-SQL begins with it", "take it out, or put it into a string or a comment"))
		return
	}
	l.add(op, string(r), at)
}
