package kubernetes_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// over returns a job over several nodes.
func over(nodes int, more map[string]any, argv ...string) driver.Job {
	j := drivertest.NewJob(argv...)
	j.Options = map[string]any{"nodes": int64(nodes)}
	maps.Copy(j.Options, more)
	return j
}

// meeting is a program that needs all others: rank 0 listens, and tells all what all have said.
const meeting = `
import json, os, socket, time
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    s = socket.create_server(place, backlog=world)
    peers = [s.accept()[0].makefile("rw") for _ in range(world - 1)]
    said = sorted([rank] + [int(p.readline()) for p in peers])
    for p in peers:
        print(json.dumps(said), file=p, flush=True)
else:
    while True:
        try:
            p = socket.create_connection(place).makefile("rw")
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    print(rank, file=p, flush=True)
    said = json.loads(p.readline())
names = "RANK LOCAL_RANK NODE_RANK LOCAL_WORLD_SIZE PET_NNODES PET_NODE_RANK PET_NPROC_PER_NODE AZUREML_NODE_COUNT".split()
words = ["met", said, *(os.environ[n] for n in names), os.environ["PET_RDZV_ENDPOINT"] == "%s:%d" % place]
os.write(1, (" ".join(map(str, words)) + "\n").encode())  # at once: two processes write to this log
os.makedirs("outputs", exist_ok=True)
open("outputs/rank-%d.txt" % rank, "w").write(str(rank))
`

func (u using) output(h driver.Handle, name string) string {
	u.Helper()
	r, err := u.Runner.(driver.Outputs).OpenOutput(u.Context(), h, name, 0)
	if err != nil {
		u.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		u.Error(err)
	}
	return string(b)
}

func (u using) outputs(h driver.Handle) (names []string) {
	u.Helper()
	list, err := u.Runner.(driver.Outputs).ListOutputs(u.Context(), h)
	if err != nil {
		u.Fatal(err)
	}
	for _, f := range list {
		names = append(names, f.Path)
	}
	return names
}

// TestNodes: three nodes of two processes each meet, and what each wrote is there.
func TestNodes(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	j := over(3, map[string]any{"processesPerNode": int64(2)}, "python", "-c", meeting)
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobDone || st.Started.IsZero() || !st.Ended.After(st.Started) {
		t.Fatalf("the job is %+v, and says %s", st, u.log(h))
	}
	for node := range 3 {
		text := ""
		if node == 0 {
			text = u.log(h)
		} else {
			text = u.output(h, fmt.Sprintf("logs/node-%d.log", node))
		}
		for local := range 2 {
			want := fmt.Sprintf("met [0, 1, 2, 3, 4, 5] %d %d %d 2 3 %d 1 3 True\n", 2*node+local, local, node, node)
			if !strings.Contains(text, want) {
				t.Errorf("node %d said %q, want %q in it", node, text, want)
			}
		}
	}
	want := []string{
		"logs/node-1.log", "logs/node-2.log", "outputs/node-1/rank-2.txt", "outputs/node-1/rank-3.txt",
		"outputs/node-2/rank-4.txt", "outputs/node-2/rank-5.txt", "outputs/rank-0.txt", "outputs/rank-1.txt",
	}
	if got := u.outputs(h); !slices.Equal(got, want) {
		t.Errorf("the outputs are %q, want %q", got, want)
	}
	if got := u.output(h, "outputs/node-2/rank-5.txt"); got != "5" {
		t.Errorf("an output of node 2 is %q", got)
	}
	if _, err := u.Runner.(driver.Outputs).OpenOutput(t.Context(), h, "outputs/node-7/x", 0); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an output of a node that there is not: %v", err)
	}
	if err := u.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Start(t.Context(), j); fault.ReasonOf(err) != "Fenced" {
		t.Errorf("released, it starts again: %v", err)
	}
	kubectl(t, "", "-n", namespace, "wait", "--for=delete", "--timeout=120s", "pods", "-l", "zaffre/job="+j.ID)
}

