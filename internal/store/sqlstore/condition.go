package sqlstore

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/run/query"
)

// headSize is how many characters of a label's value its index has.
const headSize = 100

// conditions writes clauses of a search about the run in the table or alias run, whose ULID is in id.
type conditions struct {
	*where
	run, id string
	sqlite  bool
}

func newConditions(w *where, run string) conditions { return conditions{w, run, run + ".id", false} }

// nothing is the condition that no run meets.
const nothing = "1 = 0"

func (c conditions) clause(q query.Clause) string {
	switch q.Field {
	case query.Metric:
		return c.exists(q, "metric", c.metric("x", q))
	case query.Param, query.Tag:
		return c.exists(q, "run_label", c.label("x", q))
	}
	if column, ok := timeColumns[q.Name]; ok {
		return c.time(c.run+"."+column, q)
	}
	column, ok := textColumns[q.Name]
	if !ok {
		return nothing
	}
	column = c.run + "." + column
	if q.Op == query.IsNull {
		return column + " = ''"
	}
	return column + " <> '' AND " + c.text(column, q)
}

var textColumns = map[string]string{
	query.RunID: "name", query.RunName: "display", query.Status: "state", query.UserID: "owner",
}

var timeColumns = map[string]string{query.StartTime: "started", query.EndTime: "ended"}

// exists asks for a row of the run that meets a condition, or for none at all.
func (c conditions) exists(q query.Clause, table, condition string) string {
	not := ""
	if q.Op == query.IsNull {
		not = "NOT "
	}
	return fmt.Sprintf("%sEXISTS (SELECT 1 FROM %s x WHERE x.run = %s AND %s)", not, table, c.id, condition)
}

// metric is what the row of a metric in an alias has to meet.
func (c conditions) metric(alias string, q query.Clause) string {
	text := alias + ".name = " + c.arg(q.Name)
	switch q.Op {
	case query.IsNull, query.IsNotNull:
		return text
	case query.NotEqual:
		return fmt.Sprintf("%s AND (%s.value <> %s OR %s)", text, alias, c.number(q.Number), notNumber(alias))
	}
	return fmt.Sprintf("%s AND %s.value %s %s", text, alias, q.Op, c.number(q.Number))
}

// notNumber is true of a metric that is a scalar and NaN.
func notNumber(alias string) string {
	return alias + ".value IS NULL AND " + alias + ".kind IN ('', 'scalar')"
}

func (c conditions) number(v float64) string { return "CAST(" + c.arg(v) + " AS DOUBLE PRECISION)" }

// label is what the row of a label in an alias has to meet.
func (c conditions) label(alias string, q query.Clause) string {
	text := fmt.Sprintf("%s.kind = '%s' AND %s.name = %s", alias, q.Field, alias, c.arg(q.Name))
	if q.Op == query.IsNull || q.Op == query.IsNotNull {
		return text
	}
	value := alias + ".value"
	if short(q) {
		value = head(alias)
	} else if q.Op == query.Equal {
		text += " AND " + head(alias) + " = " + c.arg(string([]rune(q.Value)[:headSize]))
	}
	return text + " AND " + c.text(value, q)
}

// head is the part of a label's value that is in the index.
func head(alias string) string { return fmt.Sprintf("substr(%s.value, 1, %d)", alias, headSize) }

// short reports whether the beginning of a value is enough to compare it: it is no shorter than what it is
// compared with, so that a longer value differs in it.
func short(q query.Clause) bool {
	switch q.Op {
	case query.Equal, query.NotEqual:
		return utf8.RuneCountInString(q.Value) < headSize
	case query.In, query.NotIn:
		for _, v := range q.Values {
			if utf8.RuneCountInString(v) >= headSize {
				return false
			}
		}
		return true
	}
	return false
}

// text compares a text.
func (c conditions) text(value string, q query.Clause) string {
	switch q.Op {
	case query.Equal, query.NotEqual:
		return value + map[query.Op]string{query.Equal: " = ", query.NotEqual: " <> "}[q.Op] + c.arg(q.Value)
	case query.Like:
		if c.sqlite { // its LIKE takes a for A
			return value + " GLOB " + c.arg(glob(q.Value))
		}
		return value + " LIKE " + c.arg(q.Value) + " ESCAPE ''"
	case query.ILike:
		if c.sqlite {
			return value + " LIKE " + c.arg(q.Value)
		}
		return "lower(" + value + ") LIKE lower(" + c.arg(q.Value) + `) ESCAPE ''`
	case query.In, query.NotIn:
		marks := make([]string, len(q.Values))
		for i, v := range q.Values {
			marks[i] = c.arg(v)
		}
		return value + " " + string(q.Op) + " (" + strings.Join(marks, ", ") + ")"
	case query.IsNotNull:
		return "1 = 1"
	}
	return nothing
}

// glob is a pattern of LIKE as SQLite's GLOB reads it.
func glob(pattern string) string {
	return strings.NewReplacer("%", "*", "_", "?", "*", "[*]", "?", "[?]", "[", "[[]").Replace(pattern)
}

// time compares milliseconds with a column of microseconds, 0 of which is no time. It asks for a range of the
// column, so that its index serves.
func (c conditions) time(column string, q query.Clause) string {
	const most = 9e15
	v := max(-most, min(most, q.Number))
	low, high := int64(math.Floor(v)), int64(math.Ceil(v))
	known := column + " > 0"
	switch q.Op {
	case query.IsNull:
		return column + " = 0"
	case query.IsNotNull:
		return known
	case query.Less:
		return known + " AND " + column + " < " + c.arg(high*1000)
	case query.LessEqual:
		return known + " AND " + column + " < " + c.arg((low+1)*1000)
	case query.Greater:
		return known + " AND " + column + " >= " + c.arg((low+1)*1000)
	case query.GreaterEqual:
		return known + " AND " + column + " >= " + c.arg(high*1000)
	case query.Equal:
		if low != high {
			return nothing
		}
		return fmt.Sprintf("%s AND %s >= %s AND %s < %s", known, column, c.arg(low*1000), column, c.arg((low+1)*1000))
	case query.NotEqual:
		if low != high {
			return known
		}
		return fmt.Sprintf("%s AND (%s < %s OR %s >= %s)", known, column, c.arg(low*1000), column, c.arg((low+1)*1000))
	}
	return nothing
}
