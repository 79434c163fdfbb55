package syntax

import (
	"fmt"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// maxDepth bounds how deep expressions and queries may be nested.
const maxDepth = 200

// parser reads tokens by recursive descent. After a fault it is broken: it sees no more tokens until the
// next statement, so that each statement tells its first fault.
type parser struct {
	tokens []token
	i      int
	broken bool
	depth  int
	faults []*fault.Error
}

// Parse reads a script. The faults it returns beside what it understood are in the order of the script.
func Parse(src string) (*Script, []*fault.Error) {
	tokens, faults := lex(src)
	if len(faults) > 0 {
		return &Script{}, faults
	}
	p := &parser{tokens: tokens}
	s := &Script{}
	for p.tokens[p.i].kind != end {
		st := p.statement()
		if p.broken {
			st = remains(st)
		}
		if st != nil {
			s.Statements = append(s.Statements, st)
		}
		p.resume()
	}
	return s, p.faults
}

// remains returns what is left of a statement with a fault: its name, so that those who use it have no fault
// of their own.
func remains(st Statement) Statement {
	switch st := st.(type) {
	case *Declare:
		return &Declare{At: st.At, Name: st.Name, External: st.External}
	case *Assign:
		return &Assign{At: st.At, Name: st.Name}
	}
	return nil
}

// resume goes on after the semicolon, over a body of BEGIN … END.
func (p *parser) resume() {
	if !p.broken {
		return
	}
	p.broken, p.depth = false, 0
	for open := 0; p.tokens[p.i].kind != end; p.i++ {
		t := p.tokens[p.i]
		switch {
		case t.kind == word && t.s == "BEGIN":
			open++
		case t.kind == word && t.s == "END" && open > 0:
			open--
		case t.kind == op && t.s == ";" && open == 0:
			p.i++
			return
		}
	}
}

func (p *parser) peek() token { return p.ahead(0) }

func (p *parser) ahead(n int) token {
	if p.broken || p.i+n >= len(p.tokens) {
		return token{end, "", p.tokens[len(p.tokens)-1].at}
	}
	return p.tokens[p.i+n]
}

func (p *parser) next() token {
	t := p.peek()
	if t.kind != end {
		p.i++
	}
	return t
}

// at reports whether the next token is one of these words or operators.
func (p *parser) at(words ...string) bool {
	t := p.peek()
	return (t.kind == word || t.kind == op) && slices.Contains(words, t.s)
}

// take consumes the next token if it is s.
func (p *parser) take(s string) bool {
	ok := p.at(s)
	if ok {
		p.i++
	}
	return ok
}

// takeAll consumes the words if all follow.
func (p *parser) takeAll(words ...string) bool {
	for i, w := range words {
		if t := p.ahead(i); t.kind != word && t.kind != op || t.s != w {
			return false
		}
	}
	p.i += len(words)
	return true
}

func (p *parser) expect(s string) {
	if !p.take(s) {
		p.unexpected(s)
	}
}

func (p *parser) unexpected(want string) {
	t := p.peek()
	p.tell(invalid("USQLSyntax", t.at, fmt.Sprintf("%s is expected, not %s", want, t), "the script does not follow the grammar here",
		"write "+want+" here, or look for what is missing before it"))
}

// tell notes a fault, the first of its statement.
func (p *parser) tell(e *fault.Error) {
	if !p.broken {
		p.faults = append(p.faults, e)
		p.broken = true
	}
}

func (p *parser) refuse(at Pos, what, fix string) { p.tell(refused(at, what, fix)) }

// nest guards what calls itself; the caller calls the returned function at its end.
func (p *parser) nest(at Pos) func() {
	if p.depth++; p.depth > maxDepth {
		p.tell(invalid("USQLTooDeep", at, "this is nested too deep", "parts within parts go at most 200 deep", "give an inner part a name of its own"))
	}
	return func() { p.depth-- }
}

// ident reads a name.
func (p *parser) ident() string {
	t := p.peek()
	if t.kind != quoted && (t.kind != word || keyword(t.s)) {
		p.unexpected("a name")
		return ""
	}
	p.i++
	return t.s
}

func (p *parser) variable() string {
	t := p.peek()
	if t.kind != variable {
		p.unexpected("a name with @")
		return ""
	}
	p.i++
	return t.s
}
