package arm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	bodyWithin = 30 * time.Second
	maxDepth   = 32
)

// body reads a request's JSON object; whole numbers are int64.
func (a *api) body(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin)) // a writer without deadlines is a test's
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.BodyLimit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "BodyTooLarge", What: "the request is too large",
			Why: fmt.Sprintf("its body has more than %d bytes", a.BodyLimit), Fix: "send less, or raise limits.body; run: zaffre config show",
		}
	}
	if err != nil {
		return nil, malformed("its body broke off")
	}
	return parse(raw)
}

func parse(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) {
		return nil, malformed("its body is not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var body map[string]any
	if err := d.Decode(&body); err != nil || body == nil {
		return nil, malformed("its body is no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("something follows its JSON object")
	}
	if depth(body) > maxDepth {
		return nil, malformed("its body is nested too deeply")
	}
	return whole(body).(map[string]any), nil
}

func malformed(why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "BodyMalformed", What: "the request cannot be understood", Why: why, Fix: "send a JSON object",
	}
}

func depth(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			n = max(n, depth(inner))
		}
		return n + 1
	case []any:
		for _, inner := range v {
			n = max(n, depth(inner))
		}
		return n + 1
	}
	return 0
}

func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// request is what a body asks of a compute target.
type request struct {
	typ        string // computeType as given
	namesOther bool   // it names a machine or service that is there already
	resource   string // the resource ID that it names
	unattached bool   // it says itself that nothing was attached: an answer of ours, sent back
	options    map[string]any
	foreign    foreign
}

// foreign is what a body says that no option takes: kept beside them and echoed. No secrets.
type foreign struct {
	Type     string         `json:"computeType"`
	Tags     map[string]any `json:"tags,omitempty"`
	Identity any            `json:"identity,omitempty"`
	Outer    map[string]any `json:"outer,omitempty"` // of properties
	Inner    map[string]any `json:"inner,omitempty"` // of properties.properties
}

// ours are members of "properties" that the server says; a client that echoes them means nothing by it.
var ours = []string{
	"computeType", "provisioningState", "provisioningErrors", "createdOn", "modifiedOn", "isAttachedCompute", "properties", "computeLocation",
}

// read takes a body apart without knowing its kind.
func read(body map[string]any) (q request, outer, inner map[string]any) {
	outer, _ = body["properties"].(map[string]any)
	outer = maps.Clone(outer)
	inner, _ = outer["properties"].(map[string]any)
	inner, _ = clone(inner).(map[string]any)
	q.typ = text(outer, "computeType")
	q.resource = text(outer, "resourceId")
	q.unattached = outer["isAttachedCompute"] == false
	q.namesOther = q.resource != "" || text(inner, "address") != ""
	q.foreign.Tags, _ = body["tags"].(map[string]any)
	q.foreign.Identity = body["identity"]
	for _, name := range ours {
		delete(outer, name)
	}
	return q, outer, inner
}

// take moves the values of a kind's options out of outer and inner; what stays there is foreign. Null and
// empty text are how the clients say nothing.
func (q *request) take(kind driver.Kind, outer, inner map[string]any) {
	q.options = map[string]any{}
	for _, o := range kind.Options {
		for _, place := range []map[string]any{inner, outer} {
			v, ok := pluck(place, strings.Split(o.Path, "."))
			if ok && v != nil && v != "" {
				q.options[o.Path] = fromWire(o, v)
			}
		}
	}
}

// keep stores what is left as foreign.
func (q *request) keep(name string, outer, inner map[string]any) []byte {
	redact(outer)
	redact(inner)
	redact(q.foreign.Tags)
	redact(q.foreign.Identity)
	q.foreign.Type, q.foreign.Outer, q.foreign.Inner = name, outer, inner
	q.foreign.prune()
	raw, _ := json.Marshal(q.foreign) // it came from JSON
	return raw
}

// pluck removes the value at a path from m, and the objects that it leaves empty.
func pluck(m map[string]any, path []string) (any, bool) {
	v, ok := m[path[0]]
	if !ok {
		return nil, false
	}
	if len(path) == 1 {
		delete(m, path[0])
		return v, true
	}
	below, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	v, ok = pluck(below, path[1:])
	if len(below) == 0 {
		delete(m, path[0])
	}
	return v, ok
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, inner := range v {
			out[k] = clone(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = clone(inner)
		}
		return out
	}
	return v
}
