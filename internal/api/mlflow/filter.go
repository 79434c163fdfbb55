package mlflow

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/run/query"
)

// Lists that are short are searched here: experiments, models, versions and logged models. Runs are
// searched by the store.

// viewType says whether deleted things are wanted: a name or a number of MLflow's enum.
type viewType string

func (v *viewType) UnmarshalJSON(raw []byte) error {
	*v = viewType(strings.Trim(string(raw), `"`))
	return nil
}

func (v viewType) view() run.View {
	switch v {
	case "DELETED_ONLY", "2":
		return run.DeletedOnly
	case "ALL", "3":
		return run.All
	}
	return run.Live
}

// Kinds of fields.
const (
	attribute   = "attribute"
	tagField    = "tag"
	paramField  = "param"
	metricField = "metric"
)

var kinds = map[string]string{
	"attribute": attribute, "attributes": attribute, "attr": attribute, "run": attribute,
	"tag": tagField, "tags": tagField, "param": paramField, "params": paramField, "parameter": paramField, "parameters": paramField,
	"metric": metricField, "metrics": metricField,
}

// field is what a clause or an order looks at.
type field struct{ kind, name string }

type condition struct {
	field
	clause query.Clause
}

// searcher searches a list in memory.
type searcher[T any] struct {
	names map[string]bool                                           // the attributes; true: numbers
	field func(t T, f field) (text string, number float64, ok bool) // what it holds
	order func(x, y T) int                                          // unless the request says, and between equals
}

// search returns the page that is asked for.
func (s searcher[T]) search(all []T, q searchRequest, most int) (page []T, next string, err error) {
	limit := most
	if q.Max != nil {
		limit = int(*q.Max)
	}
	if limit < 1 || limit > most {
		return nil, "", invalid("max_results", strconv.Itoa(limit), "It must be at least 1 and at most "+strconv.Itoa(most))
	}
	where, err := s.parse(q.Filter)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(t T) bool {
		return slices.ContainsFunc(where, func(c condition) bool { return !s.meets(t, c) })
	})
	if err := s.sort(all, q.Order); err != nil {
		return nil, "", err
	}
	from, err := offsetOf(q.Page)
	if err != nil {
		return nil, "", err
	}
	from = min(from, len(all))
	to := min(from+limit, len(all))
	if to < len(all) {
		next = "o" + strconv.Itoa(to)
	}
	return all[from:to], next, nil
}

func offsetOf(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(token, "o"))
	if err != nil || n < 0 {
		return 0, invalid("page_token", `"`+shortened(token)+`"`, "it is none that this server gave")
	}
	return n, nil
}

func (s searcher[T]) numeric(f field) bool {
	return f.kind == metricField || f.kind == attribute && s.names[f.name]
}

func (s searcher[T]) meets(t T, c condition) bool {
	text, number, ok := s.field(t, c.field)
	switch {
	case !ok && c.name == promptTag && c.clause.Op == query.NotEqual:
		return true // clients add this condition to find models that are no prompts
	case !ok:
		return c.clause.MatchMissing()
	case s.numeric(c.field):
		return c.clause.MatchNumber(number)
	}
	return c.clause.Match(text)
}

func (s searcher[T]) sort(all []T, orders []string) error {
	type column struct {
		field
		desc bool
	}
	var columns []column
	for _, text := range orders {
		name, desc := strings.TrimSpace(text), false
		if i := strings.LastIndexByte(name, ' '); i > 0 {
			switch strings.ToUpper(name[i+1:]) {
			case "DESC":
				name, desc = strings.TrimSpace(name[:i]), true
			case "ASC":
				name = strings.TrimSpace(name[:i])
			}
		}
		f, err := s.fieldOf(name)
		if err != nil {
			return err
		}
		columns = append(columns, column{f, desc})
	}
	slices.SortStableFunc(all, func(x, y T) int {
		for _, c := range columns {
			if n := s.compare(x, y, c.field, c.desc); n != 0 {
				return n
			}
		}
		return s.order(x, y)
	})
	return nil
}

// compare puts what is missing last, whichever way.
func (s searcher[T]) compare(x, y T, f field, desc bool) int {
	tx, nx, okx := s.field(x, f)
	ty, ny, oky := s.field(y, f)
	if s.numeric(f) {
		okx, oky = okx && !math.IsNaN(nx), oky && !math.IsNaN(ny)
	}
	if okx != oky || !okx {
		return cmp.Compare(truth(oky), truth(okx))
	}
	n := cmp.Or(strings.Compare(tx, ty), cmp.Compare(nx, ny))
	if f.name == "version_number" {
		n = cmp.Compare(nx, ny)
	}
	if desc {
		return -n
	}
	return n
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tokens of the filter language: texts in quotes, names (with backticks where they hold more), lists,
// and operators.
var tokenForm = regexp.MustCompile("^\\s*(?:" +
	"('(?:[^']|'')*')|(\"[^\"]*\")|((?:[\\w]+\\.)?`[^`]*`|(?:[\\w]+\\.)\"[^\"]*\"|[\\w.\\-/:+]+)|(!=|<>|<=|>=|=|<|>|\\(|\\)|,))")

type token struct {
	text   string
	quoted bool
	op     bool
}

func tokens(filter string) ([]token, error) {
	var out []token
	for rest := filter; strings.TrimSpace(rest) != ""; {
		m := tokenForm.FindStringSubmatch(rest)
		if m == nil || m[0] == "" {
			return nil, badFilter(filter, "it cannot be read from "+shortened(strings.TrimSpace(rest))+" on")
		}
		rest = rest[len(m[0]):]
		switch {
		case m[1] != "":
			out = append(out, token{text: strings.ReplaceAll(m[1][1:len(m[1])-1], "''", "'"), quoted: true})
		case m[2] != "":
			out = append(out, token{text: m[2][1 : len(m[2])-1], quoted: true})
		case m[3] != "":
			out = append(out, token{text: m[3]})
		default:
			out = append(out, token{text: m[4], op: true})
		}
	}
	return out, nil
}

func badFilter(filter, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "FilterInvalid", What: "Invalid filter string: " + shortened(filter),
		Why: why, Fix: `write NAME = 'value', joined by AND`, Field: "filter",
	}
}

