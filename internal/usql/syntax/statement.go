package syntax

func (p *parser) statement() Statement {
	if p.take(";") {
		return nil
	}
	var s Statement
	t := p.peek()
	switch {
	case t.kind == variable:
		s = p.assign()
	case t.kind == word && t.s == "DECLARE":
		s = p.declare()
	case t.kind == word && t.s == "OUTPUT":
		s = p.output()
	default:
		p.other(t)
	}
	if !p.broken && p.peek().kind != end {
		p.hints()
		p.expect(";")
	}
	return s
}

// other refuses what is no statement here.
func (p *parser) other(t token) {
	if fix, ok := foreign(t.s); ok && t.kind == word {
		name := t.s
		if t2 := p.ahead(1); t2.kind == word && (name == "CREATE" || name == "DROP" || name == "ALTER" || name == "REFERENCE" || name == "INSERT") {
			name += " " + t2.s
		}
		p.refuse(t.at, name, fix)
		return
	}
	if p.ahead(1).s == "." || p.ahead(1).s == "(" {
		p.refuse(t.at, "the call of a procedure", "write its statements here: there is no catalogue here")
		return
	}
	p.unexpected("a statement (DECLARE, OUTPUT or @name = …)")
}

func (p *parser) hints() {
	if p.at("OPTION") {
		p.refuse(p.peek().at, "OPTION", "take the hint out: it changes no answer")
	}
}

// declare reads DECLARE [EXTERNAL|CONST] @name [type] = value.
func (p *parser) declare() *Declare {
	p.next()
	d := &Declare{}
	d.External = p.take("EXTERNAL")
	p.take("CONST")
	d.At = p.peek().at
	d.Name = p.variable()
	if !p.at("=") {
		t := p.typeName()
		d.Type = &t
	}
	p.expect("=")
	d.Value = p.expr()
	return d
}

// typeName reads a type and its question mark.
func (p *parser) typeName() TypeName {
	t := TypeName{At: p.peek().at}
	t.Name = p.ident()
	for p.take(".") {
		t.Name += "." + p.ident()
	}
	if p.at("<") {
		p.refuse(t.At, "the type "+t.Name+"<…>", "use one column for each value")
	}
	if p.at("[") {
		p.refuse(t.At, "the type "+t.Name+"[]", "use a string")
	}
	t.Nullable = p.take("?")
	return t
}

func (p *parser) assign() *Assign {
	a := &Assign{At: p.peek().at}
	a.Name = p.variable()
	if p.at(",") {
		p.refuse(a.At, "an assignment to several names", "write one query for each name")
	}
	p.expect("=")
	a.Query = p.query()
	return a
}

// output reads OUTPUT @rowset TO path [ORDER BY …] USING outputter.
func (p *parser) output() *Output {
	o := &Output{At: p.next().at}
	if p.at("(") {
		p.next()
		o.Query = p.query()
		p.expect(")")
	} else {
		o.Rowset = p.variable()
	}
	p.expect("TO")
	o.Path = p.expr()
	o.Order = p.order()
	if p.at("CLUSTERED", "PARTITION") {
		p.refuse(p.peek().at, p.peek().s, "take it out: it changes no row")
	}
	p.expect("USING")
	o.Using = p.format("Outputters")
	return o
}

// format reads Extractors.Csv(name: value, …).
func (p *parser) format(class string) *Call {
	at := p.peek().at
	if p.at("new") {
		p.refuse(at, "USING new …", "use "+class+".Csv, .Tsv or .Text: there is no code of your own here")
		return nil
	}
	c, ok := p.postfix().(*Call)
	if p.broken {
		return nil
	}
	if !ok {
		p.unexpected(class + ".Csv(…), .Tsv(…) or .Text(…)")
		return nil
	}
	if m, ok := c.F.(*Member); ok {
		if n, ok := m.X.(*Name); ok && n.Name == class {
			return c
		}
	}
	p.refuse(at, "this way to read or write files", "use "+class+".Csv, .Tsv or .Text")
	return nil
}
