package syntax

// selection reads one SELECT with its clauses.
func (p *parser) selection() *Select {
	s := &Select{At: p.next().at}
	s.Distinct = p.take("DISTINCT")
	for {
		s.Items = append(s.Items, p.item())
		if !p.take(",") {
			break
		}
	}
	if p.take("FROM") {
		s.From = p.from()
	}
	if p.take("WHERE") {
		s.Where = p.expr()
	}
	if p.takeAll("GROUP", "BY") {
		s.Group = p.exprs()
	}
	if p.take("HAVING") {
		s.Having = p.expr()
	}
	s.Order = p.order()
	return s
}

func (p *parser) exprs() (out []Expr) {
	for {
		out = append(out, p.expr())
		if !p.take(",") {
			return out
		}
	}
}

// item reads *, alias.*, or an expression with or without AS name.
func (p *parser) item() Item {
	t := p.peek()
	i := Item{At: t.at}
	if p.take("*") {
		i.Star = true
		return i
	}
	if (t.kind == word || t.kind == variable || t.kind == quoted) && p.ahead(1).s == "." && p.ahead(2).s == "*" && p.ahead(2).kind == op {
		p.i += 3
		i.Star, i.Of = true, t.s
		if t.kind == variable {
			i.Of = "@" + t.s
		}
		return i
	}
	i.Value = p.expr()
	if p.take("AS") {
		i.Name = p.ident()
	}
	return i
}

// from reads the rowsets and how they are joined.
func (p *parser) from() []Source {
	out := []Source{p.source("")}
	for !p.broken {
		t := p.peek()
		switch {
		case p.take(","):
			out = append(out, p.source("CROSS"))
		case p.at("PIVOT", "UNPIVOT", "SAMPLE"):
			p.refuse(t.at, t.s, "write it with GROUP BY, or with UNION ALL")
		case p.at("CROSS", "OUTER") && p.ahead(1).s == "APPLY":
			p.refuse(t.at, t.s+" APPLY", "write one row for each value into the file")
		default:
			join := p.join()
			if join == "" {
				return out
			}
			s := p.source(join)
			if join != "CROSS" {
				p.expect("ON")
				s.On = p.expr()
			}
			out = append(out, s)
		}
	}
	return out
}

// join reads how the next rowset is joined, "" for none.
func (p *parser) join() string {
	t := p.peek()
	switch {
	case p.takeAll("CROSS", "JOIN"):
		return "CROSS"
	case p.takeAll("INNER", "JOIN"), p.take("JOIN"):
		return "INNER"
	case !p.at("LEFT", "RIGHT", "FULL", "SEMIJOIN", "ANTISEMIJOIN", "INNER", "CROSS"):
		return ""
	}
	side := p.next().s
	p.take("OUTER")
	if p.at("SEMIJOIN", "ANTISEMIJOIN") {
		side = p.next().s
	}
	if side == "SEMIJOIN" || side == "ANTISEMIJOIN" {
		p.refuse(t.at, side, "join with a SELECT DISTINCT of the keys; for ANTISEMIJOIN use LEFT JOIN, and WHERE key == null")
	}
	p.expect("JOIN")
	return side
}

// source reads a rowset, or a query in brackets, and its alias.
func (p *parser) source(join string) Source {
	t := p.peek()
	s := Source{At: t.at, Join: join}
	switch {
	case t.kind == variable:
		s.Rowset = p.variable()
	case p.take("("):
		s.Query = p.query()
		p.expect(")")
	case p.at("EXTERNAL") || t.kind == word && !keyword(t.s) || t.kind == quoted:
		p.refuse(t.at, "a table, a view or a function of a catalogue", "read its files with EXTRACT: there is no catalogue here")
	default:
		p.unexpected("@rowset or a query in brackets")
	}
	if p.take("AS") {
		s.Alias = p.ident()
		if p.take("(") {
			for {
				s.Columns = append(s.Columns, p.ident())
				if !p.take(",") {
					break
				}
			}
			p.expect(")")
		}
	}
	return s
}
