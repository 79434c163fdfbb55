package databricks_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/databricks"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func withOptions(j driver.Job, options map[string]any) driver.Job {
	j.Options = options
	return j
}

func fail(t *testing.T, d *rig.Databricks, faults ...rig.Fault) {
	t.Helper()
	if err := d.Fail(faults...); err != nil {
		t.Fatal(err)
	}
}

const submitPath = "/api/2.2/jobs/runs/submit"

func status(path string, code, times int, name, text string) rig.Fault {
	return rig.Fault{Path: path, Kind: "status", Code: code, Times: times, Error: name, Text: text}
}

// TestALostAnswerStartsNothingTwice: the answer is lost after the run was submitted, and after each other write.
func TestALostAnswerStartsNothingTwice(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, target(d, "dbfs:/zaffre"))
	for _, path := range []string{submitPath, "/api/2.0/dbfs/put", "/api/2.0/dbfs/list"} {
		fail(t, d, rig.Fault{Path: path, Kind: "lost", Times: 1})
		if st := drivertest.Await(t, c, drivertest.Started(t, c, drivertest.NewJob("true")), drivertest.Final); st.State != driver.JobDone {
			t.Errorf("%s: the job is %+v", path, st)
		}
	}
	fail(t, d, rig.Fault{Path: submitPath, Kind: "lost", Times: 2})
	j := drivertest.NewJob("true")
	_, err := c.Start(t.Context(), j)
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectionLost")
	drivertest.Await(t, c, drivertest.Started(t, c, j), drivertest.Final)
	if n, err := d.Counts("runs"); err != nil || n["started"] != 4 || n["tokens"] != 4 {
		t.Errorf("of 4 jobs the workspace has %v, %v", n, err)
	}
}

func TestWhatIsRefusedForNowIsTriedAgain(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, target(d, "dbfs:/zaffre"))
	limited := status(submitPath, 429, 1, "REQUEST_LIMIT_EXCEEDED", "slow down")
	limited.After = "1"
	fail(t, d, limited, status(submitPath, 503, 1, "TEMPORARILY_UNAVAILABLE", "away"))
	begin := time.Now()
	h := drivertest.Started(t, c, drivertest.NewJob("true"))
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it was tried again after %s, and was asked to wait a second", took)
	}
	drivertest.Await(t, c, h, drivertest.Final)

	limited.After = "3600"
	fail(t, d, limited)
	_, err := c.Start(t.Context(), drivertest.NewJob("true"))
	drivertest.WantReason(t, err, fault.Exhausted, "RateLimited")
	if f := fault.From(err); f.RetryAfter != time.Hour {
		t.Errorf("it is to be asked again after %s, want an hour", f.RetryAfter)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	away := status("/api/2.2/jobs/runs/get", 503, 9, "TEMPORARILY_UNAVAILABLE", "away")
	away.After = "18"
	fail(t, d, away)
	_, err = c.Poll(ctx, h)
	drivertest.WantReason(t, err, fault.Unavailable, "ServiceUnavailable")
}

