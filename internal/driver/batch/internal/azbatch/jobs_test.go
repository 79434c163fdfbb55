package azbatch_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func withOptions(j driver.Job, options map[string]any) driver.Job {
	j.Options = options
	return j
}

func runs(st driver.JobStatus) bool { return st.State != driver.JobPending }

func says(text string) func(driver.JobStatus) bool {
	return func(st driver.JobStatus) bool { return strings.Contains(st.Message, text) || st.State.Final() }
}

func tell(t *testing.T, a *rig.AzureBatch, what string, in, out any) {
	t.Helper()
	if err := a.Tell(what, in, out); err != nil {
		t.Fatal(err)
	}
}

type counts struct{ Started, There, Jobs int }

func count(t *testing.T, a *rig.AzureBatch) (n counts) {
	t.Helper()
	tell(t, a, "tasks", nil, &n)
	return n
}

func fail(t *testing.T, a *rig.AzureBatch, faults ...rig.Fault) {
	t.Helper()
	if err := a.Fail(faults...); err != nil {
		t.Fatal(err)
	}
}

func status(code, times int, name, text string) rig.Fault {
	return rig.Fault{Path: "/jobs/", Kind: "status", Code: code, Times: times, Error: name, Text: text}
}

// elsewhere is what somebody else does to the account, by a tool of theirs. The path may name the handle's JOB and TASK.
func elsewhere(t *testing.T, a *rig.AzureBatch, method, path string, h driver.Handle) map[string]any {
	t.Helper()
	var ref struct{ Job, Task string }
	if err := json.Unmarshal(h.Data, &ref); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, a.URL+strings.NewReplacer("JOB", ref.Job, "TASK", ref.Task).Replace(path)+"?api-version=2025-06-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+a.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, b)
	}
	out := map[string]any{}
	_ = json.Unmarshal(b, &out)
	return out
}
