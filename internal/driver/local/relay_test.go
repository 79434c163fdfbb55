package local_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
)

const runToken = "the-token-of-the-run"

// errand is a job that goes on until it is cancelled, and its relay.
type errand struct {
	*bench
	h         driver.Handle
	dir, root string // of the job, of the agent
	base, ca  string // as the job's process was told
	http      *http.Client
}

// office is a server that says what it was asked.
func office(t *testing.T) func(context.Context) (net.Conn, error) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/hang") {
			<-r.Context().Done()
			return
		}
		if strings.HasSuffix(r.URL.Path, "/early") { // its answer does not wait for all that it is sent
			c := http.NewResponseController(w)
			_, _ = c.EnableFullDuplex(), c.Flush()
		}
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "%s https://%s%s %q", r.Method, r.Host, r.URL.RequestURI(), b)
	}))
	t.Cleanup(s.Close)
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
	}
}

func openErrand(t *testing.T) *errand {
	t.Helper()
	return openErrandTo(open(t, "same"), office(t), nil)
}

// openErrandTo is openErrand with more variables and another server.
func openErrandTo(b *bench, home func(context.Context) (net.Conn, error), env map[string]string) *errand {
	t := b.T
	t.Helper()
	b.target.Home = home
	b.reconnect()
	j := newJob("sh", "-c", `echo "$HOME_URL"; echo "$CA"; echo END; exec sleep 60`)
	j.Token, j.Env = runToken, map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA}
	maps.Copy(j.Env, env)
	h, err := b.Start(b.ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	said := b.lines(h, "END")
	root := b.target.Options["workDirectory"].(string)
	e := &errand{bench: b, h: h, root: root, dir: filepath.Join(root, "jobs", j.ID), base: said[0], ca: said[1]}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(read(t, e.ca))) {
		t.Fatal("no certificates in " + e.ca)
	}
	e.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	return e
}

// reconnect makes a new connection to the target.
func (b *bench) reconnect() {
	b.Helper()
	_ = b.Close()
	c, err := local.Kind().Connect(b.ctx, b.target)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	b.conn = c.(conn)
}

// answer is what came of a request.
type answer struct {
	status     int
	body       string
	stale      bool
	retryAfter string
}

func (e *errand) ask(method, path, body string, header ...string) answer {
	e.Helper()
	r, err := http.NewRequestWithContext(e.ctx, method, e.base+path, strings.NewReader(body))
	if err != nil {
		e.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := e.http.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(b), resp.Header.Get("Warning") != "", resp.Header.Get("Retry-After")}
}

const workspacePath = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"

// TestRelay: who has the run's token is let in, and whoever asks what needs none.
func TestRelay(t *testing.T) {
	e := openErrand(t)
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth("any", runToken)
	bearer := []string{"Authorization", "Bearer " + runToken}
	for _, tc := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"POST", "/api/2.0/mlflow/runs/log-metric", bearer, 200},
		{"GET", "/api/2.0/mlflow/runs/get", []string{"Authorization", basic.Header.Get("Authorization")}, 200},
		{"GET", "/api/2.0/mlflow/runs/get", nil, 401},
		{"GET", "/api/2.0/mlflow/runs/get", []string{"Authorization", "Bearer " + runToken + "x"}, 401},
		{"GET", "/api/2.0/mlflow/runs/get", []string{"Authorization", "Bearer"}, 401},
		{"GET", "/metadata/endpoints?api-version=1", nil, 200},
		{"GET", "/discovery/w", nil, 200},
		{"GET", "/metadata/../api/2.0/mlflow/runs/get", nil, 401},
		{"PUT", "/zblob/c/p?sig=s", nil, 200},
		{"PUT", "/zblob/c/p", nil, 401},
		{"GET", "/api/2.0/mlflow-artifacts/artifacts/zs_abc/default/runs/r/f", nil, 200},
		{"GET", "/api/2.0/mlflow-artifacts/artifacts/default/runs/r/f", nil, 401},
		{"GET", "/metadata/endpoints", []string{"Host", "elsewhere.example"}, 421},
	} {
		got := e.ask(tc.method, tc.path, "body", tc.header...)
		if got.status != tc.status || strings.Contains(got.body, runToken) {
			t.Errorf("%s %s %q: %d %s, want %d", tc.method, tc.path, tc.header, got.status, got.body, tc.status)
		}
		if want := fmt.Sprintf("%s %s%s %q", tc.method, e.base, tc.path, "body"); tc.status == 200 && got.body != want {
			t.Errorf("the server was asked %s, want %s", got.body, want)
		}
	}
}

