package native

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// fill gives every field of v a value of its own, so that one that is forgotten shows.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(*n), 0).UTC()))
		return
	case time.Duration:
		v.SetInt(int64(*n) * int64(time.Second))
		return
	case json.RawMessage:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("s" + string(rune('a'+*n%26)))
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(int64(*n))
	case reflect.Uint32, reflect.Uint8:
		v.SetUint(uint64(*n % 200))
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf("any"))
		}
	}
}

func filled[T any]() (v T) {
	n := 0
	fill(reflect.ValueOf(&v).Elem(), &n)
	return v
}

// zeros names the fields of a struct that are zero, except those listed.
func zeros(v any, except ...string) []string {
	var out []string
	value := reflect.ValueOf(v)
	for i := range value.NumField() {
		name := value.Type().Field(i).Name
		if value.Field(i).IsZero() && !strings.Contains(","+strings.Join(except, ",")+",", ","+name+",") {
			out = append(out, name)
		}
	}
	return out
}

func TestNothingIsForgotten(t *testing.T) {
	t.Parallel()
	target := filled[compute.Target]()
	target.Workspace = store.Global
	build := filled[environment.Build]()
	build.Status.State = driver.BuildFailed
	for name, missing := range map[string][]string{
		"Run":         zeros(toRun(filled[run.Run]()), "Metrics"),
		"Attempt":     zeros(toRun(filled[run.Run]()).Attempts[0]),
		"Compute":     zeros(toCompute(target, map[string]int{"i": 3})),
		"Check":       zeros(toCompute(target, nil).Checks[0]),
		"Condition":   zeros(toCompute(target, nil).Conditions[0]),
		"Environment": zeros(toEnvironment(filled[environment.Environment]())),
		"Build":       zeros(toBuild(build)),
		"Kind":        zeros(toKind(filled[driver.Kind]()), "Capabilities"),
		"Option":      zeros(toKind(filled[driver.Kind]()).Options[0]),
		"Token":       zeros(toToken(filled[identity.Token]()), "Secret"),
		"Workspace":   zeros(toWorkspace(filled[workspace.Workspace]())),
		"Artifact":    zeros(toArtifact(filled[run.Artifact]()), "Folder"),
		"Model":       zeros(toModel(filled[model.Model]())),
		"Version":     zeros(toVersion(filled[model.Version]())),
		"NewVersion":  zeros(fromVersionRequest("ws", "m", filled[client.ModelVersionRequest]()), "Owner", "Definition"), // those are other faces'
		"Change":      zeros(fromChange(filled[client.ModelChange]())),
		"Experiment":  zeros(toExperiment(filled[run.Experiment]())),
		"Event":       zeros(toEvent(filled[store.Event]())),
		"Removed":     zeros(toRemoved(filled[driver.Item]())),
		"Fault":       zeros(*toFault(new(filled[fault.Error]())), "RequestID"),
		"Request":     zeros(fromRunRequest("ws", filled[client.RunRequest]()), "Properties", "Definition", "Warnings", "root"), // those are other faces'
		"Spec":        zeros(fromRunRequest("ws", filled[client.RunRequest]()).Spec, "Digest"),
		"Definition":  zeros(fromEnvironment("ws", filled[client.Environment]()).Definition, "Dockerfile"),
		"File":        zeros(fromFiles([]client.File{filled[client.File]()})[0]),
	} {
		if len(missing) > 0 {
			t.Errorf("%s lacks %v", name, missing)
		}
	}
}

func TestMachinesShowHowFullTheyAre(t *testing.T) {
	t.Parallel()
	target := compute.Target{Status: compute.Status{Seen: driver.Observation{Machines: []driver.Machine{{Identity: "i", Name: "n", Runs: 4, GPUs: 1, CPU: 2, Memory: 3}}}}}
	want := []client.Machine{{Name: "n", Runs: 4, Taken: 3, GPUs: 1, CPU: 2, Memory: 3}}
	if diff := cmp.Diff(want, toCompute(target, map[string]int{"i": 3}).Machines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestZeroTimesAreLeftOut(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(toRun(run.Run{Created: time.Unix(1, 0)}))
	if err != nil || strings.Contains(string(text), "0001-01-01") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]time.Duration{0: 0, 1.5: 1500 * time.Millisecond, 1e300: 100 * 365 * 24 * time.Hour} {
		if got := seconds(in); got != want {
			t.Errorf("seconds(%v) = %v, want %v", in, got, want)
		}
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]int{
		fault.Invalid: 400, fault.NotFound: 404, fault.Exists: 409, fault.Conflict: 409, fault.Precondition: 409, fault.Denied: 403,
		fault.Unauthorized: 401, fault.Unsupported: 501, fault.Exhausted: 429, fault.Unavailable: 503, fault.Internal: 500, "other": 500,
	} {
		if got := StatusOf(&fault.Error{Code: code}); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}

func TestFaultOnTheWire(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	WriteFault(w, httptest.NewRequest("GET", "/", nil), &fault.Error{
		Code: fault.Exhausted, Reason: "TooMany", What: "w", Why: "y", Fix: "f", Field: "a.b", Evidence: []string{"e"},
		RetryAfter: 1500 * time.Millisecond, Err: errors.New("inner secret"),
	})
	const want = `{"type":"urn:zaffre:reason:TooMany","title":"w","status":429,"detail":"y","code":"resource_exhausted","reason":"TooMany","fix":"f","evidence":["e"],"field":"a.b"}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Code != 429 || w.Header().Get("Retry-After") != "2" {
		t.Errorf("%d %v (-want +got):\n%s", w.Code, w.Header(), diff)
	}
}

func TestHumaErrorsShowNoValues(t *testing.T) {
	t.Parallel()
	p := newProblem(context.Background(), 422, "validation failed", []error{
		&huma.ErrorDetail{Location: "body.b", Message: "expected string", Value: "hunter2"},
		&huma.ErrorDetail{Location: "body.a[1].c", Message: "unexpected property", Value: map[string]any{"p": "hunter2"}},
	})
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%s, %v", text, err)
	}
	if p.Status != 400 || p.Field != "a[1].c" || p.Reason != "FieldUnknown" || len(p.Evidence) != 1 {
		t.Errorf("%+v", p)
	}
}
