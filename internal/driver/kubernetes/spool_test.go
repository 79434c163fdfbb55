package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/relay"
)

// points is what each node of a run logs, whatever becomes of the link meanwhile.
const points = 200

// logging logs them as MLflow does, says how many were kept, and ends.
const logging = `
import json, os, ssl, time, urllib.request
tls = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
rank, kept = os.environ.get("RANK", "0"), 0
def log(path, **body):
    global kept
    request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/" + path,
        json.dumps(dict(body, run_id=os.environ["MLFLOW_RUN_ID"])).encode(),
        {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"})
    answer = urllib.request.urlopen(request, context=tls)
    kept += (answer.headers.get("Warning") or "").startswith("112")
for step in range(200):
    log("log-metric", key="loss-" + rank, value=step / 2, timestamp=int(time.time() * 1000), step=step)
    time.sleep(0.04)
    while step == 30 and not kept: # until the way is cut
        log("set-tag", key="waits-" + rank, value="1")
        time.sleep(0.1)
log("set-tag", key="end-" + rank, value="reached")
log("log-parameter", key="p-" + rank, value="5")
log("log-batch", metrics=[{"key": "last-" + rank, "value": 1, "timestamp": 1, "step": s} for s in range(3)])
print("KEPT %d" % kept)
`

// logged checks that all points of a node are there, each once and in order.
func (s site) logged(id string, node int) {
	s.Helper()
	for name, want := range map[string]int64{"loss": points, "last": 3} {
		next := int64(0)
		for p, err := range s.Series(s.Context(), "default", id, fmt.Sprintf("%s-%d", name, node), 0) {
			if err != nil {
				s.Fatal(err)
			}
			if p.Step != next {
				s.Fatalf("of node %d step %d of %s stands where %d should", node, p.Step, name, next)
			}
			next++
		}
		if next != want {
			s.Errorf("of node %d there are %d points of %s, want %d", node, next, name, want)
		}
	}
}

// TestSpoolOfPods: the way to the cluster is cut, and the server ends and starts again, while the nodes of runs log; their
// processes end before the way is back. Then everything is there once, and so is the end.
func TestSpoolOfPods(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	target, g := behind(t, target)
	dir := t.TempDir()
	s, stop := open(t, dir)
	s.attach(target)
	ids := map[string]int{}
	for _, nodes := range []int{1, 2} {
		var options map[string]any
		if nodes > 1 {
			options = map[string]any{"nodes": nodes}
		}
		ids[s.submit(1, options, "python", "-c", logging)] = nodes
	}
	for id, nodes := range ids {
		s.eventually("the first points", func() bool {
			list, err := s.Metrics(t.Context(), "default", id)
			return err == nil && len(list) == nodes && list[0].Points >= points/10
		})
	}
	g.cut()
	for id := range ids {
		s.silent(id, "")
	}
	stop()
	jobs := "-o=jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}"
	for pod := range strings.FieldsSeq(kubectl(t, "", "-n", namespace, "get", "pods", "-l", "zaffre/job", jobs)) {
		kubectl(t, "", "-n", namespace, "exec", pod, "--", "sh", "-c", "until ls /zaffre/*/jobs/*/exit.json; do sleep 0.1; done")
	}
	s, _ = open(t, dir)
	for id := range ids { // the new one knows it for as little
		if r, err := s.Client.Run(t.Context(), "default", id); err != nil || r.State != "Running" {
			t.Errorf("in silence the run is %s, %v", r.State, err)
		}
	}
	g.shut.Store(false)
	for id, nodes := range ids {
		r := s.ended(id, "Completed")
		for node := range nodes {
			s.logged(id, node)
			if n := fmt.Sprint(node); r.Tags["end-"+n] != "reached" || r.Params["p-"+n] != "5" {
				t.Errorf("of node %d there are tags %v, parameters %v", node, r.Tags, r.Params)
			}
		}
		if len(r.Attempts) != 1 || len(r.Warnings) > 0 || r.Attempts[0].State != "done" {
			t.Errorf("the attempts are %+v, warnings %v", r.Attempts, r.Warnings)
		}
		kept := 0
		if _, err := fmt.Sscanf(s.read(id), "KEPT %d", &kept); err != nil || kept < points/4 {
			t.Errorf("only %d writes were kept, %v", kept, err)
		}
		t.Logf("over %d nodes, %d of %d writes of the first were kept", nodes, kept, points+3)
	}
}

// TestPodsStayUntilAllIsSent: a pod whose process logged to a server that is away stays until the server has that.
func TestPodsStayUntilAllIsSent(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	var mu sync.Mutex
	var arrived []string
	var open atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		arrived = append(arrived, r.Header.Get(relay.Sequence)+" "+string(body))
		fmt.Fprint(w, "{}")
	}))
	t.Cleanup(server.Close)
	target.Home = func(ctx context.Context) (net.Conn, error) {
		if !open.Load() {
			return nil, errors.New("the server is away")
		}
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	u := using{t, connect(t, target)}
	j := over(2, nil, "python", "-c", strings.ReplaceAll(logging, "range(200)", "range(3)"))
	j.Token, j.Env = "a-token", map[string]string{"MLFLOW_TRACKING_URI": driver.HomeURL, "REQUESTS_CA_BUNDLE": driver.HomeCA, "MLFLOW_TRACKING_TOKEN": "a-token", "MLFLOW_RUN_ID": "r"}
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone || u.log(h) != "KEPT 6\n" {
		t.Errorf("the job is %+v, and says %q", st, u.log(h))
	}
	if err := u.Release(t.Context(), h); fault.ReasonOf(err) != "WritesWaiting" || fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("released with its writes: %v", err)
	}
	pods := kubectl(t, "", "-n", namespace, "get", "pods", "-l", "zaffre/job="+j.ID, "-o=jsonpath={.items[*].status.phase}")
	if pods != "Running Running" {
		t.Errorf("its pods are %q", pods)
	}
	open.Store(true)
	u.await(j, h, "the release", func(driver.JobStatus, error) bool {
		err := u.Release(t.Context(), h)
		if err != nil && fault.CodeOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
		return err == nil
	})
	mu.Lock()
	defer mu.Unlock()
	if len(arrived) != 12 {
		t.Errorf("of 12 writes arrived %q", arrived)
	}
	for _, rank := range []string{"0", "1"} {
		next := 0
		for _, w := range arrived {
			if strings.Contains(w, `"loss-`+rank+`"`) && strings.Contains(w, fmt.Sprintf(`"step": %d`, next)) {
				next++
			}
		}
		if next != 3 {
			t.Errorf("the writes of node %s are not in order: %q", rank, arrived)
		}
	}
}