// TestNodesUnderWay: the log of another node is read while the run goes on, by another server too, which finds the run
// again; canceled, all nodes end.
func TestNodesUnderWay(t *testing.T) {
	t.Parallel()
	first, target, _ := fresh(t)
	j := over(2, nil, "sh", "-c", `trap 'echo bye; exit 7' TERM; echo "on $NODE_RANK"; while :; do sleep 0.1; done`)
	h := first.start(j)
	first.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	_ = first.Runner.Close()
	u := using{t, connect(t, target)}
	if st, err := u.Poll(t.Context(), h); err != nil || st.State != driver.JobRunning {
		t.Fatalf("found again, the job is %+v, %v", st, err)
	}
	if again := u.start(j); string(again.Data) != string(h.Data) {
		t.Errorf("started again, it is %s", again.Data)
	}
	for end := time.Now().Add(3 * time.Minute); u.output(h, "logs/node-1.log") != "on 1\n"; <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log of node 1 is %q", u.output(h, "logs/node-1.log"))
		}
	}
	for range 2 {
		if err := u.Cancel(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if st := u.end(j, h); st.State != driver.JobCanceled {
		t.Errorf("canceled, the job is %+v", st)
	}
	if a, b := u.log(h), u.output(h, "logs/node-1.log"); !strings.HasSuffix(a, "bye\n") || !strings.HasSuffix(b, "bye\n") {
		t.Errorf("the nodes said %q and %q", a, b)
	}
}

// TestNodesReachTheServer: each node has a way to the server, and none of it stands in an object of the cluster.
func TestNodesReachTheServer(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	var asked atomic.Int64
	printed := make(chan struct{})
	node0Printed := sync.OnceFunc(func() { close(printed) }) // a request may come twice
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/0":
			node0Printed()
		case "/1":
			<-printed // the end of node 1 ends node 0 too
		default:
			asked.Add(1)
		}
		fmt.Fprint(w, "hello ", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	target.Home = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	u := using{t, connect(t, target)}
	j := over(2, nil, "python", "-c", asking+`
import sys
sys.stdout.flush()
r = urllib.request.Request(os.environ["HOME_URL"] + "/" + os.environ["RANK"], headers={"Authorization": "Bearer a-token"})
urllib.request.urlopen(r, context=ssl.create_default_context(cafile=os.environ["CA"]))
raise SystemExit(int(os.environ["RANK"]))`)
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA, "API_KEY": "k3y-canary"}
	h := u.start(j)
	if st := u.end(j, h); st.State != driver.JobFailed || st.ExitCode != 1 || !strings.HasSuffix(st.Message, "ends: hello Bearer a-token") || u.log(h) != "hello Bearer a-token\n" || asked.Load() != 2 {
		t.Errorf("the job is %+v, and says %q; the server was asked %d times", st, u.log(h), asked.Load())
	}
	unseen(t, namespace, j, "a-token", "k3y-canary", "urllib", target.Secrets["token"])
}

