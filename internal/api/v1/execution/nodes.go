package execution

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/compute"
)

// The job options that kinds have which start a run's command on each of several nodes, and those whose targets have
// instance types. Slurm's nodes is another thing: there the command starts on the first.
const (
	nodesOption     = "nodes"
	processesOption = "processesPerNode"
	instanceOption  = "instanceType"
	instanceTypes   = "instanceTypes" // of a target: by name
)

// ability is what a target can be told of a run.
type ability struct {
	has   map[string]bool // the job options of its kind
	types []string        // its instance types
}

// abilityOf returns that of a target. One that is not there has none: submitting says so.
func (d Deps) abilityOf(r *face.Request, target string) (ability, error) {
	t, err := d.Computes.Get(r.Context(), compute.KeyOf(r.Workspace, target))
	if err != nil {
		return ability{}, err
	}
	kind, err := d.Computes.Kind(t.Kind)
	a := ability{has: map[string]bool{}}
	for _, o := range kind.JobOptions {
		a.has[o.Path] = true
	}
	types, _ := t.Options()[instanceTypes].(map[string]any)
	a.types = slices.Sorted(maps.Keys(types))
	return a, err
}

// speaksMPI reports whether the run's processes are to be started by MPI.
func (c *config) speaksMPI() bool { return strings.HasSuffix(strings.ToLower(c.Comm), "mpi") }

// manyMPI reports whether MPI is to reach other nodes.
func (c *config) manyMPI() bool { return c.MPI.Nodes > 1 || c.Nodes > 1 && c.speaksMPI() }

// manyTensorFlow reports whether TensorFlow's servers are to be on several nodes.
func (c *config) manyTensorFlow() bool {
	return c.Nodes > 1 && (strings.EqualFold(c.Framework, "TensorFlow") || strings.EqualFold(c.Comm, "ParameterServer"))
}

// readNodes makes job options of how many nodes and processes a configuration asks for, on a target that has them.
func (p *plan) readNodes(a ability) error {
	if !a.has[processesOption] {
		return nil
	}
	nodes, processes := max(p.Nodes, p.PyTorch.Nodes, 1), p.PyTorch.Processes
	if processes < 0 || processes%nodes != 0 {
		return badConfig(fmt.Sprintf("process_count is that of all nodes, and %d cannot be shared among %d", processes, nodes), "pytorch.processCount")
	}
	if nodes > 1 {
		p.option(nodesOption, int64(nodes))
	}
	if processes > nodes {
		p.option(processesOption, int64(processes/nodes))
	}
	return nil
}

// takeInstance makes a job option of the first instance type that a configuration names and the target has. What it is
// taken from is then no longer noted.
func (p *plan) takeInstance(a ability) {
	if !a.has[instanceOption] {
		return
	}
	for _, from := range []struct {
		section map[string]json.RawMessage
		field   string
	}{{p.Kubernetes, "instanceType"}, {p.Cluster, "vmSize"}} {
		var name string
		if json.Unmarshal(from.section[from.field], &name) == nil && slices.Contains(a.types, name) {
			p.option(instanceOption, name)
			delete(from.section, from.field)
			return
		}
	}
}

// option has the run say something to the engine behind its target.
func (p *plan) option(name string, v any) {
	if p.spec.Options == nil {
		p.spec.Options = map[string]any{}
	}
	p.spec.Options[name] = v
}
