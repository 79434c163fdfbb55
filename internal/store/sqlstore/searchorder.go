package sqlstore

import (
	"fmt"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/run/query"
)

// positionColumn is one of the expressions that a search sorts by. Together they differ between any two runs.
type positionColumn struct {
	expr  string
	bare  string // expr where the source is a phase: the row is there
	desc  bool
	float bool
	text  bool
}

// in returns the expression in a statement from a source.
func (c positionColumn) in(from source) string {
	if from.phase == nil || c.bare == "" {
		return c.expr
	}
	if c.bare == phaseClass {
		return strconv.FormatInt(*from.phase, 10)
	}
	if *from.phase > 0 {
		return nothingOf(c)
	}
	return c.bare
}

const zero = "CAST(0 AS DOUBLE PRECISION)"

// phaseClass stands for the class of the first column, which is the phase.
const phaseClass = "phase"

// nothingOf is what a column is for all that lack it.
func nothingOf(c positionColumn) string {
	if c.float {
		return zero
	}
	return "''"
}

func (c positionColumn) compare() string {
	if c.desc {
		return "<"
	}
	return ">"
}

func alias(i int) string { return fmt.Sprintf("o%d", i) }

// leftJoin brings in the metric or label that a column shows.
func leftJoin(w *where, a string, o query.Order) string {
	switch o.Field {
	case query.Metric:
		return fmt.Sprintf(" LEFT JOIN metric %s ON %s.run = r.id AND %s.name = %s", a, a, a, w.arg(o.Name))
	case query.Param, query.Tag:
		return fmt.Sprintf(" LEFT JOIN run_label %s ON %s.run = r.id AND %s.kind = '%s' AND %s.name = %s", a, a, a, o.Field, a, w.arg(o.Name))
	}
	return ""
}

// positionOf returns the columns of an order: for each of it a class, by which what is missing comes last
// however it is sorted, and the value; then the start, the last first, and the name.
func positionOf(order []query.Order) (columns []positionColumn) {
	started, named := false, false
	for i, o := range order {
		a := alias(i)
		switch {
		case o.Field == query.Metric:
			class := fmt.Sprintf("CASE WHEN %s.value IS NOT NULL THEN 0 WHEN %s.kind IN ('', 'scalar') THEN 1 ELSE 2 END", a, a)
			columns = append(columns, positionColumn{expr: class}, positionColumn{expr: "COALESCE(" + a + ".value, " + zero + ")", bare: a + ".value", desc: o.Desc, float: true})
		case o.Field != query.Attribute:
			columns = append(columns, positionColumn{expr: fmt.Sprintf("CASE WHEN %s.value IS NULL THEN 1 ELSE 0 END", a)},
				positionColumn{expr: "COALESCE(" + a + ".value, '')", bare: a + ".value", desc: o.Desc, text: true})
		case o.Name == query.StartTime:
			columns, started = append(columns, positionColumn{expr: "r.started", desc: o.Desc}), true
		case o.Name == query.RunID:
			columns, named = append(columns, positionColumn{expr: "r.name", desc: o.Desc, text: true}), true
		case o.Name == query.EndTime:
			columns = append(columns, lastIf("r.ended = 0"), positionColumn{expr: "r.ended", desc: o.Desc})
		case textColumns[o.Name] != "":
			column := "r." + textColumns[o.Name]
			columns = append(columns, lastIf(column+" = ''"), positionColumn{expr: column, desc: o.Desc, text: true})
		}
		if i > 0 || o.Field == query.Attribute {
			continue
		}
		columns[0].bare = phaseClass
	}
	for i := range columns[min(2, len(columns)):] {
		columns[i+2].bare = "" // only the first column has phases
	}
	if !started {
		columns = append(columns, positionColumn{expr: "r.started", desc: true})
	}
	if !named {
		columns = append(columns, positionColumn{expr: "r.name", text: true})
	}
	return columns
}

func lastIf(condition string) positionColumn {
	return positionColumn{expr: "CASE WHEN " + condition + " THEN 1 ELSE 0 END"}
}
