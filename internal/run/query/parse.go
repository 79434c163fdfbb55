package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What a filter may hold.
const (
	MaxLength  = 64 << 10 // bytes of the text
	MaxClauses = 50
	MaxValues  = 1000 // of one list
)

// Parse reads a filter; an empty one has no clauses. It fails with fault.Invalid, Reason "FilterInvalid", and
// with fault.Unsupported, Reason "FilterUnsupported", for what MLflow knows and zaffre does not keep.
func Parse(filter string) ([]Clause, error) {
	p := &parser{text: filter}
	if len(filter) > MaxLength {
		return nil, p.bad("it is longer than %d bytes", MaxLength)
	}
	var list []Clause
	for p.space(); !p.end(); p.space() {
		if len(list) > 0 && !p.word("AND") {
			return nil, p.bad("AND is expected; other words, such as OR, and brackets are not known")
		}
		c, err := p.clause()
		if err != nil {
			return nil, err
		}
		if list = append(list, c); len(list) > MaxClauses {
			return nil, p.bad("it has more than %d clauses", MaxClauses)
		}
	}
	return list, nil
}

// ParseOrder reads one column to sort by: a name, and ASC or DESC. It fails as Parse does.
func ParseOrder(text string) (Order, error) {
	p := &parser{text: text, order: true}
	p.space()
	f, name, err := p.reference()
	if err != nil {
		return Order{}, err
	}
	desc := p.word("DESC")
	if !desc {
		p.word("ASC")
	}
	if p.space(); !p.end() {
		return Order{}, p.bad("ASC, DESC or the end is expected")
	}
	return Order{f, name, desc}, nil
}

// parser reads a text from at on.
type parser struct {
	text  string
	at    int
	order bool // it is an order, not a filter
}

func (p *parser) rest() string { return p.text[p.at:] }
func (p *parser) end() bool    { return p.at >= len(p.text) }

func (p *parser) space() {
	p.at += len(p.rest()) - len(strings.TrimLeftFunc(p.rest(), unicode.IsSpace))
}

// word takes a word in any case, if it comes next.
func (p *parser) word(w string) bool {
	p.space()
	r := p.rest()
	if len(r) < len(w) || !strings.EqualFold(r[:len(w)], w) {
		return false
	}
	if after := r[len(w):]; after != "" && nameRune(rune(after[0])) {
		return false
	}
	p.at += len(w)
	return true
}

func nameRune(r rune) bool {
	return !unicode.IsSpace(r) && r != unicode.ReplacementChar && !strings.ContainsRune("'\"`=!<>(),;", r)
}

// name takes a plain name.
func (p *parser) name() string {
	n := strings.IndexFunc(p.rest(), func(r rune) bool { return !nameRune(r) })
	if n < 0 {
		n = len(p.rest())
	}
	s := p.rest()[:n]
	p.at += n
	return s
}

// quoted takes a text in one of the quotes. Doubled single quotes stand for one.
func (p *parser) quoted(quotes string) (s string, ok bool, err error) {
	if p.end() || !strings.Contains(quotes, p.rest()[:1]) {
		return "", false, nil
	}
	q, start := p.rest()[:1], p.at
	var b strings.Builder
	for p.at++; ; {
		n := strings.Index(p.rest(), q)
		if n < 0 {
			p.at = start
			return "", false, p.bad("a quote is not closed")
		}
		b.WriteString(p.rest()[:n])
		p.at += n + 1
		if q != "'" || !strings.HasPrefix(p.rest(), q) {
			return b.String(), true, nil
		}
		b.WriteString(q)
		p.at++
	}
}

func (p *parser) clause() (c Clause, err error) {
	p.space()
	if c.Field, c.Name, err = p.reference(); err != nil {
		return c, err
	}
	start := p.at
	if c.Op, err = p.op(); err != nil {
		return c, err
	}
	if !allowed(c) {
		p.at = start
		return c, p.bad("%s cannot compare %s", c.Op, reference(c.Field, c.Name))
	}
	p.space()
	switch {
	case c.Op == IsNull || c.Op == IsNotNull:
	case c.Op == In || c.Op == NotIn:
		c.Values, err = p.list()
	case Numeric(c.Field, c.Name):
		c.Number, err = p.number()
	default:
		c.Value, err = p.value()
	}
	return c, err
}

// fieldOf knows the words for what a clause looks at.
func fieldOf(word string) (Field, bool) {
	switch word {
	case "metric", "metrics":
		return Metric, true
	case "param", "params", "parameter", "parameters":
		return Param, true
	case "tag", "tags":
		return Tag, true
	case "attribute", "attributes", "attr", "run":
		return Attribute, true
	}
	return "", false
}

