package kubernetes

import (
	"cmp"
	_ "embed"
	"maps"
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

//go:embed launch.sh
var launchScript string

// masterPort is where node 0 is met: torchrun's own default. A pod has all ports for itself.
const masterPort = "29500"

// usualGrace is what a job has between TERM and KILL where it does not say: see driver.Job.
const usualGrace = 10 * time.Second

// seat is a node's part in a run.
type seat struct {
	span
	node   int
	gpus   int    // per node
	master string // address of node 0
}

// seatOf returns the part of a node of a run.
func seatOf(job driver.Job, j *object, node int, master string) (seat, error) {
	s, err := spanOf(job.Options)
	return seat{s, node, gpusOf(j, driver.Text(job.Options[jobGPUResource])), master}, err
}

// gpusOf is how many GPUs each pod of a Job has, whether the run or its instance type says so.
func gpusOf(j *object, resource string) (sum int) {
	containers, _, _ := unstructured.NestedSlice(j.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		c, _ := c.(map[string]any)
		limits, _, _ := unstructured.NestedStringMap(c, "resources", "limits")
		for name, amount := range limits {
			if n, err := strconv.Atoi(amount); err == nil && (name == resource || strings.HasSuffix(name, "/gpu")) {
				sum += n
			}
		}
	}
	return sum
}

// on returns the job as a node has it. One process on one node is told of no others.
func (s seat) on(job driver.Job) driver.Job {
	if s.nodes == 1 && s.processes == 1 {
		return job
	}
	job.Env = s.variables(job.Env)
	if s.processes > 1 && len(job.Command) > 0 {
		job.Command = s.launch(job)
	}
	return job
}

// variables are the node's: those of torch.distributed, of torchrun, and those that Azure ML's own nodes have. The run's
// own say at which port node 0 is met, and how many processes torchrun starts.
func (s seat) variables(own map[string]string) map[string]string {
	out, n := map[string]string{}, strconv.Itoa
	maps.Copy(out, own)
	port := cmp.Or(own["MASTER_PORT"], masterPort)
	maps.Copy(out, map[string]string{
		"MASTER_ADDR": s.master, "MASTER_PORT": port, "WORLD_SIZE": n(s.nodes * s.processes), "LOCAL_WORLD_SIZE": n(s.processes),
		"NODE_RANK": n(s.node), "RANK": n(s.node * s.processes), "LOCAL_RANK": "0",

		"PET_NNODES": n(s.nodes), "PET_NODE_RANK": n(s.node), "PET_MASTER_ADDR": s.master, "PET_MASTER_PORT": port,
		"PET_RDZV_ENDPOINT":  net.JoinHostPort(s.master, port),
		"PET_NPROC_PER_NODE": cmp.Or(own["PET_NPROC_PER_NODE"], n(max(1, s.gpus))),
		"AZUREML_NODE_COUNT": n(s.nodes), "AZ_BATCHAI_TASK_INDEX": n(s.node),
		"AZ_BATCH_MASTER_NODE": net.JoinHostPort(s.master, port), "AZ_BATCHAI_MPI_MASTER_NODE": s.master,
	})
	return out
}

// launch is the command that starts the node's processes.
func (s seat) launch(job driver.Job) []string {
	grace := cmp.Or(job.Grace, usualGrace)
	argv := []string{"sh", "-c", launchScript, "sh", strconv.Itoa(s.processes), strconv.Itoa(s.node * s.processes), strconv.Itoa(int(max(grace, time.Second) / time.Second))}
	if job.Command[0] != "python" {
		return append(argv, job.Command...)
	}
	return append(append(argv, interpreterOf(job.Runtime)), job.Command[1:]...)
}

// interpreterOf is what a command's first word "python" means: to the agent it is no longer the first.
func interpreterOf(r driver.Runtime) string {
	if r.Prefix != "" {
		return path.Join(r.Prefix, "bin", "python")
	}
	return cmp.Or(r.Python, "python3")
}
