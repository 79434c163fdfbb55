package kubernetes_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// gate is a way to an API server that counts what is asked, and can be shut.
type gate struct {
	asked atomic.Int64
	shut  atomic.Bool
	conns sync.Map
}

// cut shuts the gate in the middle of whatever goes through it.
func (g *gate) cut() {
	g.shut.Store(true)
	g.conns.Range(func(c, _ any) bool {
		_ = c.(net.Conn).Close()
		g.conns.Delete(c)
		return true
	})
}

// behind returns a target that is reached by a gate.
func behind(t *testing.T, target driver.Target) (driver.Target, *gate) {
	t.Helper()
	server, ca := cluster(t)
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	g := &gate{}
	proxy := rig.Proxy(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true},
	})
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.shut.Load() {
			panic(http.ErrAbortHandler)
		}
		g.asked.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	front.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			g.conns.Store(c, nil)
		}
	}
	front.StartTLS()
	t.Cleanup(front.Close)
	target = with(target, "server", front.URL)
	return with(target, "ca", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}))), g
}

// TestWaitingRunsAskNothing: what runs wait for is told by one watch, however many there are and however often they
// are looked at. What it does not tell is asked for.
func TestWaitingRunsAskNothing(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	target, g := behind(t, target)
	u := using{t, connect(t, target)}
	jobs, handles := []driver.Job{}, []driver.Handle{}
	for range 5 {
		j := drivertest.NewJob("true")
		j.Options = map[string]any{"cpus": "1000"}
		jobs, handles = append(jobs, j), append(handles, u.start(j))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.Runner.(driver.Watcher).Watch(ctx, func(string) {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the watch ended: %v", err)
		}
	})
	for i, h := range handles {
		u.says(jobs[i], h, "Insufficient cpu")
	}
	u.await(jobs[0], handles[0], "an answer that costs nothing", func(driver.JobStatus, error) bool {
		before := g.asked.Load()
		_, err := u.Poll(t.Context(), handles[0])
		return err == nil && g.asked.Load() == before
	})
	before := g.asked.Load()
	for range 20 {
		for _, h := range handles {
			if st, err := u.Poll(t.Context(), h); err != nil || !strings.Contains(st.Message, "Insufficient cpu") {
				t.Fatalf("the job is %+v, %v", st, err)
			}
		}
	}
	if asked := g.asked.Load() - before; asked > 2 { // a watch may have been opened anew
		t.Errorf("%d looks at runs that wait cost %d requests", 20*len(handles), asked)
	}
	kubectl(t, "", "-n", namespace, "delete", "job", jobs[0].ID)
	if st := u.end(jobs[0], handles[0]); st.State != driver.JobLost || st.Reason != "NoRecord" {
		t.Errorf("its Job deleted, the run is %+v", st)
	}
	if err := u.Cancel(t.Context(), handles[1]); err != nil {
		t.Fatal(err)
	}
	if st := u.end(jobs[1], handles[1]); st.State != driver.JobCanceled {
		t.Errorf("canceled, the run is %+v", st)
	}
}

// TestSilenceIsNoAnswer: when the watch breaks, nothing is said by what it knew.
func TestSilenceIsNoAnswer(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	target, g := behind(t, target)
	u := using{t, connect(t, target)}
	j := drivertest.NewJob("true")
	j.Options = map[string]any{"cpus": "1000"}
	h := u.start(j)
	u.says(j, h, "Insufficient cpu")
	g.shut.Store(true)
	if st, err := u.Poll(t.Context(), h); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("in silence the job is %+v, %v", st, err)
	}
	g.shut.Store(false)
	u.says(j, h, "Insufficient cpu")
}
