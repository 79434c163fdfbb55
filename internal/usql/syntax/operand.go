package syntax

import "slices"

// postfix reads an operand with the members and calls after it.
func (p *parser) postfix() Expr {
	x := p.operand()
	for !p.broken {
		t := p.peek()
		switch {
		case p.take("."):
			at := p.peek().at
			x = &Member{At: at, X: x, Name: p.memberName()}
		case p.take("("):
			x = p.call(x)
		case p.at("["):
			p.refuse(t.at, "an index", "use Substring on a string")
		case p.at("?") && p.ahead(1).s == "." && p.ahead(1).kind == op:
			p.refuse(t.at, "the operator ?.", "test for null with ?:")
		case p.at("OVER"):
			p.over(x)
		case p.at("WITHIN"):
			p.refuse(t.at, "WITHIN GROUP", "sort in a query of its own, and take the row with ROW_NUMBER")
		default:
			return x
		}
	}
	return x
}

// memberName reads the name after a point, which may be a word that is reserved elsewhere.
func (p *parser) memberName() string {
	if t := p.peek(); t.kind == word {
		p.next()
		return t.s
	}
	return p.ident()
}

// call reads the arguments after the bracket.
func (p *parser) call(f Expr) *Call {
	c := &Call{At: f.Place(), F: f}
	c.Distinct = p.take("DISTINCT")
	if p.at("*") && p.ahead(1).s == ")" {
		p.next()
		c.Star = true
	}
	for !p.at(")") && !p.broken && !c.Star {
		name := ""
		if t := p.peek(); t.kind == word && p.ahead(1).kind == op && p.ahead(1).s == ":" {
			name = t.s
			p.i += 2
		}
		c.Names = append(c.Names, name)
		c.Args = append(c.Args, p.expr())
		if !p.take(",") {
			break
		}
	}
	p.expect(")")
	return c
}

// over reads the window of a call.
func (p *parser) over(x Expr) {
	c, ok := x.(*Call)
	o := &Over{At: p.next().at}
	if !ok {
		p.tell(invalid("USQLSyntax", o.At, "OVER has no function before it", "a window is that of an aggregate, or of ROW_NUMBER() and the like", "write the function before it"))
		return
	}
	p.expect("(")
	if p.takeAll("PARTITION", "BY") {
		o.Partition = p.exprs()
	}
	o.Order = p.order().By
	if p.at("ROWS", "RANGE") {
		p.refuse(p.peek().at, p.peek().s+" in OVER", "leave the frame out: with ORDER BY it goes from the first row to this one")
	}
	p.expect(")")
	c.Over = o
}

func (p *parser) operand() Expr {
	t := p.peek()
	switch t.kind {
	case number:
		p.next()
		return &Literal{t.at, NumberLiteral, t.s}
	case text:
		p.next()
		return &Literal{t.at, StringLiteral, t.s}
	case char:
		p.next()
		return &Literal{t.at, CharLiteral, t.s}
	case variable:
		p.next()
		return &Var{t.at, t.s}
	case quoted:
		p.next()
		return &Name{t.at, t.s, true}
	}
	return p.wordOrGroup(t)
}

func (p *parser) wordOrGroup(t token) Expr {
	switch {
	case p.take("("):
		x := p.expr()
		p.expect(")")
		return x
	case p.take("null"), p.take("NULL"):
		return &Literal{t.at, NullLiteral, "null"}
	case p.take("true"), p.take("false"):
		return &Literal{t.at, BoolLiteral, t.s}
	case p.take("new"):
		n := &New{At: t.at, Type: p.typeName()}
		p.expect("(")
		n.Args = p.list(")")
		p.expect(")")
		return n
	case p.take("CASE"):
		return p.caseWhen(t.at)
	case t.kind == word && !keyword(t.s):
		p.next()
		return &Name{t.at, t.s, false}
	}
	p.unexpected("an expression")
	return &Literal{t.at, NullLiteral, "null"}
}

func (p *parser) caseWhen(at Pos) Expr {
	defer p.nest(at)()
	c := &Case{At: at}
	if !p.at("WHEN") {
		c.X = p.expr()
	}
	for p.take("WHEN") {
		w := When{Test: p.expr()}
		p.expect("THEN")
		w.Then = p.expr()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.unexpected("WHEN")
	}
	if p.take("ELSE") {
		c.Else = p.expr()
	}
	p.expect("END")
	return c
}

// IsAggregate reports whether a name with a bracket after it is an aggregate of U-SQL.
func IsAggregate(name string) bool {
	return slices.Contains([]string{
		"COUNT", "SUM", "AVG", "MIN", "MAX", "ANY_VALUE", "STDEV", "STDEVP", "VAR", "VARP", "ARRAY_AGG", "MAP_AGG",
	}, name)
}
