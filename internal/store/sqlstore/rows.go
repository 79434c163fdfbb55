package sqlstore

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The forms of values that several records hold. Names in JSON stay: add, never rename.

type faultRow struct {
	Code       fault.Code    `json:"code"`
	Reason     string        `json:"reason"`
	What       string        `json:"what"`
	Why        string        `json:"why"`
	Fix        string        `json:"fix"`
	Evidence   []string      `json:"evidence,omitempty"`
	Field      string        `json:"field,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// encodeFault leaves the underlying error out: it is for the log.
func encodeFault(e *fault.Error) *faultRow {
	if e == nil {
		return nil
	}
	return &faultRow{e.Code, e.Reason, e.What, e.Why, e.Fix, e.Evidence, e.Field, e.RetryAfter}
}

func (r *faultRow) decode() *fault.Error {
	if r == nil {
		return nil
	}
	return &fault.Error{
		Code: r.Code, Reason: r.Reason, What: r.What, Why: r.Why, Fix: r.Fix,
		Evidence: r.Evidence, Field: r.Field, RetryAfter: r.RetryAfter,
	}
}

type conditionRow struct {
	Type    string `json:"type"`
	OK      bool   `json:"ok,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Since   micros `json:"since,omitempty"`
}

type definitionRow struct {
	Conda       []byte            `json:"conda,omitempty"`
	Pip         []string          `json:"pip,omitempty"`
	Python      string            `json:"python,omitempty"`
	Exact       bool              `json:"exact,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	UserManaged bool              `json:"user_managed,omitempty"`
	Interpreter string            `json:"interpreter,omitempty"`
	BaseImage   string            `json:"base_image,omitempty"`
	Dockerfile  []byte            `json:"dockerfile,omitempty"`
}

func encodeDefinition(d driver.Definition) definitionRow {
	return definitionRow{
		d.Conda, d.Pip, d.Python, d.Exact, d.Env, d.UserManaged, d.Interpreter, d.BaseImage, d.Dockerfile,
	}
}

func (r definitionRow) decode() driver.Definition {
	return driver.Definition{
		Conda: r.Conda, Pip: r.Pip, Python: r.Python, Exact: r.Exact, Env: r.Env,
		UserManaged: r.UserManaged, Interpreter: r.Interpreter, BaseImage: r.BaseImage, Dockerfile: r.Dockerfile,
	}
}

type runtimeRow struct {
	Image  string `json:"image,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Python string `json:"python,omitempty"`
}

// list converts a slice; nil stays nil.
func list[A, B any](in []A, convert func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

// options are JSON values whose whole numbers are int64, as drivers expect them.
type options map[string]any

// UnmarshalJSON keeps whole numbers whole.
func (o *options) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	for k, v := range m {
		m[k] = number(v)
	}
	*o = m
	return nil
}

func number(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = number(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = number(v[k])
		}
	}
	return v
}

var lineSafe = strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\x00", "\\0")

// lines joins texts so that a whole one is found by strpos: each stands between line breaks.
func lines(texts []string) string {
	var b strings.Builder
	for _, s := range texts {
		b.WriteString("\n" + lineSafe.Replace(s))
	}
	if len(texts) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}
