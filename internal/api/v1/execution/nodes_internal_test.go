package execution

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestNodes: what configurations ask of nodes becomes options of a target that has them. No kind of this package's tests
// has.
func TestNodes(t *testing.T) {
	t.Parallel()
	cluster := ability{has: map[string]bool{nodesOption: true, processesOption: true, instanceOption: true}, types: []string{"gpu", "STANDARD_NC6"}}
	slurm := ability{has: map[string]bool{nodesOption: true}}
	for reason, tc := range map[string]struct {
		text     string
		on       ability
		options  map[string]any
		warnings []string
		refused  string
	}{
		"nothing":            {`{"nodeCount":1,"communicator":"None","mpi":{"nodeCount":1},"pytorch":{"processCount":null,"nodeCount":1}}`, cluster, nil, nil, ""},
		"node count":         {`{"nodeCount":2}`, cluster, map[string]any{"nodes": int64(2)}, nil, ""},
		"per process":        {`{"nodeCount":2,"framework":"PyTorch","communicator":"gloo","pytorch":{"processCount":8,"nodeCount":2}}`, cluster, map[string]any{"nodes": int64(2), "processesPerNode": int64(4)}, nil, ""},
		"per node":           {`{"nodeCount":2,"framework":"PyTorch","communicator":"nccl","pytorch":{"processCount":null,"nodeCount":2}}`, cluster, map[string]any{"nodes": int64(2)}, nil, ""},
		"one node":           {`{"nodeCount":1,"framework":"PyTorch","communicator":"nccl","pytorch":{"processCount":4,"nodeCount":1}}`, cluster, map[string]any{"processesPerNode": int64(4)}, nil, ""},
		"not shared":         {`{"nodeCount":2,"pytorch":{"processCount":3,"nodeCount":2}}`, cluster, nil, nil, "pytorch.processCount"},
		"MPI":                {`{"nodeCount":2,"communicator":"IntelMpi","mpi":{"processCountPerNode":1,"nodeCount":2}}`, cluster, nil, nil, "mpi.nodeCount"},
		"MPI by hand":        {`{"nodeCount":2,"communicator":"OpenMpi"}`, cluster, nil, nil, "mpi.nodeCount"},
		"TensorFlow":         {`{"nodeCount":2,"framework":"TensorFlow","communicator":"ParameterServer","tensorflow":{"workerCount":2}}`, cluster, nil, nil, "tensorflow.workerCount"},
		"Slurm's nodes":      {`{"nodeCount":2}`, slurm, nil, nil, "nodeCount"},
		"PyTorch elsewhere":  {`{"nodeCount":1,"communicator":"nccl","pytorch":{"processCount":2,"nodeCount":1}}`, slurm, nil, []string{"communicator", "pytorch.processCount"}, ""},
		"instance type":      {`{"kubernetescompute":{"instanceType":"gpu"},"amlcompute":{"vmSize":null,"retainCluster":false}}`, cluster, map[string]any{"instanceType": "gpu"}, nil, ""},
		"size":               {`{"kubernetescompute":{"instanceType":null},"amlcompute":{"vmSize":"STANDARD_NC6"}}`, cluster, map[string]any{"instanceType": "STANDARD_NC6"}, nil, ""},
		"unknown type":       {`{"kubernetescompute":{"instanceType":"tpu"}}`, cluster, nil, []string{"kubernetescompute"}, ""},
		"unknown size":       {`{"amlcompute":{"vmSize":"STANDARD_D2"}}`, cluster, nil, []string{"amlcompute"}, ""},
		"no types elsewhere": {`{"kubernetescompute":{"instanceType":"gpu"}}`, slurm, nil, []string{"kubernetescompute"}, ""},
	} {
		var all map[string]any
		if err := json.Unmarshal([]byte(tc.text), &all); err != nil {
			t.Fatal(err)
		}
		all["script"] = "train.py"
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		p, err := read(definition{Configuration: text}, func(string) (ability, error) { return tc.on, nil })
		if (err != nil) != (tc.refused != "") || err != nil && fault.From(err).Field != tc.refused {
			t.Errorf("%s: %v, want it refused for %q", reason, err, tc.refused)
			continue
		}
		if diff := cmp.Diff(tc.options, p.spec.Options); tc.refused == "" && diff != "" {
			t.Errorf("%s: options (-want +got):\n%s", reason, diff)
		}
		var noted []string
		for _, f := range Fields() {
			for _, w := range p.warnings {
				if len(w) > len(f.Name) && w[:len(f.Name)+1] == f.Name+" " && f.Class == Noted {
					noted = append(noted, f.Name)
				}
			}
		}
		if diff := cmp.Diff(tc.warnings, noted); tc.refused == "" && diff != "" {
			t.Errorf("%s: noted (-want +got):\n%s", reason, diff)
		}
	}
}
