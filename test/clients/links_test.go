package clients_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// cable is the only way to a machine: it can be cut, in the middle of whatever is on it.
type cable struct {
	net.Listener
	to string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

func openCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &cable{Listener: l, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); w.cut() })
	go w.serve()
	return w
}

func (w *cable) serve() {
	for {
		near, err := w.Accept()
		if err != nil {
			return
		}
		go w.carry(near)
	}
}

func (w *cable) carry(near net.Conn) {
	far, err := net.Dial("tcp", w.to)
	if err != nil {
		near.Close()
		return
	}
	if !w.hold(near, far) {
		return
	}
	go func() { _, _ = io.Copy(far, near); far.Close() }()
	_, _ = io.Copy(near, far)
	near.Close()
}

// hold keeps connections for the next cut; false: the cable is down.
func (w *cable) hold(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		if w.conns[c] = true; w.down {
			c.Close()
		}
	}
	return !w.down
}

func (w *cable) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		c.Close()
	}
	clear(w.conns)
}

func (w *cable) restore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

// mortal is a server that is killed and started again.
type mortal struct {
	*box
	*rig.Server
	options rig.Options
}

func mortalServer(t *testing.T, env ...string) *mortal {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal("build zaffre:", err)
	}
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	o := rig.Options{Bin: bin, Data: filepath.Join(t.TempDir(), "data"), Port: port, Env: append([]string{"ZAFFRE_LOG_LEVEL=debug"}, env...)}
	m := &mortal{box: &box{dir: filepath.Dir(o.Data), log: logFile(o.Data + ".log")}, options: o}
	m.start(t)
	t.Cleanup(func() { m.Server.Stop(); m.Server.Sweep() })
	return m
}

// start starts it on what the one before left.
func (m *mortal) start(t *testing.T) {
	t.Helper()
	s, err := rig.Start(t.Context(), m.options)
	if err != nil {
		t.Fatal(err)
	}
	m.Server, m.Client = s, s.C
}

func (m *mortal) kill() { m.Server.Kill() }

// logMuch logs 2,000 points with what else a training script logs, and counts what the relay kept.
const logMuch = `
import mlflow, os, requests, time
kept, send = 0, requests.Session.send
def counting(self, request, **more):
    global kept
    answer = send(self, request, **more)
    kept += answer.headers.get("Warning", "").startswith("112")
    return answer
requests.Session.send = counting
print("BEGUN", flush=True)
for step in range(2000):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
    if step % 100 == 0:
        mlflow.log_param("p%d" % step, step)
        mlflow.set_tag("at", step)
        print("step %d" % step, flush=True)
    time.sleep(0.02)
mlflow.set_tag("at", "the end")
print("KEPT %d" % kept)
`

// TestLinksThatBreak: MLflow inside a run on a machine logs while the way there is cut eight times and the server is
// killed twice; every point is there once and in order, and the run ends once.
func TestLinksThatBreak(t *testing.T) {
	t.Parallel()
	c := realMachine(t)
	b := mortalServer(t)
	w := openCable(t, net.JoinHostPort(c.address, c.port))
	_, proxy, _ := net.SplitHostPort(w.Addr().String())
	at, err := strconv.Atoi(proxy)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.AttachCompute(t.Context(), "default", client.Compute{Name: "far", Kind: "sshvm", Shared: true, Options: map[string]any{
		"address": "127.0.0.1", "sshPort": at, "administratorAccount.username": c.user, "administratorAccount.password": c.password,
	}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.RegisterEnvironment(t.Context(), "default", client.Environment{Name: "mlflow", Python: "3.11", Pip: []string{"mlflow-skinny==3.17.2"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "far", Environment: fmt.Sprintf("%s:%d", e.Name, e.Version), Command: []string{"python", "-c", logMuch},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		b.past(t, r.ID, 1+i*150)
		if i == 3 || i == 7 {
			b.kill()
		} else {
			w.cut()
		}
		<-time.After(700 * time.Millisecond) // as long as the link is down
		if i == 3 || i == 7 {
			b.start(t)
		} else {
			w.restore()
		}
	}
	log := b.finished(t, r.ID, "Completed")
	b.complete(t, r.ID)
	found := regexp.MustCompile(`KEPT (\d+)`).FindStringSubmatch(log)
	if found == nil {
		t.Fatalf("the log is %s", log)
	}
	if n, _ := strconv.Atoi(found[1]); n < 100 {
		t.Errorf("only %d writes were kept: the links did not break", n)
	} else {
		t.Logf("%d of 2041 writes were kept", n)
	}
	for step := 0; step < 2000; step += 100 {
		holds(t, log, fmt.Sprintf("step %d\n", step))
	}
}

// past waits until a run has logged so many points.
func (b *box) past(t testing.TB, id string, points int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); ; <-tick.C {
		list, err := b.Metrics(t.Context(), "default", id)
		if err == nil && len(list) == 1 && list[0].Points >= int64(points) {
			return
		}
		if r, err := b.Run(t.Context(), "default", id); time.Now().After(deadline) || err == nil && (r.State == "Failed" || r.State == "Completed") {
			t.Fatalf("waited in vain for %d points: %+v, %v\n%s", points, list, r.Error, lastLines(b.log.String(), 20))
		}
	}
}

// inOrder checks that a metric has its points, each once and in order.
func (b *box) inOrder(t testing.TB, id, name string, points int64) {
	t.Helper()
	next := int64(0)
	for p, err := range b.Series(t.Context(), "default", id, name, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Step != next {
			t.Fatalf("of %s step %d stands where %d should", name, p.Step, next)
		}
		next++
	}
	if next != points {
		t.Errorf("%s has %d points, want %d", name, next, points)
	}
}

// complete looks at what logMuch logged.
func (b *box) complete(t testing.TB, id string) {
	t.Helper()
	b.inOrder(t, id, "loss", 2000)
	r, err := b.Run(t.Context(), "default", id)
	if err != nil || r.Tags["at"] != "the end" || len(r.Params) != 20 || len(r.Attempts) != 1 || len(r.Warnings) > 0 {
		t.Errorf("tags %v, %d parameters, %d attempts, warnings %v, %v", r.Tags, len(r.Params), len(r.Attempts), r.Warnings, err)
	}
	page, err := b.Events(t.Context(), "default", client.EventFilter{Subject: "run/" + id})
	if err != nil {
		t.Fatal(err)
	}
	ends := 0
	for _, e := range page.Items {
		if e.Type == "run.state_changed" && e.Data["state"] == "Completed" {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("the run ended %d times", ends)
	}
}
