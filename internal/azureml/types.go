package azureml

import (
	"strings"
	"sync"
)

// bases says which class another is derived from.
var bases = sync.OnceValue(func() map[string]string {
	out := map[string]string{
		"ScriptRun": "Run", "EnvironmentDefinition": "Environment", "PythonEnvironment": "PythonSection",
		"DockerEnvironment": "DockerSection", "SparkEnvironment": "SparkSection", "AksEndpoint": "AksWebservice",
		"SynapseWorkspaceLinkedServiceConfiguration": "LinkedServiceConfiguration",
	}
	for base, derived := range map[string]string{
		"ComputeTarget": "RemoteCompute AmlCompute ComputeInstance AksCompute AdlaCompute BatchCompute DatabricksCompute DataFactoryCompute DsvmCompute HDInsightCompute KubernetesCompute KustoCompute SynapseCompute",
		"Webservice":    "LocalWebservice AciWebservice AksWebservice UnknownWebservice",
	} {
		for c := range strings.FieldsSeq(derived) {
			out[c] = base
		}
	}
	return out
})

// types says what attributes are and calls return, as far as scripts go on from there.
var types = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for class, lines := range map[string]string{
		"Workspace": "from_config Workspace, create Workspace, get Workspace, setup Workspace, get_default_keyvault Keyvault, get_default_datastore Datastore, " +
			"get_run Run, compute_targets []ComputeTarget, get_default_compute_target ComputeTarget, experiments []Experiment, environments []Environment, " +
			"models []Model, datastores []Datastore, datasets []Dataset, webservices []Webservice, images []Image, linked_services []LinkedService, private_endpoints []PrivateEndPoint",
		"Experiment": "submit Run, start_logging Run, get_runs []Run, list []Experiment, workspace Workspace, from_directory Experiment",
		"Run": "get_context Run, get_submitted_run Run, get Run, list []Run, list_by_compute []Run, submit_child Run, parent Run, experiment Experiment, " +
			"child_run Run, create_children []Run, get_children []Run, get_environment Environment, register_model Model",
		"ScriptRunConfig":  "run_config RunConfiguration",
		"RunConfiguration": "environment Environment, load RunConfiguration, docker DockerConfiguration, node_count int",
		"Environment": "get Environment, register Environment, clone Environment, list []Environment, from_dockerfile Environment, from_docker_image Environment, " +
			"from_docker_build_context Environment, from_conda_specification Environment, from_existing_conda_environment Environment, from_pip_requirements Environment, " +
			"load_from_directory Environment, python PythonSection, docker DockerSection, spark SparkSection, build ImageBuildDetails, get_image_details DockerImageDetails",
		"EnvironmentReference": "get_environment Environment",
		"PythonSection":        "conda_dependencies CondaDependencies",
		"CondaDependencies":    "create CondaDependencies, merge_requirements CondaDependencies",
		"ImageBuildDetails":    "wait_for_completion ImageBuildDetails",
		"ComputeTarget":        "create Self, attach Self, list []ComputeTarget",
		"Model":                "register Model, list []Model, deploy Webservice, package ModelPackage, profile ModelProfile",
		"Datastore":            "get Datastore, get_default Datastore",
		"Dataset":              "get_by_name AbstractDataset, get_by_id AbstractDataset, Tabular TabularDatasetFactory, File FileDatasetFactory",
		"Webservice":           "deploy Webservice, list []Webservice, deploy_from_model Webservice, deploy_from_image Webservice",
		"LinkedService":        "register LinkedService, get LinkedService, list []LinkedService",
		"MsiAuthentication":    "",
	} {
		for entry := range strings.SplitSeq(lines, ", ") {
			if name, t, ok := strings.Cut(entry, " "); ok {
				out[class+"."+name] = t
			}
		}
	}
	return out
})