func TestFaultsOfTheWorkspace(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, target(d, "dbfs:/zaffre"))
	for _, tt := range []struct {
		fault  rig.Fault
		code   fault.Code
		reason string
	}{
		{status(submitPath, 403, 1, "403", "Invalid access token."), fault.Unauthorized, "TokenRefused"},
		{status(submitPath, 401, 1, "401", "token expired"), fault.Unauthorized, "TokenRefused"},
		{status(submitPath, 403, 1, "PERMISSION_DENIED", "ada@example.com may not attach to the cluster"), fault.Denied, "PermissionMissing"},
		{status(submitPath, 400, 1, "QUOTA_EXCEEDED", "The number of jobs is over the limit"), fault.Exhausted, "QuotaExceeded"},
		{status(submitPath, 500, 1, "INTERNAL_ERROR", "oops"), fault.Unavailable, "ServiceFailed"},
		{status(submitPath, 400, 1, "INVALID_PARAMETER_VALUE", "Unknown node type"), fault.Invalid, "RequestRefused"},
		{status("/api/2.0/dbfs/put", 404, 1, "RESOURCE_DOES_NOT_EXIST", "DBFS is off"), fault.NotFound, "NotInWorkspace"},
	} {
		fail(t, d, tt.fault)
		_, err := c.Start(t.Context(), drivertest.NewJob("true"))
		drivertest.WantReason(t, err, tt.code, tt.reason)
		if f := fault.From(err); len(f.Evidence) == 0 || !strings.Contains(f.Evidence[0], tt.fault.Text) {
			t.Errorf("%s has the evidence %q, want what the workspace said", tt.reason, f.Evidence)
		}
	}
	_, err := c.Start(t.Context(), withOptions(drivertest.NewJob("true"), map[string]any{"cluster": "0101-000000-none"}))
	drivertest.WantReason(t, err, fault.Precondition, "ClusterUnknown")
}

func TestWhatIsNoWorkspace(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello</html>") })
	plain, secure := httptest.NewServer(page), httptest.NewTLSServer(page)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	for _, tt := range []struct {
		url, reason string
		code        fault.Code
	}{
		{plain.URL, "NotDatabricks", fault.Precondition},
		{secure.URL, "CertificateRefused", fault.Precondition},
		{strings.Replace(plain.URL, "http:", "https:", 1), "NotHTTPS", fault.Unavailable},
	} {
		c, err := databricks.Kind().Connect(t.Context(), driver.Target{
			ID: "t1", Options: map[string]any{"databricks": tt.url}, Secrets: map[string]string{"databricksAccessToken": "dapi-canary"},
		})
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Observe(t.Context())
		drivertest.WantReason(t, err, tt.code, tt.reason)
		if last := o.Checks[len(o.Checks)-1]; last.OK || last.Reason != tt.reason || strings.Contains(fmt.Sprintf("%+v %+v", o, fault.From(err)), "canary") {
			t.Errorf("%s: the last check is %+v", tt.url, last)
		}
		c.Close()
	}
}

func TestHowRunsEnd(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, target(d, "dbfs:/zaffre"))
	want := func(name string, st driver.JobStatus, state driver.JobState, reason, says string) {
		t.Helper()
		if st.State != state || st.Reason != reason || !strings.Contains(st.Message, says) || !strings.Contains(st.Message, "; see "+d.URL+"/jobs/runs/") {
			t.Errorf("%s: the job is %+v, want %s as %s, with %q and its page", name, st, state, reason, says)
		}
	}
	st := drivertest.Await(t, c, drivertest.Started(t, c, withOptions(drivertest.NewJob("true"), map[string]any{"libraries.pypi": []any{"zaffre-no-such-package==9"}})), drivertest.Final)
	want("library", st, driver.JobFailed, "LibraryFailed", "zaffre-no-such-package")

	h := drivertest.Started(t, c, drivertest.NewJob("sleep", "60"))
	drivertest.Await(t, c, h, drivertest.Running)
	cancelElsewhere(t, d, h)
	want("cancelled elsewhere", drivertest.Await(t, c, h, drivertest.Final), driver.JobCanceled, "RunCanceled", "cancelled in the workspace")

	h = drivertest.Started(t, c, drivertest.NewJob("python", "-c", "import os; os.kill(os.getpid(), 9)"))
	want("launcher killed", drivertest.Await(t, c, h, drivertest.Final), driver.JobFailed, "RunFailed", "SystemExit")

	st = drivertest.Await(t, c, drivertest.Started(t, c, withOptions(drivertest.NewJob("true"), map[string]any{"cluster": off})), drivertest.Final)
	if st.State != driver.JobDone {
		t.Errorf("on a cluster that was off the job is %+v", st)
	}
	h = drivertest.Started(t, c, drivertest.NewJob("sleep", "60"))
	drivertest.Await(t, c, h, drivertest.Running)
	set(t, d, "clusters", url.Values{"id": {running}, "state": {"TERMINATED"}})
	want("cluster terminated", drivertest.Await(t, c, h, drivertest.Final), driver.JobFailed, "ClusterTerminated", "Cluster was terminated")

	set(t, d, "slow", url.Values{"for": {"10s"}})
	h = drivertest.Started(t, c, withOptions(drivertest.NewJob("true"), map[string]any{"newCluster": map[string]any{"spark_version": "15.4.x-scala2.12", "node_type_id": "Standard_D3_v2", "num_workers": int64(1)}}))
	st, err := c.Poll(t.Context(), h)
	if err != nil || st.State != driver.JobPending || !strings.Contains(st.Message, "PENDING; see "+d.URL) {
		t.Errorf("while its cluster starts the job is %+v, %v", st, err)
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	want("cancelled early", drivertest.Await(t, c, h, drivertest.Final), driver.JobCanceled, "RunCanceled", "cancelled")
}

