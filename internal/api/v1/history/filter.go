package history

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
)

// The filters of azureml-core look like OData, but for their values, which stand without quotes and may hold
// anything: (RunType eq azureml.scriptrun or Properties/azureml.runsource eq azureml.scriptrun),
// (Tags/owner eq "ada"), (Tags/owner ne null or Tags/owner eq null), RunId eq a or RunId eq b.

// expr is a filter; a nil one is met by all.
type expr interface{ match(f fields) bool }

// fields looks for what a path names; ok is false for what is missing.
type fields func(path string) (value string, ok bool)

type (
	and  []expr
	or   []expr
	test struct {
		path, op, value string
		null            bool // the value is null
	}
	exists string // there is a tag or property of this path, which may be null
)

func (l and) match(f fields) bool {
	return !slices.ContainsFunc(l, func(e expr) bool { return !e.match(f) })
}

func (l or) match(f fields) bool {
	return slices.ContainsFunc(l, func(e expr) bool { return e.match(f) })
}

func (p exists) match(f fields) bool {
	_, ok := f(string(p))
	return ok
}

func (t test) match(f fields) bool {
	got, ok := f(t.path)
	if t.null {
		return (t.op == "eq") == (!ok || got == "")
	}
	if !ok {
		return t.op == "ne"
	}
	c := strings.Compare(got, t.value)
	if a, err := parseTime(got); err == nil {
		if b, err := parseTime(t.value); err == nil {
			c = a.Compare(b)
		}
	}
	switch t.op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	}
	return c <= 0
}

// filter is an expr whose nil is met by all.
type filter struct{ expr }

func (f *filter) match(g fields) bool { return f == nil || f.expr == nil || f.expr.match(g) }

const (
	filterMost = 64 << 10 // bytes
	depthMost  = 50
)

// parseFilter reads a filter; an empty one is nil. It fails with fault.Invalid, Reason "FilterInvalid".
func parseFilter(text string) (*filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	p := &parser{text: text}
	if len(text) > filterMost {
		return nil, p.bad("it is too long")
	}
	e, err := p.any(0)
	if err == nil && strings.TrimSpace(p.text[p.at:]) != "" {
		err = p.bad("its end is expected")
	}
	return &filter{e}, err
}

type parser struct {
	text string
	at   int
}

func (p *parser) bad(why string) error {
	near := p.text[min(p.at, len(p.text)):]
	return &fault.Error{
		Code: fault.Invalid, Reason: "FilterInvalid", What: "the filter cannot be read",
		Why: fmt.Sprintf("at %.40q: %s", near, why), Fix: `write such as (Status eq Completed) and (Tags/owner eq "ada")`, Field: "filter",
	}
}

// word takes a word between spaces, if it comes next.
func (p *parser) word(w string) bool {
	rest := strings.TrimLeft(p.text[p.at:], " ")
	if len(rest) <= len(w) || !strings.EqualFold(rest[:len(w)], w) || rest[len(w)] != ' ' && rest[len(w)] != '(' {
		return false
	}
	p.at = len(p.text) - len(rest) + len(w)
	return true
}

