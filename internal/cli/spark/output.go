package spark

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
)

// MIME types of outputs. Source: Livy 0.7.1, whose %table has a type of its own.
const (
	typeText  = "text/plain"
	typeJSON  = "application/json"
	typeTable = "application/vnd.livy.table.v1+json"
)

// write prints the output of a statement, and why it failed.
func write(out, errout io.Writer, st client.Statement) {
	for _, kind := range slices.Sorted(maps.Keys(st.Output)) {
		value := st.Output[kind]
		switch kind {
		case typeText:
		case typeJSON, typeTable:
			value = table(value)
		default:
			value = fmt.Sprintf("(%s, %d bytes)", kind, len(value))
		}
		if value != "" {
			fmt.Fprintln(out, strings.TrimRight(value, "\n"))
		}
	}
	if st.State != "failed" {
		return
	}
	trace := strings.TrimRight(strings.Join(st.Trace, ""), "\n")
	if trace != "" {
		fmt.Fprintln(errout, trace)
	}
	if !strings.HasSuffix(trace, st.Error) {
		fmt.Fprintln(errout, st.Error)
	}
}

// rows are a table as Spark's SQL and Livy's %table give them.
type rows struct {
	Schema struct {
		Fields []named `json:"fields"`
	} `json:"schema"`
	Headers []named `json:"headers"`
	Data    [][]any `json:"data"`
}

type named struct {
	Name string `json:"name"`
}

// table writes rows with tabs between their values, under the names of the columns; other data stays as it is.
func table(value string) string {
	var r rows
	if json.Unmarshal([]byte(value), &r) != nil || len(r.Schema.Fields)+len(r.Headers) == 0 {
		return value
	}
	var lines, heads []string
	for _, f := range append(r.Schema.Fields, r.Headers...) {
		heads = append(heads, f.Name)
	}
	lines = append(lines, strings.Join(heads, "\t"))
	for _, row := range r.Data {
		var cells []string
		for _, v := range row {
			cells = append(cells, cell(v))
		}
		lines = append(lines, strings.Join(cells, "\t"))
	}
	return strings.Join(lines, "\n")
}

func cell(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}
