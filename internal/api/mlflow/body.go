package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// decode reads a request's message: the query of a GET, else the JSON body. Numbers may be strings, as
// protobuf's JSON has them, fields may be in camel case, and unknown ones are left alone.
func decode[T any](r *http.Request) (in T, err error) {
	if r.Method == http.MethodGet {
		raw, err := fromQuery(r.URL.Query(), reflect.TypeFor[T]())
		if err != nil {
			return in, err
		}
		return in, badBody(json.Unmarshal(raw, &in), raw, reflect.TypeFor[T]())
	}
	raw, err := body(r)
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return in, err
	}
	return in, badBody(json.Unmarshal(raw, &in), raw, reflect.TypeFor[T]())
}

func body(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(r.Body)
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "BodyTooLarge", What: "the server does not take this request",
			Why: fmt.Sprintf("its body is larger than %d bytes", large.Limit), Fix: "log less at once, or as a file",
		}
	}
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Unavailable, Reason: "BodyCutOff", What: "the server could not read the request",
			Why: "its body ended too early", Fix: "send it again", Err: err,
		}
	}
	return raw, nil
}

// badBody says which field of a message is wrong, and what it was.
func badBody(err error, raw []byte, t reflect.Type) error {
	if err == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil {
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			value, ok := fields[name]
			if !ok && name == "run_id" {
				return missing(name) // it comes first, whatever else is wrong
			}
			if !ok || f.Anonymous {
				continue
			}
			if json.Unmarshal(value, reflect.New(f.Type).Interface()) != nil {
				return invalid(name, string(value), "it should be "+typeName(f.Type))
			}
		}
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "BodyInvalid", What: "the server does not understand the request",
		Why: "its body is no object of JSON: " + err.Error(), Fix: "send an object of JSON",
	}
}

func typeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		return "a list, each as MLflow has it"
	case reflect.Float64:
		return "a number of 64 bits"
	case reflect.Int64:
		return "an integer of 64 bits"
	case reflect.Bool:
		return "true or false"
	}
	return "a text"
}

// fromQuery makes JSON of a query: a repeated field is a list even if it comes once.
func fromQuery(q url.Values, t reflect.Type) ([]byte, error) {
	out := map[string]any{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		values, ok := q[name]
		switch {
		case !ok || len(values) == 0 || f.Anonymous:
		case f.Type.Kind() == reflect.Slice:
			out[name] = values
		default:
			out[name] = values[0]
		}
	}
	return json.Marshal(out)
}

// integer is an int64 or a 32-bit one, sent as a number or as a string.
type integer int64

func (n *integer) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	if text == "null" {
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64) // 1e3 and 1.0 are integers in protobuf's JSON
		if v = int64(f); ferr != nil || float64(v) != f {
			return invalid("", shortened(string(raw)), "it should be an integer of 64 bits")
		}
	}
	*n = integer(v)
	return nil
}

// flag is a bool, sent as one or as a string.
type flag bool

func (b *flag) UnmarshalJSON(raw []byte) error {
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true":
		*b = true
	case "false", "null":
		*b = false
	default:
		return invalid("", shortened(string(raw)), "it should be true or false")
	}
	return nil
}

// writeJSON answers with a message; nil is the empty one.
func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if v == nil {
		_, _ = io.WriteString(w, "{}") // the caller may have gone
		return
	}
	encode(w, v)
}

func encode(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the caller may have gone
}