// TestRelayFiles: nobody else may read the relay's key, or connect to the server past it.
func TestRelayFiles(t *testing.T) {
	e := openErrand(t)
	e.ask("GET", "/metadata/endpoints", "")
	kept, _ := filepath.Glob(filepath.Join(e.root, "relay", "*.json"))
	if len(kept) != 1 {
		t.Errorf("%d answers are kept, want 1", len(kept))
	}
	for _, name := range append(kept, filepath.Join(e.dir, "relay.json"), filepath.Join(e.dir, "spec.json"), filepath.Join(e.root, "home.sock"), e.ca) {
		fi, err := os.Stat(name)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, %v", name, fi, err)
		}
	}
	for name, st := range map[string]string{"log": "", "agent.log": ""} {
		dir := e.root
		if name == "log" {
			dir = e.dir
		}
		if st = read(t, filepath.Join(dir, name)); strings.Contains(st, runToken) {
			t.Errorf("the token is in %s", name)
		}
	}
}

// TestRelayOutlivesItsSupervisor: the next one has the same address and the same certificate.
func TestRelayOutlivesItsSupervisor(t *testing.T) {
	e := openErrand(t)
	before := read(t, filepath.Join(e.dir, "relay.json"))
	old := read(t, filepath.Join(e.dir, "lock"))
	pid, err := strconv.Atoi(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.until("another supervisor", func() bool {
		now := read(t, filepath.Join(e.dir, "lock"))
		return now != "" && now != old && e.ask("GET", "/x", "", "Authorization", "Bearer "+runToken).status == 200
	})
	if diff := cmp.Diff(before, read(t, filepath.Join(e.dir, "relay.json"))); diff != "" {
		t.Errorf("relay.json (-before +after):\n%s", diff)
	}
	if st, err := e.Poll(e.ctx, e.h); err != nil || st.State != driver.JobRunning {
		t.Errorf("the job is %+v, %v", st, err)
	}
}

func (b *bench) until(what string, ok func() bool) {
	b.Helper()
	for tick := time.NewTicker(20 * time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestRelayWithoutTheServer: what clients need to start is answered from what was seen before, to those who may
// have it; the rest waits until the server is there again.
func TestRelayWithoutTheServer(t *testing.T) {
	e := openErrand(t)
	bearer := []string{"Authorization", "Bearer " + runToken}
	open, own := e.ask("GET", "/discovery/w", ""), e.ask("GET", workspacePath+"?api-version=1", "", bearer...)
	_ = e.Close()
	for _, tc := range []struct {
		path   string
		header []string
		want   answer
	}{
		{"/discovery/w", nil, answer{status: 200, body: open.body, stale: true}},
		{workspacePath + "?api-version=1", bearer, answer{status: 200, body: own.body, stale: true}},
	} {
		if diff := cmp.Diff(tc.want, e.ask("GET", tc.path, "", tc.header...), cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.path, diff)
		}
	}
	if got := e.ask("GET", workspacePath+"?api-version=1", ""); got.status != 401 {
		t.Errorf("without the token the workspace is %+v", got)
	}
	later := make(chan answer)
	go func() { later <- e.ask("POST", "/api/2.0/mlflow/runs/create", "1", bearer...) }()
	select {
	case got := <-later:
		t.Fatalf("answered without the server: %+v", got)
	case <-time.After(300 * time.Millisecond):
	}
	e.reconnect()
	if _, err := e.Poll(e.ctx, e.h); err != nil { // the first call starts the agent
		t.Fatal(err)
	}
	if got := <-later; got.status != 200 {
		t.Errorf("with the server there again: %+v", got)
	}
	e.until("discovery by the server", func() bool {
		got := e.ask("GET", "/discovery/w", "")
		return !got.stale && got.status == 200
	})
}

// TestRelayAnswersOthersNothing: what was kept for one run is not for another of the same machine.
func TestRelayAnswersOthersNothing(t *testing.T) {
	e := openErrand(t)
	e.ask("GET", workspacePath, "", "Authorization", "Bearer "+runToken)
	j := newJob("sh", "-c", `echo "$HOME_URL"; echo END; exec sleep 60`)
	j.Token, j.Env = "another-token", map[string]string{"HOME_URL": driver.HomeURL}
	h, err := e.Start(e.ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	base := e.lines(h, "END")[0]
	_ = e.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(read(t, filepath.Join(e.root, "jobs", j.ID, "ca.pem"))))
	e.base, e.http.Transport = base, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	ctx, cancel := context.WithTimeout(e.ctx, 500*time.Millisecond)
	defer cancel()
	e.ctx = ctx
	if got := e.ask("GET", workspacePath, "", "Authorization", "Bearer another-token"); got.status != 0 {
		t.Errorf("another run got %+v", got)
	}
}

// TestRelayHoldsNobody: a job ends though somebody still waits for an answer.
func TestRelayHoldsNobody(t *testing.T) {
	e := openErrand(t)
	gone := make(chan answer)
	go func() { gone <- e.ask("GET", "/hang", "", "Authorization", "Bearer "+runToken) }()
	if err := e.Cancel(e.ctx, e.h); err != nil {
		t.Fatal(err)
	}
	if st := wait(e.ctx, t, e, e.h); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v", st)
	}
	if got := <-gone; got.status == 200 {
		t.Errorf("who waited got %+v", got)
	}
}

// TestRelayAnswersEarly: an answer that has begun before all of the request was read arrives, and whole.
func TestRelayAnswersEarly(t *testing.T) {
	e := openErrand(t)
	ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
	defer cancel()
	body, rest := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, "POST", e.base+"/early", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+runToken)
	go func() { _, _ = io.WriteString(rest, "one, ") }()
	e.http.Transport.(*http.Transport).DisableKeepAlives = false // of a connection that is closed nothing is drained
	defer e.http.CloseIdleConnections()
	resp, err := e.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	go func() { _, _ = io.WriteString(rest, "two"); rest.Close() }()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(b), `"one, two"`) {
		t.Errorf("%q came, %v", b, err)
	}
}