func cancelElsewhere(t *testing.T, d *rig.Databricks, h driver.Handle) {
	t.Helper()
	post(t, d, "/api/2.2/jobs/runs/cancel", fmt.Sprintf(`{"run_id": %s}`, runOf(h)))
}

// runOf reads a handle as a tool of the workspace's own would: it knows the run's number.
func runOf(h driver.Handle) string {
	_, rest, _ := strings.Cut(string(h.Data), `"run":`)
	n, _, _ := strings.Cut(rest, ",")
	return n
}

func post(t *testing.T, d *rig.Databricks, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s %s", path, resp.Status, said)
	}
}

func TestADeletedRunIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, target(d, "dbfs:/zaffre"))
	j := drivertest.NewJob("true")
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, drivertest.Final)
	post(t, d, "/api/2.2/jobs/runs/delete", fmt.Sprintf(`{"run_id": %s}`, runOf(h)))
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobLost || st.Reason != "NoRecord" {
		t.Errorf("a deleted run is %+v, %v", st, err)
	}
	_, err := c.Start(t.Context(), j)
	drivertest.WantReason(t, err, fault.Precondition, "RunDeleted")
}

func TestWhatARunMayNotAsk(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, with(target(d, "dbfs:/zaffre"), map[string]any{"cluster": nil}))
	on := func(task string, more map[string]any) map[string]any {
		o := map[string]any{"cluster": running, "task": task}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	limited, variables := withOptions(drivertest.NewJob("true"), on("python", nil)), withOptions(drivertest.NewJob("/n"), on("notebook", nil))
	limited.Memory, variables.Env = 1, map[string]string{"A": "b", "ZAFFRE_RUN_ID": "r"}
	for name, tt := range map[string]struct {
		job    driver.Job
		reason string
	}{
		"no cluster":        {drivertest.NewJob("true"), "ClusterMissing"},
		"two clusters":      {withOptions(drivertest.NewJob("true"), on("python", map[string]any{"newCluster": map[string]any{}})), "TaskUnsupported"},
		"memory":            {limited, "TaskUnsupported"},
		"unknown task":      {withOptions(drivertest.NewJob("true"), on("sql", nil)), "TaskUnsupported"},
		"parameters":        {withOptions(drivertest.NewJob("true"), on("python", map[string]any{"baseParameters": map[string]any{"a": "b"}})), "TaskUnsupported"},
		"notebook and more": {withOptions(drivertest.NewJob("/n", "more"), on("notebook", nil)), "TaskUnsupported"},
		"variables":         {variables, "TaskUnsupported"},
	} {
		if _, err := c.Start(t.Context(), tt.job); fault.ReasonOf(err) != tt.reason {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.ReasonOf(err), tt.reason)
		}
	}
	if n, err := d.Counts("runs"); err != nil || n["started"] != 0 {
		t.Errorf("the workspace has %v, %v", n, err)
	}
}
