package syntax

// query reads selects with UNION and the like between them; INTERSECT binds more than the others.
func (p *parser) query() Query {
	defer p.nest(p.peek().at)()
	q := p.intersect()
	for p.at("UNION", "EXCEPT", "OUTER") {
		q = p.setOp(q, p.intersect)
	}
	return q
}

func (p *parser) intersect() Query {
	q := p.single()
	for p.at("INTERSECT") {
		q = p.setOp(q, p.single)
	}
	return q
}

func (p *parser) setOp(left Query, right func() Query) Query {
	t := p.next()
	if t.s == "OUTER" {
		p.refuse(t.at, "OUTER UNION", "select the same columns in both queries, and use UNION ALL")
		return left
	}
	s := &SetOp{At: t.at, Op: t.s, Left: left}
	s.All = p.take("ALL")
	if !s.All && !p.take("DISTINCT") {
		p.unexpected("ALL or DISTINCT")
	}
	if p.at("BY") {
		p.refuse(p.peek().at, t.s+" BY NAME", "select the columns in the same order")
	}
	s.Right = right()
	return s
}

// single reads one query without UNION and the like.
func (p *parser) single() Query {
	t := p.peek()
	switch {
	case p.at("SELECT"):
		return p.selection()
	case p.at("EXTRACT"):
		return p.extract()
	case p.at("VALUES"):
		return p.values()
	case p.take("("):
		q := p.query()
		p.expect(")")
		return q
	case p.at("PROCESS", "REDUCE", "COMBINE", "PRODUCE", "SAMPLE"):
		p.refuse(t.at, t.s, "write it as SELECT: there is no code of your own here")
	case t.kind == variable:
		p.refuse(t.at, "a rowset in place of a query", "write SELECT * FROM @"+t.s)
	case t.kind == word && !keyword(t.s) || t.kind == quoted:
		p.refuse(t.at, "the call of a function or a value in place of a query", "declare a value with DECLARE; write a function's query here")
	default:
		p.unexpected("SELECT, EXTRACT or VALUES")
	}
	return nil
}

// extract reads EXTRACT name type, … FROM path, … USING extractor.
func (p *parser) extract() *Extract {
	e := &Extract{At: p.next().at}
	for {
		c := ColumnDef{At: p.peek().at}
		c.Name = p.ident()
		c.Type = p.typeName()
		if p.at("READONLY", "REQUIRED") {
			p.refuse(p.peek().at, p.peek().s, "take it out: all columns are read")
		}
		e.Columns = append(e.Columns, c)
		if !p.take(",") {
			break
		}
	}
	p.expect("FROM")
	for {
		e.Paths = append(e.Paths, p.expr())
		if !p.take(",") {
			break
		}
	}
	p.expect("USING")
	e.Using = p.format("Extractors")
	return e
}

// values reads VALUES (a, b), (c, d).
func (p *parser) values() *Values {
	v := &Values{At: p.next().at}
	for {
		p.expect("(")
		v.Rows = append(v.Rows, p.list(")"))
		p.expect(")")
		if !p.take(",") {
			return v
		}
	}
}

// list reads expressions up to the closing token, which it leaves.
func (p *parser) list(closing string) (out []Expr) {
	for !p.at(closing) && !p.broken {
		out = append(out, p.expr())
		if !p.take(",") {
			break
		}
	}
	return out
}

// order reads [ORDER BY …] [OFFSET n ROWS] [FETCH [FIRST|NEXT] n ROWS [ONLY]].
func (p *parser) order() (o Order) {
	o.At = p.peek().at
	if p.takeAll("ORDER", "BY") {
		for {
			i := OrderItem{Value: p.expr()}
			if i.Desc = p.take("DESC"); !i.Desc {
				p.take("ASC")
			}
			o.By = append(o.By, i)
			if !p.take(",") {
				break
			}
		}
	}
	if p.take("OFFSET") {
		o.Offset = p.rows(true)
	}
	if p.take("FETCH") {
		if !p.take("FIRST") {
			p.take("NEXT")
		}
		o.Fetch = p.rows(o.Offset != nil)
		p.take("ONLY")
	}
	return o
}

// rows reads a number of rows. The word ROWS may be left out after FETCH n only.
func (p *parser) rows(must bool) Expr {
	e := p.additive()
	if !p.take("ROWS") && !p.take("ROW") && must {
		p.unexpected("ROWS")
	}
	return e
}
