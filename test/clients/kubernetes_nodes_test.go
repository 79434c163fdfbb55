package clients_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
)

// distributed submits a run of two nodes with two processes each, which meet by the variables that they have, and log a
// metric each, as MLflow does: its image has no packages. What the target cannot do is refused.
const distributed = prelude + `
import os
from azureml.core import Environment, Experiment, ScriptRunConfig
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
os.makedirs("src")
open("src/meet.py", "w").write('''
import json, os, socket, ssl, time, urllib.request
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    s = socket.create_server(place, backlog=world)
    peers = [s.accept()[0].makefile("rw") for _ in range(world - 1)]
    total = sum(int(p.readline()) for p in peers)
    for p in peers:
        print(total, file=p, flush=True)
else:
    while True:
        try:
            p = socket.create_connection(place).makefile("rw")
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    print(rank, file=p, flush=True)
    total = int(p.readline())
line = "rank %d of %d on node %s of %s sum %s" % (rank, world, os.environ["NODE_RANK"], os.environ["AZUREML_NODE_COUNT"], total)
os.write(1, (line + chr(10)).encode())  # at once: two processes write to this log
metric = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "rank_%d" % rank, "value": total, "timestamp": int(time.time() * 1000)}
ask = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(metric).encode(),
    {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]})
urllib.request.urlopen(ask, context=ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])).read()
os.makedirs("outputs", exist_ok=True)
open("outputs/sum-%d.txt" % rank, "w").write(str(total))
''')
env = Environment("nodes")
env.python.user_managed_dependencies = True
env.python.interpreter_path = "python3"
def config(job):
    return ScriptRunConfig(source_directory="src", script="meet.py", compute_target="kube", environment=env, distributed_job_config=job)
for name, job in {
    "mpi": MpiConfiguration(process_count_per_node=1, node_count=2),
    "tensorflow": TensorflowConfiguration(worker_count=2, parameter_server_count=1),
    "odd": PyTorchConfiguration("Gloo", process_count=3, node_count=2),
}.items():
    try:
        print("TAKEN", name, Experiment(ws, "nodes").submit(config(job)).id)
    except Exception as e:
        print("REFUSED", name, str(e).replace("\n", " "))
c = config(PyTorchConfiguration("Gloo", process_count=4, node_count=2))
c.run_config.kubernetescompute.instance_type = "small"
run = Experiment(ws, "nodes").submit(c)
run.wait_for_completion(raise_on_error=False)
print("RUN", run.id, run.get_status(), sorted(run.get_metrics().items()))
print("FILES", sorted(f for f in run.get_file_names() if "node" in f or "sum" in f))
print("WARNINGS", run.get_details().get("warnings"))
`

// TestV1SeveralNodes: what azureml-core says of nodes and processes holds on a real cluster.
func TestV1SeveralNodes(t *testing.T) {
	t.Parallel()
	b := withCluster(t, map[string]any{"instanceTypes": map[string]any{"small": map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": "10m"}}}}})
	out := b.must(t, script{python: v1(t, "3.10"), text: distributed})
	t.Log(out)
	holds(t, out,
		"REFUSED mpi", "use PyTorchConfiguration in place of MpiConfiguration", "REFUSED tensorflow", "TF_CONFIG", "REFUSED odd", "3 cannot be shared among 2",
		" Completed [('rank_0', 6.0), ('rank_1', 6.0), ('rank_2', 6.0), ('rank_3', 6.0)]",
		"FILES ['logs/node-1.log', 'outputs/node-1/sum-2.txt', 'outputs/node-1/sum-3.txt', 'outputs/sum-0.txt', 'outputs/sum-1.txt']",
	)
	_, id, _ := strings.Cut(out, "\nRUN ")
	id, _, _ = strings.Cut(id, " ")
	log := b.finished(t, id, "Completed")
	holds(t, log, "rank 0 of 4 on node 0 of 2 sum 6", "rank 1 of 4 on node 0 of 2 sum 6")
	got, err := b.Run(t.Context(), "default", id)
	if err != nil || got.Options["instanceType"] != "small" || len(got.Warnings) != 0 {
		t.Errorf("the run is %+v, %v", got, err)
	}
}

// TestNodeLostIsTriedAgain: a run over two nodes that loses one is tried again, with all of its nodes.
func TestNodeLostIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := withCluster(t, nil)
	run, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "kube", Retries: 1, Options: map[string]any{"nodes": 2},
		Command: []string{"sh", "-c", `echo "attempt on $(hostname)"; case "$(hostname)" in *-1-[01]) exec sleep 600;; esac`},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run to run", func() bool {
		r, err := b.Run(t.Context(), "default", run.ID)
		return err == nil && r.State == "Running"
	})
	label := "zaffre/run=" + strings.ToLower(run.UID) + ",batch.kubernetes.io/job-completion-index=1"
	eventually(t, "a pod of node 1", func() bool {
		return strings.Contains(kubectl(t, "", "delete", "pod", "--wait=false", "-l", label), "deleted")
	})
	b.finished(t, run.ID, "Completed")
	got, err := b.Run(t.Context(), "default", run.ID)
	if err != nil || len(got.Attempts) != 2 || got.Attempts[0].State != "lost" || !strings.HasPrefix(got.Attempts[0].Message, "node 1: ") {
		t.Errorf("the run is %+v, %v", got, err)
	}
	files, err := b.Artifacts(t.Context(), "default", run.ID, "logs/", client.Cursor{})
	if err != nil || !slices.ContainsFunc(files.Items, func(a client.Artifact) bool { return a.Path == "logs/node-1.log" }) {
		t.Errorf("the run's logs are %+v, %v", files, err)
	}
}

// withCluster is a server with the cluster of test/engines/kubernetes.sh attached as "kube".
func withCluster(t *testing.T, options map[string]any) *box {
	t.Helper()
	config := cluster(t)
	b := startWith(t, kubernetes.Kind())
	all := map[string]any{"kubeconfig": config, "namespace": "default", "image": os.Getenv("TEST_KUBERNETES_IMAGE")}
	for path, v := range options {
		all[path] = v
	}
	if _, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: "kube", Kind: "kubernetes", Options: all}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		c, err := b.Compute(t.Context(), "default", "kube")
		if err == nil && c.State == "Succeeded" {
			return b
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("the target is %+v, %v", c, err)
		}
	}
}