// TestNodesAllOrNothing: where only one of two pods has room nothing is started, and after its time the run fails and its
// pods go.
func TestNodesAllOrNothing(t *testing.T) {
	t.Parallel()
	first, target, namespace := fresh(t)
	kubectl(t, "", "-n", namespace, "create", "quota", "one", "--hard=pods=1")
	j := over(2, map[string]any{"nodesTimeout": 15 * time.Second}, "sh", "-c", "echo begun")
	h := first.start(j)
	first.says(j, h, "1 of 2 nodes are there; node 1: waits: its pod cannot be made: ")
	if got := first.log(h); got != "" {
		t.Errorf("it has begun: %q", got)
	}
	_ = first.Runner.Close()
	u := using{t, connect(t, target)} // another server knows for how long it waits
	st := u.end(j, h)
	if st.State != driver.JobFailed || st.Reason != "NodesMissing" || !strings.Contains(st.Message, "after 15s 1 of 2 nodes were there, and nothing was started") || !strings.Contains(st.Message, "exceeded quota: one") {
		t.Errorf("the job is %+v", st)
	}
	kubectl(t, "", "-n", namespace, "wait", "--for=delete", "--timeout=120s", "pods", "-l", "zaffre/job="+j.ID)
	if err := u.Release(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// TestNodesWaitAndCome: a run whose second node comes late begins then.
func TestNodesWaitAndCome(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	kubectl(t, "", "-n", namespace, "create", "quota", "one", "--hard=pods=1")
	j := over(2, nil, "python", "-c", meeting)
	h := u.start(j)
	u.says(j, h, "1 of 2 nodes are there")
	kubectl(t, "", "-n", namespace, "delete", "quota", "one")
	if st := u.end(j, h); st.State != driver.JobDone || !strings.Contains(u.log(h), "met [0, 1] 0 0 0 1 2 0 1 2 True") {
		t.Errorf("the job is %+v, and says %q", st, u.log(h))
	}
}

// TestNodeFails: the failure of one node is the run's, and ends the others, which wait for ever.
func TestNodeFails(t *testing.T) {
	t.Parallel()
	u, _, _ := fresh(t)
	const text = `
if [ "$NODE_RANK" = 1 ]; then
  for i in 1 2 3 4 5 6 7 8; do echo "line $i"; done
  exit 3
fi
echo "$NODE_RANK waits"; exec sleep 600`
	j := over(3, nil, "sh", "-c", text)
	h := u.start(j)
	st := u.end(j, h)
	if st.State != driver.JobFailed || st.Reason != "ExitCode" || st.ExitCode != 3 || !strings.HasPrefix(st.Message, "node 1: exited with code 3; logs/node-1.log ends: line 4\n") || !strings.HasSuffix(st.Message, "line 8") {
		t.Errorf("the job is %+v", st)
	}
	if again, err := u.Poll(t.Context(), h); err != nil || again.State != st.State || again.Message != st.Message {
		t.Errorf("asked again, it is %+v, %v", again, err)
	}
}

// TestNodeGone: without one of its pods the run is lost, and so are the other pods; the next attempt begins.
func TestNodeGone(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	j := over(2, nil, "sleep", "600")
	h := u.start(j)
	u.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	kubectl(t, "", "-n", namespace, "delete", "pod", "--wait=false", "-l", "zaffre/job="+j.ID+",batch.kubernetes.io/job-completion-index=1")
	st := u.end(j, h)
	if st.State != driver.JobLost || st.Reason != "PodDeleted" || !strings.HasPrefix(st.Message, "node 1: ") || st.Ended.After(time.Now()) {
		t.Errorf("the job is %+v", st)
	}
	if err := u.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	next := j
	next.ID, next.Attempt, next.Command = j.ID[:len(j.ID)-1]+"2", j.Attempt+1, []string{"python", "-c", meeting}
	again := u.start(next)
	if st := u.end(next, again); st.State != driver.JobDone {
		t.Errorf("tried again, the job is %+v", st)
	}
}

// TestNodesCanceledEarly: a run that waits for its nodes is canceled before it begins.
func TestNodesCanceledEarly(t *testing.T) {
	t.Parallel()
	u, _, namespace := fresh(t)
	kubectl(t, "", "-n", namespace, "create", "quota", "one", "--hard=pods=1")
	j := over(2, nil, "true")
	h := u.start(j)
	u.says(j, h, "1 of 2 nodes are there")
	if err := u.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := u.end(j, h); st.State != driver.JobCanceled || st.Message != "canceled before it began" {
		t.Errorf("the job is %+v", st)
	}
}

// TestNodesGPUs: torchrun starts a process for each GPU, also where an instance type has them.
func TestNodesGPUs(t *testing.T) {
	t.Parallel()
	gpu := device(t, 8)
	_, target, _ := fresh(t)
	u := using{t, connect(t, with(target, "instanceTypes", map[string]any{
		"two": map[string]any{"resources": map[string]any{"limits": map[string]any{gpu: "2"}}},
	}))}
	for reason, tc := range map[string]struct {
		options, env map[string]string
		want         string
	}{
		"of its type":      {map[string]string{"instanceType": "two"}, nil, "2\n"},
		"its own":          {map[string]string{"instanceType": "two", "gpuResource": gpu, "gpus": "1"}, nil, "1\n"},
		"its own word":     {map[string]string{"instanceType": "two"}, map[string]string{"PET_NPROC_PER_NODE": "auto"}, "auto\n"},
		"there are no GPU": {nil, nil, "1\n"},
	} {
		j := over(2, nil, "sh", "-c", `echo "$PET_NPROC_PER_NODE"`)
		for name, v := range tc.options {
			j.Options[name] = v
		}
		if tc.options["gpus"] != "" {
			j.Options["gpus"] = int64(1)
		}
		j.Env = tc.env
		h := u.start(j)
		if st := u.end(j, h); st.State != driver.JobDone || u.log(h) != tc.want {
			t.Errorf("%s: the job is %+v, and says %q, want %q", reason, st, u.log(h), tc.want)
		}
		if err := u.Release(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNodeFailsUnseen: a node that fails while no server looks ends the run when one does.
func TestNodeFailsUnseen(t *testing.T) {
	t.Parallel()
	first, target, namespace := fresh(t)
	j := over(2, nil, "sh", "-c", `while [ "$NODE_RANK" = 0 ] || [ ! -e /tmp/end ]; do sleep 0.1; done; exit 6`)
	h := first.start(j)
	first.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	_ = first.Runner.Close()
	name := strings.TrimSpace(kubectl(t, "", "-n", namespace, "get", "pods", "-o", "name", "-l", "zaffre/job="+j.ID+",batch.kubernetes.io/job-completion-index=1"))
	kubectl(t, "", "-n", namespace, "exec", name, "--", "sh", "-c", "touch /tmp/end; until cat /zaffre/*/jobs/*/exit.json 2>/dev/null; do sleep 0.1; done")
	u := using{t, connect(t, target)}
	if st := u.end(j, h); st.State != driver.JobFailed || st.ExitCode != 6 || st.Message != "node 1: exited with code 6" {
		t.Errorf("the job is %+v", st)
	}
	noted := kubectl(t, "", "-n", namespace, "get", "job", j.ID, "-o", "jsonpath={.metadata.annotations.zaffre/stop}")
	if !strings.Contains(noted, `"node":1`) {
		t.Errorf("what is written down is %q", noted)
	}
}

// TestNodesOptions: numbers that cannot be are refused before anything is made.
func TestNodesOptions(t *testing.T) {
	t.Parallel()
	for option, v := range map[string]any{"nodes": int64(0), "processesPerNode": int64(1000), "nodesTimeout": -time.Second} {
		u, _, namespace := fresh(t)
		if _, err := u.Start(t.Context(), over(2, map[string]any{option: v}, "true")); fault.ReasonOf(err) != "OptionInvalid" || fault.From(err).Field != "options."+option {
			t.Errorf("%s %v: %v", option, v, err)
		}
		if made := kubectl(t, "", "-n", namespace, "get", "jobs", "-o", "name"); made != "" {
			t.Errorf("made was %s", made)
		}
	}
	names := []string{}
	for _, o := range kubernetes.Kind().JobOptions {
		names = append(names, cmp.Or(o.Flag, o.Path))
	}
	for _, name := range []string{"nodes", "processesPerNode", "nodesTimeout"} {
		if !slices.Contains(names, name) {
			t.Errorf("the kind has no option %q", name)
		}
	}
}

// TestProcesses: the processes of one node are told apart, the first that fails ends the others, and its signal is told.
func TestProcesses(t *testing.T) {
	t.Parallel()
	u, _, _ := fresh(t)
	for reason, tc := range map[string]struct {
		text string
		want driver.JobStatus
		says string
	}{
		"all are done":  {`echo "$RANK $LOCAL_RANK of $WORLD_SIZE at $MASTER_ADDR"`, driver.JobStatus{State: driver.JobDone}, "2 2 of 3 at 127.0.0.1\n"},
		"one fails":     {`[ "$RANK" = 1 ] && exit 5; trap 'echo ended; exit 9' TERM; while :; do sleep 0.1; done`, driver.JobStatus{State: driver.JobFailed, Reason: "ExitCode", ExitCode: 5}, "ended\n"},
		"one is killed": {`[ "$RANK" = 2 ] && kill -KILL $$; exec sleep 600`, driver.JobStatus{State: driver.JobFailed, Reason: "Signaled", Signal: 9}, "rank 2 ended with code 137"},
		"one is deaf":   {`[ "$RANK" = 0 ] && { sleep 0.5; exit 4; }; trap '' TERM; while :; do sleep 0.1; done`, driver.JobStatus{State: driver.JobFailed, Reason: "ExitCode", ExitCode: 4}, "rank 0 ended with code 4"},
	} {
		j := over(1, map[string]any{"processesPerNode": int64(3)}, "sh", "-c", tc.text)
		j.Grace = time.Second
		h := u.start(j)
		st := u.end(j, h)
		if st.State != tc.want.State || st.Reason != tc.want.Reason || st.ExitCode != tc.want.ExitCode || st.Signal != tc.want.Signal || !strings.Contains(u.log(h), tc.says) {
			t.Errorf("%s: the job is %+v, and says %q", reason, st, u.log(h))
		}
	}
	j := over(1, map[string]any{"processesPerNode": int64(2)}, "sh", "-c", `trap 'echo bye; exit 0' TERM; echo here; while :; do sleep 0.1; done`)
	h := u.start(j)
	u.await(j, h, "the run", func(st driver.JobStatus, _ error) bool { return st.State == driver.JobRunning })
	if err := u.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := u.end(j, h); st.State != driver.JobCanceled {
		t.Errorf("canceled, the job is %+v, and says %q", st, u.log(h))
	}
}
