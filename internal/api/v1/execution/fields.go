package execution

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Class is what becomes of a field that a client sends.
type Class string

// The classes.
const (
	Honoured Class = "honoured"
	Noted    Class = "noted"   // it changes nothing, and stands in the run's warnings
	Refused  Class = "refused" // the run is not taken
)

// Field is a field of a run configuration (RunConfiguration of azureml-core 1.61).
type Field struct {
	Name  string // its JSON path
	Class Class
	What  string // what is done with it, or why not
	// set reports whether it asks for more than Azure's default does. Only then is it noted or refused.
	set func(c *config) bool
	fix string // of what is refused
	// option is the job option that honours it on targets whose kind has it: What is then not true.
	option string
}

// Fields returns what becomes of each field of a run configuration. A field of two classes stands there twice.
func Fields() []Field {
	const files = "leave it out, and read and write files of the machine or of outputs"
	return []Field{
		{Name: "target", Class: Honoured, What: "the compute target; local is where the client runs"},
		{Name: "script", Class: Honoured, What: "a path in the source folder"},
		{Name: "arguments", Class: Honoured, What: "passed as they are; numbers as text"},
		{Name: "command", Class: Honoured, What: "run by bash, instead of script"},
		{Name: "environment", Class: Honoured, What: "registered by its name, and built once per target: see the fields of an environment"},
		{Name: "environmentVariables", Class: Honoured, What: "beside those of the environment, and before them"},
		{Name: "maxRunDurationSeconds", Class: Honoured, What: "the run is ended after it"},
		{Name: "priority", Class: Honoured, What: "higher ones start first"},
		{Name: "docker.useDocker", Class: Honoured, What: "the run's environment is made in environment.docker.baseImage, where the target has Docker"},
		{Name: "docker.arguments", Class: Noted, What: "arguments for docker run are not passed on", set: func(c *config) bool { return len(c.Docker.Arguments) > 0 }},
		{Name: "docker.shmSize", Class: Noted, What: "containers have as much shared memory as Docker gives them", set: func(c *config) bool { return c.Docker.Shm != "" && c.Docker.Shm != "2g" }},
		{Name: "docker.sharedVolumes", Class: Noted, What: "containers see the run's own folders", set: off(func(c *config) *bool { return c.Docker.Shared })},
		{Name: "framework", Class: Honoured, What: "Python, PySpark on targets with Spark, and others that need one process"},
		{Name: "framework", Class: Refused, What: "PySpark is for targets with Spark, and this one runs processes", fix: "set framework to Python, or target to one of kind hdinsight", option: sparkConf, set: (*config).pySpark},
		{Name: "communicator", Class: Honoured, What: "on Kubernetes: Nccl and Gloo, by the variables of torch.distributed, which each process has"},
		{Name: "communicator", Class: Noted, What: "there is one process: nothing communicates", option: processesOption, set: func(c *config) bool { return c.Comm != "" && !strings.EqualFold(c.Comm, "none") }},
		{Name: "tensorflow.workerCount", Class: Refused, What: "TF_CONFIG is not made: the workers would not find each other", fix: "set worker_count to 1, or use PyTorchConfiguration and make TF_CONFIG of its variables", set: (*config).manyTensorFlow},
		{Name: "nodeCount", Class: Honoured, What: "on Kubernetes: the command starts on each node, when all are there"},
		{Name: "nodeCount", Class: Refused, What: "more than one node is not possible on this target", fix: "set node_count to 1, or target to one of kind kubernetes", option: processesOption, set: func(c *config) bool { return c.Nodes > 1 }},
		{Name: "mpi.processCountPerNode", Class: Noted, What: "there is one process", set: func(c *config) bool { return c.MPI.Processes > 1 }},
		{Name: "mpi.nodeCount", Class: Refused, What: "MPI does not reach other nodes: nothing lets it in there", fix: "use PyTorchConfiguration in place of MpiConfiguration: torch.distributed, Horovod with Gloo and others need no MPI", set: (*config).manyMPI},
		{Name: "pytorch.processCount", Class: Honoured, What: "on Kubernetes: how many processes all nodes have together, as many on each"},
		{Name: "pytorch.processCount", Class: Noted, What: "there is one process", option: processesOption, set: func(c *config) bool { return c.PyTorch.Processes > 1 }},
		{Name: "pytorch.nodeCount", Class: Honoured, What: "as nodeCount"},
		{Name: "pytorch.nodeCount", Class: Refused, What: "more than one node is not possible on this target", fix: "set node_count to 1, or target to one of kind kubernetes", option: processesOption, set: func(c *config) bool { return c.PyTorch.Nodes > 1 }},
		{Name: "tensorflow", Class: Noted, What: "there are neither workers nor parameter servers", set: func(c *config) bool { return max(c.TensorFlow.Workers, c.TensorFlow.Servers) > 1 }},
		{Name: "paralleltask", Class: Noted, What: "there is one process", set: func(c *config) bool { return c.Parallel.Workers > 1 || c.Parallel.Retries > 0 }},
		{Name: "credentialPassthrough", Class: Noted, What: "the run logs in as itself", set: func(c *config) bool { return c.Passthrough }},
		{Name: "history.outputCollection", Class: Noted, What: "outputs and logs are kept whatever it says", set: off(func(c *config) *bool { return c.History.Outputs })},
		{Name: "history.snapshotProject", Class: Noted, What: "code is kept whatever it says", set: off(func(c *config) *bool { return c.History.Snapshot })},
		{Name: "history.directoriesToWatch", Class: Noted, What: "outputs and logs are kept when the run ends, not while it goes on", set: func(c *config) bool {
			return c.History.Watch != nil && !slices.Equal(c.History.Watch, []string{"logs"})
		}},
		{Name: "data", Class: Refused, What: "datasets are not there yet: read the data from a path on the machine", fix: files, set: func(c *config) bool { return len(c.Data) > 0 }},
		{Name: "outputData", Class: Refused, What: "datasets are not there yet: write to outputs", fix: files, set: func(c *config) bool { return len(c.OutputData) > 0 }},
		{Name: "dataReferences", Class: Refused, What: "datastores are not there yet: read the data from a path on the machine", fix: files, set: func(c *config) bool { return len(c.DataReferences) > 0 }},
		{Name: "datacaches", Class: Refused, What: "datasets are not there yet", fix: files, set: func(c *config) bool { return len(c.DataCaches) > 0 }},
		{Name: "sourceDirectoryDataStore", Class: Noted, What: "code comes as a snapshot", set: func(c *config) bool { return c.CodeStore != "" }},
		{Name: "applicationEndpoints", Class: Refused, What: "interactive services of runs are not there", fix: "leave services out", set: func(c *config) bool { return len(c.Services) > 0 }},
		{Name: "spark.configuration", Class: Honoured, What: "Spark's configuration, on targets with Spark"},
		{Name: "spark.configuration", Class: Noted, What: "for targets with Spark", option: sparkConf, set: sparkSet},
		{Name: "hdi.yarnDeployMode", Class: Honoured, What: "client, on targets with Spark; cluster is what the client says of itself, and is noted there with PySpark: the driver runs on the head node, where its log is the run's"},
		{Name: "hdi.yarnDeployMode", Class: Noted, What: "for targets with Spark", option: sparkMode, set: func(c *config) bool { return c.HDI.Mode != "" && !strings.EqualFold(c.HDI.Mode, "cluster") }},
		{Name: "amlcompute.vmSize", Class: Honoured, What: "on Kubernetes: the target's instance type of that name, if it has one"},
		{Name: "amlcompute", Class: Noted, What: "for clusters that the server makes", set: func(c *config) bool { return anySet(c.Cluster) }},
		{Name: "autoClusterComputeSpecification", Class: Noted, What: "for clusters that the server makes", set: func(c *config) bool { return anySet(c.AutoCluster) }},
		{Name: "kubernetescompute.instanceType", Class: Honoured, What: "on Kubernetes: the target's instance type of that name, if it has one"},
		{Name: "kubernetescompute", Class: Noted, What: "the target has no such instance type", set: func(c *config) bool { return anySet(c.Kubernetes) }},
	}
}

