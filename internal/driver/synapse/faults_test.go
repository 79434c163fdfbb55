package synapse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

func withOptions(j driver.Job, options map[string]any) driver.Job {
	j.Options = options
	return j
}

// between is a proxy before the endpoint, which loses answers: that many of those to POST.
func between(t *testing.T, endpoint string, lose *atomic.Int32) string {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := rig.Proxy(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || lose.Add(-1) < 0 {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestALostAnswerStartsNothingTwice: Livy took the batch, and nobody heard it.
func TestALostAnswerStartsNothingTwice(t *testing.T) {
	endpoint, folder := livy(t)
	var lose atomic.Int32
	c := connect(t, target(between(t, endpoint, &lose), folder))
	j := drivertest.NewJob("sh", "-c", "echo once")
	lose.Store(1)
	_, err := c.Start(t.Context(), j)
	drivertest.WantReason(t, err, fault.Unavailable, "ConnectionLost")
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	n := 0
	for _, b := range batches(t, endpoint) {
		if b.Name == j.ID {
			n++
		}
	}
	if n != 1 || drivertest.Log(t, c, h, 0) != "once\n" {
		t.Errorf("there are %d batches, and the log is %q", n, drivertest.Log(t, c, h, 0))
	}
	deleteOf(t, endpoint, j.ID) // Livy forgets it, as it does after a while; our folder does not
	if again := drivertest.Started(t, c, j); string(again.Data) != string(h.Data) {
		t.Errorf("started again, it has the handle %s, want %s", again.Data, h.Data)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("after Livy forgot it the job is %+v", st)
	}
}

func deleteOf(t *testing.T, endpoint, name string) {
	t.Helper()
	for _, b := range batches(t, endpoint) {
		if b.Name == name {
			deleteBatch(t, endpoint, b.ID)
		}
	}
}

func TestFaultsOfTheEndpoint(t *testing.T) {
	endpoint, folder := livy(t)
	c := connect(t, target(endpoint, t.TempDir()))
	_, err := c.Start(t.Context(), drivertest.NewJob("true"))
	drivertest.WantReason(t, err, fault.Precondition, "FolderNotAllowed")
	c = connect(t, with(target(endpoint, folder), map[string]any{"store": nil}))
	if o, err := c.Observe(t.Context()); err != nil || !o.Ready || o.Checks[len(o.Checks)-1].Reason != "FolderNone" {
		t.Errorf("without a folder the target is %+v, %v", o, err)
	}
	_, err = c.Start(t.Context(), drivertest.NewJob("true"))
	drivertest.WantReason(t, err, fault.Precondition, "FolderNone")
	c = connect(t, target(endpoint, folder))
	for name, tt := range map[string]struct {
		job    driver.Job
		code   fault.Code
		reason string
	}{
		"a number that is none": {withOptions(drivertest.NewJob("true"), map[string]any{"driverMemory": "much"}), fault.Invalid, "RequestRefused"},
	} {
		h, err := c.Start(t.Context(), tt.job)
		if err == nil { // Livy leaves it to spark-submit
			if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.Reason != "RunFailed" || !strings.Contains(st.Message, "much") {
				t.Errorf("%s: the job is %+v", name, st)
			}
			continue
		}
		drivertest.WantReason(t, err, tt.code, tt.reason)
	}
	limited := drivertest.NewJob("true")
	limited.Memory = 1
	_, err = c.Start(t.Context(), limited)
	drivertest.WantReason(t, err, fault.Unsupported, "TaskUnsupported")

	h := drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, c, h, drivertest.Running)
	forget(t, endpoint, folder)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobLost || st.Reason != "NoRecord" {
		t.Errorf("a job that was ended elsewhere is %+v", st)
	}
}

// TestAnswers reads answers that a real endpoint gives only behind a gateway.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		code   fault.Code
		reason string
	}{
		{401, `<html>login</html>`, fault.Unauthorized, "LoginRefused"},
		{403, ``, fault.Denied, "PermissionMissing"},
		{404, `<html>nothing</html>`, fault.Precondition, "NotLivy"},
		{200, `<html>hello</html>`, fault.Precondition, "NotLivy"},
		{200, `{"hello": "world"}`, fault.Precondition, "NotLivy"},
		{302, ``, fault.Precondition, "NotLivy"},
		{500, `{"msg": "oops"}`, fault.Unavailable, "ServiceFailed"},
		{400, `{"msg": "no"}`, fault.Invalid, "RequestRefused"},
	} {
		var got http.Header
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		}))
		c := connect(t, with(target(s.URL, t.TempDir()), map[string]any{"administratorAccount.username": "ada", "administratorAccount.password": "pw-canary"}))
		o, err := c.Observe(t.Context())
		drivertest.WantReason(t, err, tt.code, tt.reason)
		if user, password, ok := (&http.Request{Header: got}).BasicAuth(); !ok || user != "ada" || password != "pw-canary" {
			t.Errorf("%d: it logged in as %q", tt.status, user)
		}
		if last := o.Checks[len(o.Checks)-1]; last.Name != "login" || last.OK || strings.Contains(fmt.Sprintf("%+v %+v", o, fault.From(err)), "canary") {
			t.Errorf("%d: the last check is %+v", tt.status, last)
		}
		s.Close()
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	auth := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		io.WriteString(w, `{"from": 0, "total": 0, "sessions": []}`)
	}))
	t.Cleanup(s.Close)
	o, err := connect(t, with(target(s.URL, t.TempDir()), map[string]any{"bearerToken": "t"})).Observe(t.Context())
	if err != nil || !o.Ready || auth != "Bearer t" {
		t.Errorf("the target is %+v, %v, by %q", o, err, auth)
	}
}

type batch struct {
	ID    int64
	Name  string
	State string
}

// batches asks the endpoint itself.
func batches(t *testing.T, endpoint string) []batch {
	t.Helper()
	var out struct{ Sessions []batch }
	if err := json.Unmarshal(request(t, http.MethodGet, endpoint+"/batches?size=1000"), &out); err != nil {
		t.Fatal(err)
	}
	return out.Sessions
}

func deleteBatch(t *testing.T, endpoint string, id int64) {
	t.Helper()
	request(t, http.MethodDelete, fmt.Sprintf("%s/batches/%d", endpoint, id))
}

func request(t *testing.T, method, url string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Requested-By", "test")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, b, err)
	}
	return b
}
