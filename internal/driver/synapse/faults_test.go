package synapse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

func job(command ...string) driver.Job {
	run := id.New()
	return driver.Job{ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: command, Options: map[string]any{}}
}

func withOptions(j driver.Job, options map[string]any) driver.Job {
	j.Options = options
	return j
}

func wantReason(t *testing.T, err error, code fault.Code, reason string) {
	t.Helper()
	if f := fault.From(err); f == nil || f.Code != code || f.Reason != reason || f.Fix == "" || f.Why == "" {
		t.Errorf("the fault is %+v, want %s with the code %s", f, reason, code)
	}
}

func began(t *testing.T, c driver.Runner, j driver.Job) driver.Handle {
	t.Helper()
	h, err := c.Start(t.Context(), j)
	if err != nil {
		t.Fatalf("Start: %v (%s)", err, fault.ReasonOf(err))
	}
	return h
}

// until polls until the status is one that ok takes.
func until(t *testing.T, c driver.Runner, h driver.Handle, ok func(driver.JobStatus) bool) driver.JobStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := c.Poll(ctx, h)
		if err != nil {
			t.Fatalf("Poll: %v", err)
		}
		if ok(st) {
			return st
		}
		<-tick.C
	}
}

func final(st driver.JobStatus) bool { return st.State.Final() }
func runs(st driver.JobStatus) bool  { return st.State == driver.JobRunning }