func (p *parser) any(depth int) (expr, error) {
	list := or{}
	for {
		e, err := p.all(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.word("or") {
			return simple(list), nil
		}
	}
}

func (p *parser) all(depth int) (expr, error) {
	list := and{}
	for {
		e, err := p.one(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if !p.word("and") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

// simple knows how the SDK asks whether there is a tag: it is null or it is not.
func simple(list or) expr {
	if len(list) == 1 {
		return list[0]
	}
	if len(list) == 2 {
		a, first := list[0].(test)
		b, second := list[1].(test)
		if first && second && a.path == b.path && a.null && b.null && a.op != b.op {
			return exists(a.path)
		}
	}
	return list
}

func (p *parser) one(depth int) (expr, error) {
	p.at = len(p.text) - len(strings.TrimLeft(p.text[p.at:], " "))
	if depth > depthMost {
		return nil, p.bad("there are too many brackets")
	}
	if !strings.HasPrefix(p.text[p.at:], "(") {
		return p.comparison()
	}
	p.at++
	e, err := p.any(depth + 1)
	if err != nil {
		return nil, err
	}
	p.at = len(p.text) - len(strings.TrimLeft(p.text[p.at:], " "))
	if !strings.HasPrefix(p.text[p.at:], ")") {
		return nil, p.bad("a bracket is not closed")
	}
	p.at++
	return e, nil
}

var (
	operator = regexp.MustCompile(`(?i) (eq|ne|gt|ge|lt|le) `)
	joint    = regexp.MustCompile(`(?i)^ (and|or) (\(|[a-z][a-z0-9]*(/[^()"]{1,250}?)? (eq|ne|gt|ge|lt|le) )`)
)

func (p *parser) comparison() (expr, error) {
	rest := p.text[p.at:]
	m := operator.FindStringSubmatchIndex(rest)
	if m == nil || strings.ContainsAny(rest[:m[0]], `()"`) {
		return nil, p.bad("a comparison such as Status eq Completed is expected")
	}
	t := test{path: rest[:m[0]], op: strings.ToLower(rest[m[2]:m[3]])}
	value := rest[m[1]:]
	end := valueEnd(value)
	p.at += m[1] + end
	if t.value = strings.TrimSpace(value[:end]); t.value == "null" {
		t.null, t.value = true, ""
	}
	if n := len(t.value); n > 1 && (t.value[0] == '"' || t.value[0] == '\'') && t.value[n-1] == t.value[0] {
		t.value = t.value[1 : n-1]
	}
	return t, nil
}

// valueEnd finds where a value ends. One in quotes ends at the quote after which something may follow;
// another at a bracket that closes more than it opens, or before an "and" or "or" with a comparison behind.
func valueEnd(s string) int {
	depth, quoted := 0, s != "" && s[0] == '"'
	for i := range len(s) {
		switch {
		case quoted && i > 0 && s[i] == '"' && (i+1 == len(s) || s[i+1] == ')' || joint.MatchString(s[i+1:])):
			return i + 1
		case quoted:
		case s[i] == '(':
			depth++
		case s[i] == ')' && depth == 0:
			return i
		case s[i] == ')':
			depth--
		case s[i] == ' ' && depth == 0 && joint.MatchString(s[i:min(len(s), i+512)]):
			return i
		}
	}
	return len(s)
}

// narrow moves into f what the store selects by, and returns what is left to look at.
func (w *filter) narrow(f *run.Filter) *filter {
	if w == nil || w.expr == nil {
		return nil
	}
	list, ok := w.expr.(and)
	if !ok {
		list = and{w.expr}
	}
	var left and
	for _, e := range list {
		if inner, ok := e.(and); ok {
			if rest := (&filter{inner}).narrow(f); rest != nil {
				left = append(left, rest.expr)
			}
		} else if !taken(f, e) {
			left = append(left, e)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return &filter{left}
}

// taken reports whether the store's filter now asks for the same.
func taken(f *run.Filter, e expr) bool {
	if path, ok := e.(exists); ok {
		tag, ok := cutFold(string(path), "Tags/")
		return ok && where(f, query.Clause{Field: query.Tag, Name: tag, Op: query.IsNotNull})
	}
	t, ok := e.(test)
	if !ok || t.op != "eq" {
		return false
	}
	if tag, ok := cutFold(t.path, "Tags/"); ok {
		return !t.null && where(f, query.Clause{Field: query.Tag, Name: tag, Op: query.Equal, Value: t.value})
	}
	switch strings.ToLower(t.path) {
	case "parentrunid":
		if f.Top = f.Top || t.null; !t.null && f.Parent == "" {
			f.Parent = t.value
		}
		return t.null || f.Parent == t.value
	case "rootrunid":
		if f.Root == "" {
			f.Root = t.value
		}
		return f.Root == t.value
	case "status":
		s, known := states[t.value]
		if known && words[s] == t.value && f.State == "" {
			f.State = s
		}
		return known && f.State == s && words[s] == t.value
	case "runid":
		return where(f, query.Clause{Field: query.Attribute, Name: query.RunID, Op: query.Equal, Value: t.value})
	}
	return false
}

func where(f *run.Filter, c query.Clause) bool {
	if len(f.Where) >= query.MaxClauses {
		return false
	}
	f.Where = append(f.Where, c)
	return true
}

// kindOf looks into the new form of a run's type: RunTypeV2/Orchestrator, RunTypeV2/Traits/NAME.
func kindOf(d dto, path string) (string, bool) {
	raw, _ := d["runTypeV2"].(json.RawMessage)
	var v struct {
		Orchestrator string
		Traits       []string
	}
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	if trait, ok := cutFold(path, "RunTypeV2/Traits/"); ok {
		return "", slices.Contains(v.Traits, trait)
	}
	return v.Orchestrator, strings.EqualFold(path, "RunTypeV2/Orchestrator")
}

// textOf returns a field that is a text, also as it was kept.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *string:
		if v != nil {
			return *v
		}
	case json.RawMessage:
		var s string
		_ = json.Unmarshal(v, &s) // what is no text equals none
		return s
	}
	return ""
}
