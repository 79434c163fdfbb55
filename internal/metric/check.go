package metric

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What one point may be.
const (
	MaxName = 250     // bytes
	MaxKind = 64      // bytes
	MaxData = 1 << 20 // bytes
)

// Check says whether points can be kept. It fails with fault.Invalid, Reason "MetricNameInvalid",
// "MetricKindInvalid", "MetricDataInvalid" or "MetricTimeInvalid".
func Check(batch []Point) error {
	for i, p := range batch {
		if err := p.check(); err != nil {
			err.Field = fmt.Sprintf("points[%d].%s", i, err.Field)
			return err
		}
	}
	return nil
}

func (p Point) check() *fault.Error {
	switch {
	case !nameOK(p.Name):
		return invalidName(p.Name)
	case !kindOK(string(p.Kind)):
		return &fault.Error{
			Code: fault.Invalid, Reason: "MetricKindInvalid", What: fmt.Sprintf("cannot log the metric %q", p.Name),
			Why: fmt.Sprintf("its kind %q is none", p.Kind), Fix: "use scalar, list, table or image", Field: "kind",
		}
	case len(p.Data) > MaxData, len(p.Data) > 0 && !json.Valid(p.Data):
		return &fault.Error{
			Code: fault.Invalid, Reason: "MetricDataInvalid", What: fmt.Sprintf("cannot log the metric %q", p.Name),
			Why: "what a point holds is no JSON, or is more than 1 MiB", Fix: "write it into a file of the run's outputs instead", Field: "data",
		}
	case !timeOK(p.Time):
		return &fault.Error{
			Code: fault.Invalid, Reason: "MetricTimeInvalid", What: fmt.Sprintf("cannot log the metric %q", p.Name),
			Why: "its time is too far away to be counted in microseconds", Fix: "give the time in milliseconds since 1970", Field: "time",
		}
	}
	return nil
}

func nameOK(s string) bool {
	return s != "" && len(s) <= MaxName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func invalidName(name string) *fault.Error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "MetricNameInvalid", What: fmt.Sprintf("cannot log the metric %q", clip(name)),
		Why: "its name is empty, is longer than 250 bytes, has control characters, or is not UTF-8",
		Fix: "choose another name", Field: "name",
	}
}

func clip(s string) string {
	if len(s) <= MaxName {
		return s
	}
	return s[:MaxName] + "…"
}

func kindOK(s string) bool {
	return len(s) <= MaxKind && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '.' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') && (r < 'A' || r > 'Z')
	})
}

func timeOK(t time.Time) bool {
	return time.UnixMicro(t.UnixMicro()).Equal(t.Truncate(time.Microsecond))
}
