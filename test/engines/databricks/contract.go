package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// apiError is an answer that is no success, with the codes of the client's package apierr.
type apiError struct {
	Status  int    `json:"-"`
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func invalid(format string, a ...any) error {
	return &apiError{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", fmt.Sprintf(format, a...)}
}

func notThere(format string, a ...any) error {
	return &apiError{http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", fmt.Sprintf(format, a...)}
}

// body reads a request into the client's own type, and refuses every field that the type does not have.
func body[T any](r *http.Request) (in T, err error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 10<<20))
	if err != nil {
		return in, err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		b = []byte("{}")
	}
	var raw any
	if err := json.Unmarshal(b, &raw); err != nil {
		return in, &apiError{http.StatusBadRequest, "MALFORMED_REQUEST", err.Error()}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return in, &apiError{http.StatusBadRequest, "MALFORMED_REQUEST", err.Error()}
	}
	return in, known(reflect.TypeFor[T](), raw, "")
}

// known reports the first field that t does not have, or that is needed and not there: the client's types leave
// out only what their tags call omitempty.
func known(t reflect.Type, raw any, at string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice:
		list, _ := raw.([]any)
		for i, e := range list {
			if err := known(t.Elem(), e, strings.TrimSuffix(at, ".")+"["+strconv.Itoa(i)+"]."); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() != reflect.Struct:
		return nil
	}
	m, _ := raw.(map[string]any)
	fields := map[string]reflect.StructField{}
	for i := range t.NumField() {
		name, rest, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields[name] = t.Field(i)
		if _, given := m[name]; !given && rest != "omitempty" {
			return invalid("Missing required field: %s%s", at, name)
		}
	}
	for name, v := range m {
		f, ok := fields[name]
		if !ok {
			return invalid("Unknown field: %s%s", at, name)
		}
		if err := known(f.Type, v, at+name+"."); err != nil {
			return err
		}
	}
	return nil
}

// query reads the parameters of a GET into the client's own type, by its url tags.
func query[T any](r *http.Request) (in T, err error) {
	v := reflect.ValueOf(&in).Elem()
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, rest, _ := strings.Cut(v.Type().Field(i).Tag.Get("url"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields[name] = v.Field(i)
		if !r.URL.Query().Has(name) && rest != "omitempty" {
			return in, invalid("Missing required field: %s", name)
		}
	}
	for name, list := range r.URL.Query() {
		f, ok := fields[name]
		if !ok || len(list) != 1 {
			return in, invalid("Unknown field: %s", name)
		}
		if err := set(f, list[0]); err != nil {
			return in, invalid("%s: %v", name, err)
		}
	}
	return in, nil
}

func set(f reflect.Value, text string) error {
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		f.SetBool(b)
		return err
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		f.SetInt(n)
		return err
	}
	return nil
}

// pathOf returns what follows a prefix in the path, unescaped once.
func pathOf(r *http.Request, prefix string) (string, error) {
	return url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), prefix))
}

// respond sends what a handler returned.
func respond(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		e, ok := err.(*apiError)
		if !ok {
			e = &apiError{http.StatusInternalServerError, "INTERNAL_ERROR", err.Error()}
		}
		w.WriteHeader(e.Status)
		out = e
	}
	if out == nil {
		out = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// words are how a workspace says that a run failed, as it writes them.
type words string

func (w words) Error() string { return string(w) }

func says(format string, a ...any) error { return words(fmt.Sprintf(format, a...)) }