// reference takes what stands left of an operator: "metrics.loss", "tags.`a b`", "status".
func (p *parser) reference() (Field, string, error) {
	start := p.at
	word, ok, err := p.quoted("`\"")
	if err != nil {
		return "", "", err
	}
	if !ok {
		word = p.name()
		word, _, _ = strings.Cut(word, ".")
		p.at = start + len(word)
	}
	if !strings.HasPrefix(p.rest(), ".") {
		return p.attribute(word, start)
	}
	p.at++
	f, known := fieldOf(word)
	name, ok, err := p.quoted("`\"'")
	if err == nil && !ok {
		name = p.name()
	}
	switch {
	case err != nil:
		return "", "", err
	case word == "dataset" || word == "datasets":
		return "", "", unsupported("the data sets of a run are not kept")
	case !known:
		p.at = start
		return "", "", p.bad("%q is none of metrics, params, tags, attributes", word)
	case name == "":
		return "", "", p.bad("a name is missing")
	case f == Attribute:
		return p.attribute(name, start)
	}
	return f, name, nil
}

func (p *parser) attribute(name string, start int) (Field, string, error) {
	switch name {
	case RunID, RunName, Status, UserID, StartTime, EndTime, Artifacts:
		return Attribute, name, nil
	case "created", "Created":
		return Attribute, StartTime, nil
	case "run name", "Run name", "Run Name":
		return Attribute, RunName, nil
	}
	p.at = start
	return "", "", p.bad("%q is no attribute of a run; they are run_id, run_name, status, user_id, start_time, end_time", name)
}

func (p *parser) op() (Op, error) {
	p.space()
	for _, op := range []Op{LessEqual, GreaterEqual, NotEqual, Equal, Less, Greater} {
		if strings.HasPrefix(p.rest(), string(op)) {
			p.at += len(op)
			return op, nil
		}
	}
	switch {
	case p.word("LIKE"):
		return Like, nil
	case p.word("ILIKE"):
		return ILike, nil
	case p.word("IN"):
		return In, nil
	case p.word("NOT"):
		if p.word("IN") {
			return NotIn, nil
		}
	case p.word("IS"):
		op := IsNull
		if p.word("NOT") {
			op = IsNotNull
		}
		if p.word("NULL") {
			return op, nil
		}
	case p.word("RLIKE"):
		return "", unsupported("RLIKE is not known; use LIKE or ILIKE")
	}
	return "", p.bad("a comparison is expected: =, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN, IS NULL or IS NOT NULL")
}

// allowed reports whether the operator compares what the clause looks at.
func allowed(c Clause) bool {
	switch c.Op {
	case Equal, NotEqual, IsNull, IsNotNull:
		return true
	case Less, LessEqual, Greater, GreaterEqual:
		return Numeric(c.Field, c.Name)
	}
	return !Numeric(c.Field, c.Name)
}

func (p *parser) value() (string, error) {
	s, ok, err := p.quoted("'\"")
	if err == nil && !ok {
		err = p.bad("a text in quotes is expected")
	}
	return s, err
}

func (p *parser) number() (float64, error) {
	start := p.at
	word := p.name()
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || !strings.ContainsAny(word[:min(2, len(word))], "0123456789.") || strings.ContainsAny(word, "xX_pP") {
		p.at = start
		return 0, p.bad("a number is expected")
	}
	return v, nil
}

func (p *parser) list() (values []string, err error) {
	if !p.take("(") {
		return nil, p.bad("a list is expected: ('a', 'b')")
	}
	for {
		p.space()
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		if values = append(values, v); len(values) > MaxValues {
			return nil, p.bad("a list has more than %d values", MaxValues)
		}
		if !p.take(",") {
			break
		}
	}
	if !p.take(")") {
		return nil, p.bad("the list is not closed")
	}
	return values, nil
}

func (p *parser) take(mark string) bool {
	p.space()
	if !strings.HasPrefix(p.rest(), mark) {
		return false
	}
	p.at += len(mark)
	return true
}

func (p *parser) bad(format string, args ...any) error {
	what, field, near := "the filter cannot be read", "filter", p.rest()
	if p.order {
		what, field = "the order cannot be read", "order"
	}
	if len(near) > 20 {
		near = strings.ToValidUTF8(near[:20], "") + "…"
	}
	place := "at its end"
	if near != "" {
		place = fmt.Sprintf("at %q", near)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "FilterInvalid", What: what, Why: place + ": " + fmt.Sprintf(format, args...),
		Fix: "write clauses such as metrics.accuracy > 0.9 AND params.lr = '0.1', joined by AND", Field: field,
	}
}

func unsupported(why string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "FilterUnsupported", What: "the filter cannot be answered",
		Why: why, Fix: "search by metrics, params, tags or attributes", Field: "filter",
	}
}