func read(t *testing.T, c driver.Runner, h driver.Handle, offset int64) string {
	t.Helper()
	r, err := c.(driver.LogReader).ReadLog(t.Context(), h, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// between is a proxy before the endpoint, which loses answers: that many of those to POST.
func between(t *testing.T, endpoint string, lose *atomic.Int32) string {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
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
	j := job("sh", "-c", "echo once")
	lose.Store(1)
	_, err := c.Start(t.Context(), j)
	wantReason(t, err, fault.Unavailable, "ConnectionLost")
	h := began(t, c, j)
	if st := until(t, c, h, final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	n := 0
	for _, b := range batches(t, endpoint) {
		if b.Name == j.ID {
			n++
		}
	}
	if n != 1 || read(t, c, h, 0) != "once\n" {
		t.Errorf("there are %d batches, and the log is %q", n, read(t, c, h, 0))
	}
	deleteOf(t, endpoint, j.ID) // Livy forgets it, as it does after a while; our folder does not
	if again := began(t, c, j); string(again.Data) != string(h.Data) {
		t.Errorf("started again, it has the handle %s, want %s", again.Data, h.Data)
	}
	if st := until(t, c, h, final); st.State != driver.JobDone {
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

// TestSpark runs a script that uses the pool's Spark, with settings, a file to import, and an output.
func TestSpark(t *testing.T) {
	endpoint, folder := livy(t)
	more := filepath.Join(folder, "more.py")
	if err := os.WriteFile(more, []byte("X = 'imported'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := connect(t, target(endpoint, folder))
	j := withOptions(job("python", "-c", `
from pyspark.sql import SparkSession
import more
s = SparkSession.builder.getOrCreate()
print(more.X, s.range(10).count(), s.conf.get("spark.zaffre.answer"), s.sparkContext.appName)
open("outputs/x", "w").write("y")`), map[string]any{"conf": map[string]any{"spark.zaffre.answer": 42}, "pyFiles": []any{"file://" + more}, "driverMemory": "512m"})
	h := began(t, c, j)
	if st := until(t, c, h, final); st.State != driver.JobDone {
		t.Fatalf("the job is %+v\n%s", st, read(t, c, h, 0))
	}
	if log := read(t, c, h, 0); !strings.Contains(log, "imported 10 42 "+j.ID+"\n") {
		t.Errorf("its log is %q", log)
	}
	list, err := c.(driver.Outputs).ListOutputs(t.Context(), h)
	if err != nil || len(list) != 1 || list[0].Path != "outputs/x" {
		t.Errorf("its outputs are %+v, %v", list, err)
	}
}

// TestJars runs a JAR that every Spark has.
func TestJars(t *testing.T) {
	endpoint, folder := livy(t)
	jars, _ := filepath.Glob(filepath.Join(os.Getenv("ENGINES_SPARK_HOME"), "jars", "spark-core_*.jar"))
	if len(jars) != 1 {
		t.Skip("needs the JARs of the endpoint's Spark, in ENGINES_SPARK_HOME")
	}
	jar := filepath.Join(folder, "core.jar")
	b, err := os.ReadFile(jars[0])
	if err != nil || os.WriteFile(jar, b, 0o644) != nil {
		t.Fatal(err)
	}
	c := connect(t, target(endpoint, folder))
	h := began(t, c, withOptions(job("file://"+jar, "--version"), map[string]any{"className": "org.apache.spark.deploy.SparkSubmit"}))
	if st := until(t, c, h, final); st.State != driver.JobDone || st.Ended.IsZero() {
		t.Errorf("the JAR is %+v", st)
	}
	if log := read(t, c, h, 0); !strings.Contains(log, "Welcome to") {
		t.Errorf("its log is %q", log)
	}
	h = began(t, c, withOptions(job("file://"+jar), map[string]any{"className": "no.such.Class"}))
	if st := until(t, c, h, final); st.State != driver.JobFailed || st.Reason != "RunFailed" || !strings.Contains(st.Message, "no.such.Class") {
		t.Errorf("a JAR without the class is %+v", st)
	}
}

// TestByURL: the pool only reads the folder, over HTTP.
func TestByURL(t *testing.T) {
	endpoint, _ := livy(t)
	folder := t.TempDir()
	s := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(s.Close)
	c := connect(t, with(target(endpoint, folder), map[string]any{"folderUrl": s.URL}))
	j := job("sh", "-c", `echo "$KEY"; exit 3`)
	j.Env = map[string]string{"KEY": "by URL"}
	h := began(t, c, j)
	if st := until(t, c, h, final); st.State != driver.JobFailed || st.Reason != "RunFailed" {
		t.Errorf("the job is %+v", st)
	}
	if log := read(t, c, h, 0); !strings.Contains(log, "by URL\n") {
		t.Errorf("its log is %q", log)
	}
	h = began(t, c, job("true"))
	if st := until(t, c, h, final); st.State != driver.JobDone {
		t.Errorf("the job is %+v\n%s", st, read(t, c, h, 0))
	}
}

func TestFaultsOfTheEndpoint(t *testing.T) {
	endpoint, folder := livy(t)
	c := connect(t, target(endpoint, t.TempDir()))
	_, err := c.Start(t.Context(), job("true"))
	wantReason(t, err, fault.Precondition, "FolderNotAllowed")
	c = connect(t, with(target(endpoint, folder), map[string]any{"store": nil}))
	if o, err := c.Observe(t.Context()); err != nil || !o.Ready || o.Checks[len(o.Checks)-1].Reason != "FolderNone" {
		t.Errorf("without a folder the target is %+v, %v", o, err)
	}
	_, err = c.Start(t.Context(), job("true"))
	wantReason(t, err, fault.Precondition, "FolderNone")
	c = connect(t, target(endpoint, folder))
	for name, tt := range map[string]struct {
		job    driver.Job
		code   fault.Code
		reason string
	}{
		"a number that is none": {withOptions(job("true"), map[string]any{"driverMemory": "much"}), fault.Invalid, "RequestRefused"},
	} {
		h, err := c.Start(t.Context(), tt.job)
		if err == nil { // Livy leaves it to spark-submit
			if st := until(t, c, h, final); st.State != driver.JobFailed || st.Reason != "RunFailed" || !strings.Contains(st.Message, "much") {
				t.Errorf("%s: the job is %+v", name, st)
			}
			continue
		}
		wantReason(t, err, tt.code, tt.reason)
	}
	limited := job("true")
	limited.Memory = 1
	_, err = c.Start(t.Context(), limited)
	wantReason(t, err, fault.Unsupported, "TaskUnsupported")

	h := began(t, c, job("sleep", "100"))
	until(t, c, h, runs)
	forget(t, endpoint, folder)
	if st := until(t, c, h, final); st.State != driver.JobLost || st.Reason != "NoRecord" {
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
		wantReason(t, err, tt.code, tt.reason)
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

// machine is a host whose files are those of a folder here.
type machine struct{ driver.Host }

func (machine) FS() driver.FS { return files{} }

type files struct{}

func (files) OpenFile(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, gone(err)
	}
	_, err = f.Seek(offset, io.SeekStart)
	return f, err
}

func (files) WriteFile(_ context.Context, name string, mode fs.FileMode, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o755)
	}
	if err == nil {
		err = os.WriteFile(name, b, mode)
	}
	return err
}

func (files) ReadDir(_ context.Context, name string) (out []fs.FileInfo, err error) {
	list, err := os.ReadDir(name)
	for _, e := range list {
		if fi, err := e.Info(); err == nil {
			out = append(out, fi)
		}
	}
	return out, gone(err)
}

func (files) RemoveAll(_ context.Context, name string) error { return os.RemoveAll(name) }

func gone(err error) error {
	if os.IsNotExist(err) {
		return &fault.Error{Code: fault.NotFound, Reason: "FileNotFound", What: "there is no file", Why: err.Error(), Fix: "none"}
	}
	return err
}

// TestOnAMachine: the pool runs on another target's machine, and sees the folder under another path than that.
func TestOnAMachine(t *testing.T) {
	endpoint, folder := livy(t)
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(folder, alias); err != nil {
		t.Fatal(err)
	}
	on := with(target(endpoint, alias), map[string]any{"folderUrl": "file://" + folder})
	on.On = map[string][]driver.Conn{"host": {machine{}}}
	c := connect(t, on)
	if o, err := c.Observe(t.Context()); err != nil || !o.Ready {
		t.Fatalf("the target is %+v, %v", o, err)
	}
	h := began(t, c, job("sh", "-c", "echo there; echo kept > outputs/x"))
	if st := until(t, c, h, final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	if log := read(t, c, h, 0); log != "there\n" {
		t.Errorf("its log is %q", log)
	}
	r, err := c.(driver.Outputs).OpenOutput(t.Context(), h, "outputs/x", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "pt\n" {
		t.Errorf("its output from offset 2 is %q, %v", b, err)
	}
	items, err := c.(driver.Cleaner).Clean(t.Context(), false)
	if err != nil || len(items) != 2 {
		t.Errorf("it cleaned %+v, %v", items, err)
	}
}
