package syntax

import "slices"

// expr reads an expression, from what binds least: ?: then ?? then || OR, && AND, NOT, comparisons.
func (p *parser) expr() Expr {
	defer p.nest(p.peek().at)()
	x := p.coalesce()
	if p.at("?") {
		c := &Cond{At: p.next().at, Test: x}
		c.Then = p.expr()
		p.expect(":")
		c.Else = p.expr()
		return c
	}
	if p.at("=>") {
		p.refuse(p.peek().at, "a lambda", "write the value without one")
	}
	return x
}

func (p *parser) coalesce() Expr {
	x := p.or()
	if p.at("??") {
		b := &Binary{At: p.next().at, Op: "??", X: x}
		defer p.nest(b.At)()
		b.Y = p.coalesce()
		return b
	}
	return x
}

func (p *parser) binary(ops []string, operand func() Expr) Expr {
	x := operand()
	for p.at(ops...) {
		t := p.next()
		x = &Binary{At: t.at, Op: t.s, X: x, Y: operand()}
	}
	return x
}

func (p *parser) or() Expr  { return p.binary([]string{"||", "OR"}, p.and) }
func (p *parser) and() Expr { return p.binary([]string{"&&", "AND"}, p.not) }

func (p *parser) not() Expr {
	if !p.at("NOT") {
		return p.equality()
	}
	u := &Unary{At: p.next().at, Op: "!"}
	defer p.nest(u.At)()
	u.X = p.not()
	return u
}

func (p *parser) equality() Expr { return p.binary([]string{"==", "!="}, p.predicate) }

// predicate reads IN, BETWEEN, LIKE and IS after a comparison of sizes.
func (p *parser) predicate() Expr {
	x := p.relation()
	for !p.broken {
		t := p.peek()
		not := p.at("NOT") && slices.Contains([]string{"IN", "BETWEEN", "LIKE"}, p.ahead(1).s) && p.take("NOT")
		switch {
		case p.take("IN"):
			x = p.in(t.at, not, x)
		case p.take("BETWEEN"):
			b := &Between{At: t.at, Not: not, X: x, Low: p.additive()}
			p.expect("AND")
			b.High = p.additive()
			x = b
		case p.take("LIKE"):
			x = &Like{At: t.at, Not: not, X: x, Pattern: p.additive()}
		case p.take("IS"):
			x = p.is(t.at, x)
		default:
			p.bits()
			return x
		}
	}
	return x
}

func (p *parser) is(at Pos, x Expr) Expr {
	i := &IsNull{At: at, X: x, Not: p.take("NOT")}
	if !p.take("null") {
		p.expect("NULL")
	}
	return i
}

// bits refuses the operators of C# that are missing here, and an = that should be ==.
func (p *parser) bits() {
	if t := p.peek(); p.at("&", "|", "^", "<<", ">>") {
		p.refuse(t.at, "the operator "+t.s, "use && or || with conditions; there is nothing for bits")
	}
	if t := p.peek(); p.at("=") {
		p.tell(invalid("USQLSyntax", t.at, "= compares nothing", "values are compared with == in U-SQL, as in C#", "write == here"))
	}
}

func (p *parser) in(at Pos, not bool, x Expr) Expr {
	p.expect("(")
	if p.at("SELECT") {
		p.refuse(at, "IN with a query", "join with the query")
	}
	i := &In{At: at, Not: not, X: x, List: p.list(")")}
	p.expect(")")
	return i
}

func (p *parser) relation() Expr { return p.binary([]string{"<", ">", "<=", ">="}, p.additive) }
func (p *parser) additive() Expr { return p.binary([]string{"+", "-"}, p.multiplicative) }

func (p *parser) multiplicative() Expr { return p.binary([]string{"*", "/", "%"}, p.unary) }

func (p *parser) unary() Expr {
	t := p.peek()
	switch {
	case p.at("!", "-", "+"):
		p.next()
		defer p.nest(t.at)()
		return &Unary{At: t.at, Op: t.s, X: p.unary()}
	case p.at("~"):
		p.refuse(t.at, "the operator ~", "there is nothing for bits")
	case p.at("(") && p.castAhead():
		p.next()
		c := &Cast{At: t.at, Type: p.typeName()}
		p.expect(")")
		defer p.nest(t.at)()
		c.X = p.unary()
		return c
	}
	return p.postfix()
}

// castAhead reports whether (type) or (type?) follows.
func (p *parser) castAhead() bool {
	if t := p.ahead(1); t.kind != word || !typeName(t.s) {
		return false
	}
	return p.ahead(2).s == ")" && p.ahead(2).kind == op || p.ahead(2).s == "?" && p.ahead(3).s == ")"
}
