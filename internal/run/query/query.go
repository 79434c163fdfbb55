// Package query is the language in which runs are searched, which is MLflow's: clauses joined by AND, such as
//
//	metrics.accuracy > 0.9 AND params."learning rate" = '0.1' AND attributes.status != 'Failed'
//
// and orders, such as "metrics.accuracy DESC". It knows no database: stores and faces share it.
package query

import (
	"fmt"
	"math"
	"strings"
)

// Field says what a clause or an order looks at.
type Field string

const (
	Attribute Field = "attribute"
	Metric    Field = "metric" // its latest value
	Param     Field = "param"
	Tag       Field = "tag"
)

// The names of attributes. Times are in milliseconds since 1970.
const (
	RunID     = "run_id"
	RunName   = "run_name"
	Status    = "status"
	UserID    = "user_id"
	StartTime = "start_time"
	EndTime   = "end_time"
	Artifacts = "artifact_uri" // for faces: stores do not know it
)

// Op compares.
type Op string

const (
	Equal        Op = "="
	NotEqual     Op = "!="
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Like         Op = "LIKE"  // % stands for any text, _ for any character
	ILike        Op = "ILIKE" // LIKE that takes a-z for A-Z
	In           Op = "IN"
	NotIn        Op = "NOT IN"
	IsNull       Op = "IS NULL"
	IsNotNull    Op = "IS NOT NULL"
)

// Clause is one condition. A run without the metric, parameter or tag, or with a time that is not known yet,
// meets none but IsNull; so does a metric that is not a number, but for NotEqual.
type Clause struct {
	Field  Field
	Name   string
	Op     Op
	Value  string   // of texts
	Number float64  // of metrics and times
	Values []string // of In and NotIn
}

// Order is one column that a list is sorted by. Whatever Desc says, what is missing comes last, and before it
// the metrics that are no numbers.
type Order struct {
	Field Field
	Name  string
	Desc  bool
}

// Numeric reports whether what a field of that name holds is compared as a number.
func Numeric(f Field, name string) bool {
	return f == Metric || f == Attribute && (name == StartTime || name == EndTime)
}

// String returns the clause in the language.
func (c Clause) String() string {
	left := reference(c.Field, c.Name) + " " + string(c.Op)
	switch c.Op {
	case IsNull, IsNotNull:
		return left
	case In, NotIn:
		quoted := make([]string, len(c.Values))
		for i, v := range c.Values {
			quoted[i] = quote(v)
		}
		return left + " (" + strings.Join(quoted, ", ") + ")"
	}
	if Numeric(c.Field, c.Name) {
		return left + " " + number(c.Number)
	}
	return left + " " + quote(c.Value)
}

// String returns the order in the language.
func (o Order) String() string {
	if o.Desc {
		return reference(o.Field, o.Name) + " DESC"
	}
	return reference(o.Field, o.Name) + " ASC"
}

func reference(f Field, name string) string {
	if plain(name) {
		return string(f) + "." + name
	}
	if strings.Contains(name, "`") {
		return string(f) + `."` + name + `"`
	}
	return string(f) + ".`" + name + "`"
}

func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) })
}

func quote(v string) string {
	if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
		return `"` + v + `"`
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}

func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%g", v)
}