// off reports whether a switch is there and off, whose default is on.
func off(of func(c *config) *bool) func(c *config) bool {
	return func(c *config) bool { v := of(c); return v != nil && !*v }
}

// sparkSet leaves out what the client sets by itself.
func sparkSet(c *config) bool {
	for name := range c.Spark.Configuration {
		if name != "spark.app.name" && name != "spark.yarn.maxAppAttempts" {
			return true
		}
	}
	return false
}

// anySet reports whether a section says anything.
func anySet(section map[string]json.RawMessage) bool {
	for _, v := range section {
		if s := string(v); s != "null" && s != "false" {
			return true
		}
	}
	return false
}

// sort returns what a configuration asks for and does not get from a target with those job options. It fails with
// fault.Unsupported, Reason "FieldUnsupported", for a field that is refused.
func (c *config) sort(has map[string]bool) (notes []string, err error) {
	for _, f := range Fields() {
		switch {
		case f.Class == Honoured || has[f.option] || !f.set(c):
		case f.Class == Noted:
			notes = append(notes, fmt.Sprintf("%s has no effect: %s", f.Name, f.What))
		default:
			return nil, &fault.Error{
				Code: fault.Unsupported, Reason: "FieldUnsupported", What: "the run cannot be executed as it is",
				Why: f.Name + " is set: " + f.What, Fix: f.fix, Field: f.Name,
			}
		}
	}
	return notes, nil
}