// TestRelayVariables: what a user names is added to, and a job without a token has nothing of it.
func TestRelayVariables(t *testing.T) {
	b := open(t, "same")
	own := filepath.Join(t.TempDir(), "own.pem")
	text := "-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `for k in AZURE_CONFIG_DIR REQUESTS_CA_BUNDLE SSL_CERT_FILE PYTHONPATH no_proxy; do eval "echo $k=\$$k"; done; cat "$REQUESTS_CA_BUNDLE"`
	j := newJob("sh", "-c", script)
	j.Token, j.Env = runToken, map[string]string{"REQUESTS_CA_BUNDLE": own, "SSL_CERT_FILE": driver.HomeCA, "PYTHONPATH": "/mine", "no_proxy": "a.example"}
	_, _, log := b.run(j)
	root := b.target.Options["workDirectory"].(string)
	dir := filepath.Join(root, "jobs", j.ID)
	lines := strings.Split(log, "\n")
	want := []string{
		"AZURE_CONFIG_DIR=" + dir + "/azure", "REQUESTS_CA_BUNDLE=" + dir + "/requests_ca_bundle.pem", "SSL_CERT_FILE=" + dir + "/ca.pem",
		"PYTHONPATH=" + root + "/python:/mine", "no_proxy=a.example,127.0.0.1,localhost",
	}
	if diff := cmp.Diff(want, lines[:len(want)]); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	if n := strings.Count(log, "BEGIN CERTIFICATE"); n != 2 || !strings.HasSuffix(log, text) {
		t.Errorf("the bundle has %d certificates: %s", n, log)
	}
	plain := newJob("sh", "-c", `echo "$AZURE_CONFIG_DIR$PYTHONPATH"`)
	if _, _, log := b.run(plain); log != "\n" {
		t.Errorf("a job without a token has %q", log)
	}
	if _, err := os.Stat(filepath.Join(root, "jobs", plain.ID, "relay.json")); err == nil {
		t.Error("a job without a token has a relay")
	}
}

// TestHookChains: the sitecustomize of the machine or of the user is loaded too, and none is missed.
func TestHookChains(t *testing.T) {
	b := open(t, "same")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte("print('the next one')\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob("python", "-c", "import sys, sitecustomize; print(sitecustomize.__file__); print([type(f).__name__ for f in sys.meta_path if '_Finder' == type(f).__name__])")
	j.Token, j.Env = runToken, map[string]string{"PYTHONPATH": dir}
	if _, _, log := b.run(j); log != "the next one\n"+dir+"/sitecustomize.py\n['_Finder']\n" {
		t.Errorf("with another sitecustomize: %s", log)
	}
	j = newJob("python", "-c", "print('alone')")
	j.Token = runToken
	if _, _, log := b.run(j); log != "alone\n" {
		t.Errorf("without another: %s", log)
	}
}

// BenchmarkRelay measures what a relay adds to the start of a job, and to its supervisor's memory.
func BenchmarkRelay(b *testing.B) {
	for _, token := range []string{"", runToken} {
		b.Run("token="+strconv.FormatBool(token != ""), func(b *testing.B) {
			dir := b.TempDir()
			c, err := local.Kind().Connect(b.Context(), driver.Target{ID: "bench", Options: map[string]any{"workDirectory": dir, "user": "same"}})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Observe(b.Context()); err != nil {
				b.Fatal(err)
			}
			var took []time.Duration
			memory := 0
			for b.Loop() {
				j := newJob("sh", "-c", "echo x; exec sleep 60")
				j.Token = token
				begin := time.Now()
				h, err := c.(driver.Runner).Start(b.Context(), j)
				if err != nil {
					b.Fatal(err)
				}
				log, err := c.(driver.LogReader).ReadLog(b.Context(), h, 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(log, make([]byte, 2)); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
				log.Close()
				lock, _ := os.ReadFile(filepath.Join(dir, "jobs", j.ID, "lock"))
				memory = max(memory, rss(string(lock)))
				_ = c.(driver.Runner).Cancel(b.Context(), h)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-to-first-line")
			b.ReportMetric(float64(memory), "kB-of-its-own")
		})
	}
}

// rss returns what a process has for itself.
func rss(pid string) (kB int) {
	b, _ := os.ReadFile("/proc/" + pid + "/status")
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			kB, _ = strconv.Atoi(strings.Fields(v)[0])
		}
	}
	return kB
}