// parse reads a filter: clauses joined by AND.
func (s searcher[T]) parse(filter string) ([]condition, error) {
	list, err := tokens(filter)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var out []condition
	for len(list) > 0 {
		if len(list) < 3 {
			return nil, badFilter(filter, "a clause is a name, an operator and a value")
		}
		f, err := s.fieldOf(list[0].text)
		if err != nil {
			return nil, err
		}
		c, n, why := s.clause(f, list)
		if why != "" {
			return nil, badFilter(filter, why)
		}
		out, list = append(out, condition{f, c}), list[n:]
		if len(list) > 0 {
			if !strings.EqualFold(list[0].text, "AND") || list[0].quoted || len(list) == 1 {
				return nil, badFilter(filter, "clauses are joined by AND")
			}
			list = list[1:]
		}
	}
	return out, nil
}

// clause reads one clause and says how many tokens it took.
func (s searcher[T]) clause(f field, list []token) (c query.Clause, n int, why string) {
	c = query.Clause{Field: query.Tag, Name: f.name, Op: query.Op(strings.ToUpper(list[1].text))}
	if s.numeric(f) {
		c.Field = query.Metric
	}
	n = 2
	switch c.Op {
	case "<>":
		c.Op = query.NotEqual
	case "NOT":
		c.Op, n = query.NotIn, 3
		if !strings.EqualFold(list[2].text, "IN") {
			return c, 0, "after NOT comes IN"
		}
	case "IS":
		return isNull(c, list)
	case query.Equal, query.NotEqual, query.Less, query.LessEqual, query.Greater, query.GreaterEqual, query.Like, query.ILike, query.In:
	default:
		return c, 0, fmt.Sprintf("%s is no operator", shortened(list[1].text))
	}
	if c.Op == query.In || c.Op == query.NotIn {
		c.Values, n, why = values(list, n)
		return c, n, why
	}
	v := list[n]
	if s.numeric(f) {
		number, ok := parseDouble(v.text)
		if !ok || v.quoted {
			return c, 0, "numbers are compared with numbers"
		}
		c.Number = number
		return c, n + 1, ""
	}
	if !v.quoted {
		return c, 0, "values of texts stand in quotes"
	}
	c.Value = v.text
	return c, n + 1, ""
}

func isNull(c query.Clause, list []token) (query.Clause, int, string) {
	if strings.EqualFold(list[2].text, "NULL") {
		c.Op = query.IsNull
		return c, 3, ""
	}
	if len(list) > 3 && strings.EqualFold(list[2].text, "NOT") && strings.EqualFold(list[3].text, "NULL") {
		c.Op = query.IsNotNull
		return c, 4, ""
	}
	return c, 0, "after IS comes NULL or NOT NULL"
}

func values(list []token, n int) (out []string, end int, why string) {
	if n >= len(list) || list[n].text != "(" {
		return nil, 0, "a list stands in parentheses"
	}
	for n++; n < len(list); n++ {
		switch {
		case list[n].quoted:
			out = append(out, list[n].text)
		case list[n].text == ")":
			return out, n + 1, ""
		case list[n].text != ",":
			return nil, 0, "values of texts stand in quotes"
		}
	}
	return nil, 0, "a list is not closed"
}

// fieldOf reads a name: "name", "tags.stage", "tag.`a b`".
func (s searcher[T]) fieldOf(text string) (field, error) {
	unquote := func(v string) string {
		if len(v) > 1 && (v[0] == '`' || v[0] == '"') {
			return v[1 : len(v)-1]
		}
		return v
	}
	if prefix, name, ok := strings.Cut(text, "."); ok {
		if kind, ok := kinds[strings.ToLower(prefix)]; ok {
			f := field{kind, unquote(name)}
			if _, known := s.names[f.name]; kind == attribute && !known {
				return f, badFilter(text, "there is no attribute "+shortened(f.name))
			}
			return f, nil
		}
	}
	f := field{attribute, unquote(text)}
	if _, ok := s.names[f.name]; !ok {
		return f, badFilter(text, "there is no attribute "+shortened(f.name))
	}
	return f, nil
}
