package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

// faultOf decodes an answer that must be a fault.
func faultOf(t testing.TB, resp *http.Response, body string) client.Fault {
	t.Helper()
	var f client.Fault
	if err := json.Unmarshal([]byte(body), &f); err != nil || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s with %s is no fault: %s", resp.Status, resp.Header.Get("Content-Type"), body)
	}
	if f.Status != resp.StatusCode || f.Code == "" || f.Reason == "" || f.Title == "" || f.Detail == "" || f.Fix == "" {
		t.Errorf("incomplete fault: %s", body)
	}
	if f.RequestID == "" || f.RequestID != resp.Header.Get("X-Request-Id") {
		t.Errorf("request ID %q of the fault is not that of the answer, %q", f.RequestID, resp.Header.Get("X-Request-Id"))
	}
	return f
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	b := start(t)
	reader, err := b.CreateToken(t.Context(), client.Token{Name: "ro", Workspace: "default", Role: "Reader"})
	if err != nil {
		t.Fatal(err)
	}
	run := `{"command":["true"]}`
	for _, tc := range []struct {
		reason, auth, method, path, body string
		status                           int
		want                             string
	}{
		{"no token", "", "GET", "/server", "", 401, "TokenMissing"},
		{"another scheme", "Basic YTpi", "GET", "/server", "", 401, "TokenMissing"},
		{"no token of ours", "Bearer abc", "GET", "/server", "", 401, "TokenInvalid"},
		{"unknown ID", "Bearer zaf_01234567890123456789012345_x", "GET", "/server", "", 401, "TokenInvalid"},
		{"wrong secret", "Bearer " + reader.Secret + "x", "GET", "/server", "", 401, "TokenInvalid"},
		{"no token, no such route", "", "GET", "/nothing", "", 401, "TokenMissing"},
		{"a reader reads", "Bearer " + reader.Secret, "GET", "/workspaces/default/runs", "", 200, ""},
		{"a reader submits nothing", "Bearer " + reader.Secret, "POST", "/workspaces/default/runs", run, 403, "RoleMissing"},
		{"a reader sends no files", "Bearer " + reader.Secret, "POST", "/workspaces/default/snapshots/missing", `{"hashes":[]}`, 403, "RoleMissing"},
		{"a reader packs no files", "Bearer " + reader.Secret, "POST", "/workspaces/default/snapshots/pack", "", 403, "RoleMissing"},
		{"a reader commits nothing", "Bearer " + reader.Secret, "POST", "/workspaces/default/snapshots", `{"files":[]}`, 403, "RoleMissing"},
		{"a reader attaches nothing", "Bearer " + reader.Secret, "PUT", "/workspaces/default/computes/gpu", `{"name":"gpu","kind":"fake"}`, 403, "RoleMissing"},
		{"a reader hands out no tokens", "Bearer " + reader.Secret, "POST", "/tokens", `{"name":"x","workspace":"default","role":"Reader"}`, 403, "RoleMissing"},
		{"a reader sees no tokens", "Bearer " + reader.Secret, "GET", "/tokens", "", 403, "RoleMissing"},
		{"a reader creates no workspace", "Bearer " + reader.Secret, "POST", "/workspaces", `{"name":"mine"}`, 403, "RoleMissing"},
		{"a reader sees no other workspace", "Bearer " + reader.Secret, "GET", "/workspaces/other/runs", "", 403, "RoleMissing"},
		{"nor the server's events", "Bearer " + reader.Secret, "GET", "/workspaces/-/events", "", 403, "RoleMissing"},
		{"an admin in no workspace", "Bearer " + b.profile.Token, "GET", "/workspaces/other/runs", "", 404, "WorkspaceNotFound"},
		{"an admin reads the server's events", "Bearer " + b.profile.Token, "GET", "/workspaces/-/events", "", 200, ""},
		{"only them", "Bearer " + b.profile.Token, "GET", "/workspaces/-/runs", "", 404, "WorkspaceNotFound"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			resp, body := b.do(t, tc.method, "/api/v1"+tc.path, strings.NewReader(tc.body), "Authorization", tc.auth)
			if resp.StatusCode != tc.status {
				t.Fatalf("%s: %s", resp.Status, body)
			}
			if tc.want == "" {
				return
			}
			if f := faultOf(t, resp, body); f.Reason != tc.want {
				t.Errorf("reason %s, want %s", f.Reason, tc.want)
			}
			if tc.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate: %q", resp.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx := t.Context()
	tok, err := b.CreateToken(ctx, client.Token{Name: "ci", Workspace: "default", Role: "Owner"})
	if err != nil {
		t.Fatal(err)
	}
	ci := b.as(t, tok.Secret)
	if s, err := ci.Server(ctx); err != nil || s.Caller != "ci" {
		t.Errorf("server as ci: %+v, %v", s, err)
	}
	if _, err := ci.CreateToken(ctx, client.Token{Name: "x", Workspace: "*", Role: "Reader"}); client.ReasonOf(err) != "RoleMissing" {
		t.Errorf("an owner of one workspace made a token for all: %v", err)
	}
	list, err := ci.Tokens(ctx, client.Cursor{})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != tok.ID || list.Items[0].Secret != "" {
		t.Errorf("tokens of ci: %+v, %v", list, err)
	}
	if seen, err := ci.Workspaces(ctx, client.Cursor{}); err != nil || len(seen.Items) != 1 {
		t.Errorf("workspaces of ci: %+v, %v", seen, err)
	}
	for range 2 { // twice is once
		if err := b.RevokeToken(ctx, tok.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ci.Server(ctx); client.ReasonOf(err) != "TokenRevoked" {
		t.Errorf("a revoked token: %v", err)
	}
	if err := b.RevokeToken(ctx, "01234567890123456789012345"); client.ReasonOf(err) != "TokenNotFound" {
		t.Errorf("revoke nothing: %v", err)
	}
	for _, bad := range []client.Token{
		{Name: "x", Workspace: "nowhere", Role: "Reader"},
		{Name: "", Workspace: "default", Role: "Reader"},
		{Name: "x", Workspace: "default", Role: "King"},
		{Name: "x", Workspace: "default", Role: "Reader", Expires: time.Now().Add(-time.Hour)},
	} {
		if _, err := b.CreateToken(ctx, bad); client.CodeOf(err) != client.CodeInvalid && client.CodeOf(err) != client.CodeNotFound {
			t.Errorf("token %+v: %v", bad, err)
		}
	}
	events, err := b.Events(ctx, "default", client.EventFilter{Subject: "token/"})
	var types []string
	for _, e := range events.Items {
		types = append(types, e.Type+" by "+e.Actor)
	}
	if diff := cmp.Diff([]string{"token.created by admin", "token.revoked by admin"}, types); err != nil || diff != "" {
		t.Errorf("events: %v (-want +got):\n%s", err, diff)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	b := start(t)
	runs := "/api/v1/workspaces/default/runs"
	for _, tc := range []struct {
		reason, method, path, kind, body string
		status                           int
		want, field                      string
	}{
		{"unknown field", "POST", runs, "", `{"command":["true"],"colour":"red"}`, 400, "FieldUnknown", "colour"},
		{"unknown field below", "POST", "/api/v1/workspaces/default/snapshots", "", `{"files":[{"path":"a","mode":420,"size":0,"hash":"` + strings.Repeat("0", 64) + `","owner":"me"}]}`, 400, "FieldUnknown", "files[0].owner"},
		{"other case", "POST", runs, "", `{"Command":["true"]}`, 400, "", ""},
		{"missing field", "POST", runs, "", `{}`, 400, "FieldMissing", "command"},
		{"missing field below", "POST", "/api/v1/workspaces/default/snapshots", "", `{"files":[{"mode":420,"size":0,"hash":"` + strings.Repeat("0", 64) + `"}]}`, 400, "FieldMissing", "files[0].path"},
		{"wrong type", "POST", runs, "", `{"command":"true"}`, 400, "FieldInvalid", "command"},
		{"null", "POST", runs, "", `{"command":null}`, 400, "FieldInvalid", "command"},
		{"out of range", "POST", runs, "", `{"command":["true"],"priority":1000000}`, 400, "FieldInvalid", "priority"},
		{"not JSON", "POST", runs, "", `{"command":[`, 400, "BodyMalformed", ""},
		{"more than one", "POST", runs, "", `{"command":["true"]}{}`, 400, "BodyMalformed", ""},
		{"an array", "POST", runs, "", `[]`, 400, "BodyMalformed", ""},
		{"deep", "POST", runs, "", strings.Repeat("[", 100_000), 400, "BodyMalformed", ""},
		{"not UTF-8", "POST", runs, "", "{\"command\":[\"a\xff\"]}", 400, "BodyMalformed", ""},
		{"nothing", "POST", runs, "", "", 400, "RequestInvalid", ""},
		{"another format", "POST", runs, "application/xml", "<run/>", 415, "MediaTypeUnsupported", ""},
		{"huge", "POST", runs, "", `{"command":["` + strings.Repeat("a", 5<<20) + `"]}`, 413, "BodyTooLarge", ""},
		{"unknown query", "GET", runs + "?colour=red", "", "", 400, "FieldUnknown", "colour"},
		{"bad query", "GET", runs + "?limit=many", "", "", 400, "FieldInvalid", "limit"},
		{"too many", "GET", runs + "?limit=100000", "", "", 400, "FieldInvalid", "limit"},
		{"no state", "GET", runs + "?state=Sleeping", "", "", 400, "FieldInvalid", "state"},
		{"no cursor", "GET", runs + "?cursor=%00%01", "", "", 400, "", ""},
		{"no version", "GET", "/api/v1/workspaces/default/environments/a/versions/zero", "", "", 400, "FieldInvalid", "version"},
		{"no route", "GET", "/api/v1/nothing", "", "", 404, "RouteNotFound", ""},
		{"no route outside", "GET", "/nothing", "", "", 404, "RouteNotFound", ""},
		{"wrong method", "DELETE", runs, "", "", 405, "MethodNotAllowed", ""},
		{"no run", "GET", runs + "/none", "", "", 404, "RunNotFound", ""},
		{"no compute", "GET", "/api/v1/workspaces/default/computes/none", "", "", 404, "ComputeNotFound", "compute"},
		{"no kind", "PUT", "/api/v1/workspaces/default/computes/abc", "", `{"name":"abc","kind":"none"}`, 400, "KindUnknown", "kind"},
		{"no option", "PUT", "/api/v1/workspaces/default/computes/abc", "", `{"name":"abc","kind":"fake","options":{"colour":1}}`, 400, "OptionUnknown", "options.colour"},
		{"two names", "PUT", "/api/v1/workspaces/default/computes/abc", "", `{"name":"abd","kind":"fake"}`, 400, "NameDiffers", "name"},
		{"no slug", "POST", "/api/v1/workspaces", "", `{"name":"a b"}`, 400, "NameInvalid", "name"},
		{"no tar", "POST", "/api/v1/workspaces/default/snapshots/pack", "application/x-tar", "this is no archive", 400, "PackInvalid", ""},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			var header []string
			if tc.kind != "" {
				header = []string{"Content-Type", tc.kind}
			}
			resp, body := b.do(t, tc.method, tc.path, strings.NewReader(tc.body), header...)
			if resp.StatusCode != tc.status {
				t.Fatalf("%s: %.300s", resp.Status, body)
			}
			f := faultOf(t, resp, body)
			if tc.want != "" && f.Reason != tc.want || tc.field != "" && f.Field != tc.field {
				t.Errorf("reason %s, field %q; want %s, %q: %s", f.Reason, f.Field, tc.want, tc.field, body)
			}
		})
	}
}

func TestASecretInARefusedBodyDoesNotComeBack(t *testing.T) {
	t.Parallel()
	b := start(t)
	const canary = "hunter2-canary"
	for _, body := range []string{
		`{"name":"abc","kind":"fake","options":{"password":"` + canary + `","colour":1}}`,
		`{"name":"abc","kind":"fake","options":{"password":["` + canary + `"]}}`,
		`{"name":"abc","kind":"fake","options":"` + canary + `"}`,
		`{"name":"abc","kind":"fake","options":{"password":"` + canary + `"`,
	} {
		resp, answer := b.do(t, "PUT", "/api/v1/workspaces/default/computes/abc", strings.NewReader(body))
		if resp.StatusCode != 400 || strings.Contains(answer, canary) {
			t.Errorf("%s: %s", resp.Status, answer)
		}
	}
	if strings.Contains(b.log.String(), canary) {
		t.Error("the log holds the secret")
	}
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", map[string]any{"slots": 4})
	for _, name := range []string{"a/b", `say "hi"`, "日本語 の ラン", "50%", "a+b&c=d?e#f", "..", ".", "a//b", "%2F", "'", "a;b", strings.Repeat("x", 256)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := b.Submit(t.Context(), "default", client.RunRequest{Name: name, Compute: "box", Command: []string{"true"}, Experiment: name})
			if err != nil {
				t.Fatal(err)
			}
			if r.ID != name || r.Experiment != name {
				t.Errorf("submitted %q, got %q in %q", name, r.ID, r.Experiment)
			}
			if got := b.finish(t, name); got.ID != name || got.State != "Completed" {
				t.Errorf("run: %+v", got)
			}
			if _, err := b.CancelRun(t.Context(), "default", name); err != nil {
				t.Error(err)
			}
			list, err := b.Runs(t.Context(), "default", client.RunFilter{Experiment: name}, client.Cursor{})
			if err != nil || len(list.Items) != 1 {
				t.Errorf("list: %+v, %v", list, err)
			}
			events, err := b.Events(t.Context(), "default", client.EventFilter{Subject: "run/" + name})
			if err != nil || len(events.Items) == 0 {
				t.Errorf("events: %+v, %v", events, err)
			}
		})
	}
	for _, name := range []string{"a\nb", "a\x00b", " a", strings.Repeat("x", 257)} {
		if _, err := b.Submit(t.Context(), "default", client.RunRequest{Name: name, Compute: "box", Command: []string{"true"}}); client.ReasonOf(err) != "NameInvalid" {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestComputesThroughTheAPI(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx := t.Context()
	want := client.Compute{Name: "gpu", Kind: "fake", Options: map[string]any{"slots": 2, "gpus": 1, "password": "s3cret"}}
	for i, status := range []int{201, 200} {
		body, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		resp, text := b.do(t, "PUT", "/api/v1/workspaces/default/computes/gpu", strings.NewReader(string(body)))
		if resp.StatusCode != status || strings.Contains(text, "s3cret") {
			t.Errorf("attach %d: %s %s", i, resp.Status, text)
		}
	}
	c, err := b.CheckCompute(ctx, "default", "gpu")
	if err != nil {
		t.Fatal(err)
	}
	if c.State != "Succeeded" || len(c.Machines) != 1 || c.Machines[0].Runs != 2 || len(c.Checks) == 0 || c.Options["password"] != nil {
		t.Errorf("checked: %+v", c)
	}
	if c, err = b.UpdateCompute(ctx, "default", client.Compute{Name: "gpu", Options: map[string]any{"slots": 3}}); err != nil || c.Options["slots"] != 3.0 || c.Options["gpus"] != 1.0 {
		t.Errorf("updated: %+v, %v", c, err)
	}
	kinds, err := b.Kinds(ctx)
	if err != nil || len(kinds) != 1 || kinds[0].Name != "fake" || len(kinds[0].Capabilities) < 5 {
		t.Errorf("kinds: %+v, %v", kinds, err)
	}
	if items, err := b.DetachCompute(ctx, "default", "gpu", client.DetachOptions{DryRun: true}); err != nil {
		t.Errorf("dry run: %+v, %v", items, err)
	}
	if _, err := b.DetachCompute(ctx, "default", "gpu", client.DetachOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := b.Compute(ctx, "default", "gpu"); client.ReasonOf(err) != "ComputeNotFound" {
		t.Errorf("after detach: %v", err)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := start(t)
	for i := range 5 {
		if _, err := b.CreateWorkspace(t.Context(), client.Workspace{Name: fmt.Sprintf("ws-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for w, err := range client.All(func(p client.Cursor) (client.Page[client.Workspace], error) {
		p.Limit = 2
		return b.Workspaces(t.Context(), p)
	}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, w.Name)
	}
	if diff := cmp.Diff([]string{"default", "ws-0", "ws-1", "ws-2", "ws-3", "ws-4"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := b.CreateWorkspace(t.Context(), client.Workspace{Name: "ws-0"})
	first, err2 := b.Workspace(t.Context(), "ws-0")
	if err != nil || err2 != nil || again.ID != first.ID {
		t.Errorf("the same workspace again: %+v, %v; was %+v, %v", again, err, first, err2)
	}
}

func TestArtifactRanges(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.attach(t, "box", nil)
	const path, text = "outputs/a b/模型.txt", "0123456789"
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"write", path, text}})
	if err != nil {
		t.Fatal(err)
	}
	if done := b.finish(t, r.ID); done.State != "Completed" {
		t.Fatalf("run: %+v", done)
	}
	list, err := b.Artifacts(t.Context(), "default", r.ID, "outputs/", client.Cursor{})
	if err != nil || len(list.Items) != 1 || list.Items[0].Path != path {
		t.Fatalf("artifacts: %+v, %v", list, err)
	}
	at := "/api/v1/workspaces/default/runs/" + r.ID + "/artifacts/outputs/a%20b/" + url.PathEscape("模型.txt")
	for _, tc := range []struct {
		header string
		status int
		want   string
	}{{"", 200, text}, {"bytes=3-", 206, "3456789"}, {"bytes=2-4", 206, "234"}, {"bytes=-2", 206, "89"}, {"bytes=50-", 416, ""}} {
		resp, got := b.do(t, "GET", at, nil, "Range", tc.header)
		if resp.StatusCode != tc.status || tc.want != "" && got != tc.want {
			t.Errorf("Range %q: %s %q", tc.header, resp.Status, got)
		}
	}
	resp, _ := b.do(t, "GET", at, nil)
	if again, _ := b.do(t, "GET", at, nil, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("with its ETag: %s", again.Status)
	}
	body, err := b.OpenArtifact(t.Context(), "default", r.ID, path, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || string(got) != "456789" {
		t.Errorf("client from 4: %q, %v", got, err)
	}
	if resp, text := b.do(t, "GET", at+"x", nil); faultOf(t, resp, text).Reason != "ArtifactNotFound" {
		t.Errorf("no file: %s", text)
	}
}
