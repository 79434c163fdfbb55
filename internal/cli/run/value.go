package run

import (
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
)

// value is a metric of a run in few letters; "" if it has none.
func value(r client.Run, name string) string {
	v, ok := r.Metrics[name]
	if !ok {
		return ""
	}
	return strconv.FormatFloat(float64(v), 'g', 6, 64)
}

// orderOf is what a list is sorted by: a column in the language of filters, or the name of a metric or an
// attribute alone. A minus before it is DESC.
func orderOf(sort string) string {
	sort, desc := strings.CutPrefix(strings.TrimSpace(sort), "-")
	name, rest, _ := strings.Cut(sort, " ")
	switch name {
	case "run_id", "run_name", "status", "user_id", "start_time", "end_time":
	default:
		if !strings.ContainsAny(name, ".`\"") {
			name = "metrics." + name
		}
	}
	if desc {
		rest = "DESC"
	}
	return strings.TrimSpace(name + " " + rest)
}
