package azureml

import (
	"slices"
	"strings"
	"sync"
)

// group is several names with the same thing to be said of them.
type group struct {
	support Support
	names   string // of the class, or of classes where there is none; separated by spaces
	note    string
}

// section is the names of a class; without one its groups are whole classes.
type section struct {
	class, part string
	groups      []group
}

var table = sync.OnceValue(func() []Symbol {
	var out []Symbol
	for _, s := range slices.Concat(submitting(), environments(), computes(), models(), rest()) {
		for _, g := range s.groups {
			for name := range strings.FieldsSeq(g.names) {
				symbol := Symbol{Class: s.class, Name: name, Support: g.support, Note: g.note, Part: s.part}
				if s.class == "*" {
					symbol.Class, symbol.Name = name, "*"
				}
				out = append(out, symbol)
			}
		}
	}
	return out
})

// submitting is workspaces, experiments and runs.
func submitting() []section {
	return []section{
		{"Workspace", "workspaces", []group{
			{Works, "__init__ from_config get list write_config get_details name subscription_id resource_group location service_context sku tags discovery_url setup update", ""},
			{Works, "compute_targets experiments environments models linked_services get_default_keyvault get_run get_mlflow_tracking_uri", ""},
			{Noted, "create", "with exist_ok=True it returns the workspace that there is; a new one is made with: zaffre workspace create NAME"},
			{Refused, "datastores datasets get_default_datastore set_default_datastore", "datastores and datasets are not served yet"},
			{Refused, "images webservices", "deployments are not served yet"},
			{Refused, "delete update_dependencies sync_keys list_keys diagnose_workspace", "the workspace stands on no resources of Azure; the server's command line keeps it"},
			{Refused, "add_private_endpoint delete_private_endpoint_connection private_endpoints set_connection list_connections get_connection delete_connection", "there are no private endpoints and connections here"},
			{Refused, "get_default_compute_target", "a workspace has no default target; name one"},
		}},
		{"Experiment", "runs", []group{
			{Works, "__init__ start_logging get_runs list workspace workspace_object name id tags tag set_tags remove_tags archive reactivate archived_time refresh delete get_docs_url identity", ""},
			{Noted, "submit", "a ScriptRunConfig is run; pipelines, HyperDriveConfig and AutoMLConfig are refused"},
			{Noted, "get_portal_url portal_url", "the address is made for Azure's studio, and there is nothing at it"},
			{Refused, "from_directory", "it reads a project folder of old versions of the SDK"},
		}},
		{"Run", "runs", []group{
			{Works, "__init__ get_context get_submitted_run get list submit_child id name display_name description type number parent status experiment", ""},
			{Works, "wait_for_completion get_all_logs get_details_with_logs get_status get_detailed_status get_environment get_details get_children get_metrics", ""},
			{Works, "start complete fail cancel flush child_run create_children tag set_tags tags get_tags remove_tags add_properties properties get_properties", ""},
			{Works, "log log_list log_row log_table log_confusion_matrix log_accuracy_table log_residuals log_predictions log_image", ""},
			{Works, "upload_file upload_folder upload_files get_file_names download_file download_files get_secret get_secrets", ""},
			{Works, "take_snapshot get_snapshot_id register_model add_type_provider get_docs_url identity", ""},
			{Noted, "list_by_compute", "it asks the compute target; runs of the workspace are found with Experiment.get_runs"},
			{Noted, "clean", "zaffre removes a run's files from its machine by itself"},
			{Noted, "get_portal_url portal_url", "the address is made for Azure's studio, and there is nothing at it"},
			{Noted, "input_datasets output_datasets", "datasets are not served yet: both are empty"},
			{Refused, "restore_snapshot", "the code of a run is fetched with: zaffre run download"},
		}},
		{"ScriptRun", "runs", []group{{Works, "__init__ cancel", ""}}},
		{"ScriptRunConfig", "runs", []group{{Noted, "__init__", "fields that are noted or refused are in the table of the run configuration"}, {Works, "run_config source_directory script arguments command identity", ""}}},
		{"RunConfiguration", "runs", []group{
			{Works, "__init__ target framework environment environment_variables script arguments command max_run_duration_seconds history save load delete docker", ""},
			{Noted, "node_count", "on Kubernetes; on other targets more than 1 is refused"},
			{Noted, "auto_prepare_environment prepare_environment", "the environment is always prepared"},
			{Noted, "*", "see the table of the fields of a run configuration"},
		}},
		{"", "runs", []group{
			{Works, "azureml.core.get_run azureml.core.VERSION azureml.widgets", ""},
			{Refused, "azureml.core.attach_legacy_compute_target azureml.core.is_compute_target_prepared azureml.core.prepare_compute_target azureml.core.remove_legacy_compute_target", "legacy targets lie in files of old versions of the SDK; attach with ComputeTarget.attach"},
		}},
		{"*", "runs", []group{
			{Works, "HistoryConfiguration ViewType LinkOutput AbstractComputeTarget LocalTarget RunDetails", ""},
			{Works, "DockerConfiguration", ""},
			{Noted, "PyTorchConfiguration", "on Kubernetes its nodes and processes are started together, with the variables of torch.distributed; on other targets a run is one process on one machine, and node_count above 1 is refused"},
			{Noted, "MpiConfiguration TensorflowConfiguration ParallelTaskConfiguration", "a run is one process on one machine: with node_count above 1 it is refused; PyTorchConfiguration is another way"},
			{Refused, "ApplicationEndpointConfiguration", "interactive services of runs are not served"},
			{Noted, "SparkConfiguration HdiConfiguration", "they hold on targets with Spark (HDInsightCompute): see the table of the fields of a run configuration"},
			{Noted, "AmlComputeConfiguration KubernetesComputeConfiguration", "vm_size and instance_type are the target's instance type of that name, where a Kubernetes target has one; the rest has no effect, since AmlCompute is not served yet"},
		}},
	}
}

// environments is what code runs with.
func environments() []section {
	return []section{
		{"Environment", "environments", []group{
			{Works, "__init__ environment_variables register label clone list from_conda_specification from_existing_conda_environment from_pip_requirements save_to_directory load_from_directory python docker name version", ""},
			{Noted, "get", "those that Microsoft keeps in Azure (AzureML-…) are not here"},
			{Noted, "from_docker_image", "on targets that have Docker"},
			{Noted, "from_dockerfile", "on targets that have Docker, which build it there"},
			{Noted, "build", "it is built on the target that image_build_compute names, or on the server's machine; there is no registry"},
			{Noted, "get_image_details", "there is no registry: it says what was built on the server's machine"},
			{Noted, "build_local", "a virtual environment is built, with uv or venv; not with useDocker=True, not on Windows"},
			{Refused, "from_docker_build_context add_private_pip_wheel", "they write to the workspace's storage account in Azure, which is not here"},
			{Refused, "spark databricks r inferencing_stack_version", "environments of Spark, Databricks and R are not served"},
		}},
		{"PythonSection", "environments", []group{
			{Works, "__init__ conda_dependencies conda_dependencies_file user_managed_dependencies interpreter_path", ""},
			{Refused, "base_conda_environment", "an environment of conda is no base here; name its packages"},
		}},
		{"DockerSection", "environments", []group{
			{Works, "__init__ base_image enabled arguments base_image_registry", ""},
			{Noted, "base_dockerfile shared_volumes shm_size platform", "on targets that have Docker"},
			{Noted, "gpu_support", "containers have the machine's GPUs"},
			{Refused, "build_context", "it lies in the workspace's storage account in Azure, which is not here"},
		}},
		{"*", "environments", []group{
			{Works, "CondaDependencies EnvironmentReference ImageBuildDetails DockerImageDetails DockerImagePlatform ContainerRegistry", ""},
			{Refused, "AzureContainerRegistry RegistryIdentity", "registries are reached with a user name and a password here"},
			{Refused, "DockerBuildContext", "it writes to the workspace's storage account in Azure, which is not here"},
			{Refused, "SparkPackage SparkSection RCranPackage RGitHubPackage RSection MavenLibrary PyPiLibrary RCranLibrary JarLibrary EggLibrary DatabricksCluster DatabricksSection DatabricksEnvironment", "environments of Spark, Databricks and R are not served"},
		}},
		{"*", "secrets", []group{{Works, "Keyvault", ""}}},
	}
}

// computes is compute targets.
func computes() []section {
	const record = "the target is recorded and shown; nothing can be run on it yet"
	return []section{
		{"ComputeTarget", "computes", []group{
			{Works, "__init__ list wait_for_completion refresh_state get_status detach serialize deserialize name type provisioning_state provisioning_errors", ""},
			{Noted, "attach", "RemoteCompute, HDInsightCompute, and what is named below are served; other kinds are refused when the target is tried"},
			{Noted, "delete", "what zaffre made (AksCompute) is deleted; what was attached is not, as in Azure: it is detached"},
			{Noted, "create", "AksCompute is made, as a namespace with a quota of the cluster that the inventory names; other machines are not made: attach one"},
		}},
		{"RemoteCompute", "computes", []group{{Works, "attach attach_configuration get_credentials address username", ""}, {Refused, "create", "making machines in Azure is not served; attach one"}}},
		{"*", "computes", []group{
			{Works, "RemoteComputeAttachConfiguration ComputeTargetAttachConfiguration ComputeTargetProvisioningConfiguration ComputeTargetUpdateConfiguration", ""},
			{Noted, "LinkedService LinkedServiceConfiguration", "it is recorded and shown; zaffre does nothing with it"},
			{Refused, "AmlCompute AmlComputeProvisioningConfiguration ScaleSettings AmlComputeStatus AmlComputeNodeStateCounts ComputeInstance ComputeInstanceProvisioningConfiguration ComputeInstanceStatus DsvmCompute DsvmProvisioningConfiguration", "making machines in Azure is not served; attach one"},
			{Noted, "KubernetesCompute KubernetesComputeAttachConfiguration KubernetesComputeStatus AksCompute AksAttachConfiguration", "the inventory has the cluster's kubeconfig; a run is a Job with the image of its environment, or the target's"},
			{Noted, "AksProvisioningConfiguration AksUpdateConfiguration", "agent_count and vm_size are the quota of a namespace; networks and load balancers are shown and have no effect"},
			{Noted, "SslConfiguration", "it is kept for deployments, which are not served yet; names below a domain of Azure (leaf_domain_label) are refused"},
			{Refused, "SystemService", "a namespace has no services of Azure"},
			{Works, "HDInsightCompute HDInsightAttachConfiguration", ""},
			{Noted, "BatchCompute BatchAttachConfiguration", "the inventory says where the account is, with its key and a container, or which Slurm cluster stands for it; runs go there by zaffre run submit, since steps of pipelines are not served yet"},
			{Noted, "DatabricksCompute DatabricksAttachConfiguration", "the inventory says where the workspace is; runs go there by zaffre run submit, since steps of pipelines are not served yet"},
			{Noted, "AdlaCompute DataLakeAnalyticsAttachConfiguration", "the inventory says which folder is the account's store; scripts of U-SQL go there by zaffre run submit, since steps of pipelines are not served yet"},
			{Refused, "DataFactoryCompute DataFactoryAttachConfiguration DataFactoryProvisioningConfiguration KustoCompute KustoAttachConfiguration", record},
			{Noted, "SynapseCompute SynapseAttachConfiguration", "a pool is an endpoint of Livy, a Spark Connect server or a machine with Spark, as the inventory says; interactive sessions are those of zaffre spark session"},
			{Refused, "PrivateEndPoint PrivateEndPointConfig", "there are no private endpoints here"},
		}},
	}
}

// models is registered models, and what is deployed of them.
func models() []section {
	const deployed = "deployments are not served yet"
	return []section{
		{"Model", "models", []group{
			{Works, "__init__ register download list serialize deserialize update update_tags_properties add_tags remove_tags add_properties delete print_configuration Framework", ""},
			{Works, "id name version tags properties description created_time created_by run_id run workspace model_framework model_framework_version url", ""},
			{Noted, "get_model_path", "the model is fetched into a folder of the script; in a deployment it is not served yet"},
			{Refused, "add_dataset_references", "datasets are not served yet"},
			{Refused, "deploy package profile", deployed},
			{Refused, "get_sas_urls", "the files lie in no storage account of Azure; fetch them with Model.download"},
		}},
		{"*", "models", []group{{Works, "ResourceConfiguration", ""}}},
		{"*", "deployments", []group{
			{Refused, "InferenceConfig ModelPackage ModelProfile Webservice WebserviceDeploymentConfiguration WebServiceAccessToken ContainerResourceRequirements LivenessProbeRequirements AutoScaler DataCollection", deployed},
			{Refused, "LocalWebserviceDeploymentConfiguration AciServiceDeploymentConfiguration EncryptionProperties VnetConfiguration AksServiceDeploymentConfiguration AksEndpointDeploymentConfiguration AksServiceAccessToken", deployed},
			{Refused, "Image ContainerImage UnknownImage ImageConfig ContainerImageConfig Asset TargetRuntime", "images are of old versions of the SDK; " + deployed},
		}},
	}
}

// rest is logins, data, and packages beside azureml-core.
func rest() []section {
	const data = "datastores and datasets are not served yet; read files from where the run's machine has them"
	return []section{
		{"*", "logins", []group{
			{Works, "InteractiveLoginAuthentication ServicePrincipalAuthentication MsiAuthentication ArmTokenAuthentication AzureMLTokenAuthentication TokenAuthentication AbstractAuthentication AccessToken Audience", ""},
			{Noted, "AzureCliAuthentication", "with an az that is logged in to this server: az login in a shell that has the variables of zaffre env"},
		}},
		{"*", "data", []group{
			{Refused, "Dataset AbstractDataset TabularDataset FileDataset TabularDatasetFactory FileDatasetFactory DatasetSnapshot DatasetDefinition DatasetProfile DatasetProfileRun DatasetProfileRunConfig DatasetActionRun DatasetConsumptionConfig DatasetContextManager InputDatasets OutputDatasets DataType", data},
			{Refused, "Datastore AbstractDatastore AbstractADLSDatastore AbstractAzureStorageDatastore AzureBlobDatastore AzureFileDatastore AzureDataLakeDatastore AzureDataLakeGen2Datastore AzureMySqlDatastore AzurePostgreSqlDatastore AzureSqlDatabaseDatastore DBFSDatastore HDFSDatastore DatastoreContextManager", data},
			{Refused, "DataReference SqlDataReference DataReferenceConfiguration Data DataPath DataPathComputeBinding DataLocation Uri OutputData OutputOptions UploadOptions MountOptions GlobsOptions RegistrationOptions RegistrationConfiguration DatasetRegistrationOptions", data},
			{Refused, "OutputDatasetConfig OutputFileDatasetConfig OutputTabularDatasetConfig HDFSOutputDatasetConfig LinkFileOutputDatasetConfig LinkTabularOutputDatasetConfig TransformationMixin StoredProcedureParameter StoredProcedureParameterType", data},
			{Refused, "DatacacheConfiguration DatacacheConsumptionConfig DatacacheStore DatacacheHydrationTracker DatacacheSingularitySettings SingularityPriority SingularitySlaTier", data},
			{Works, "FileEncoding FileType HistogramCompareMethod PromoteHeadersBehavior SkipLinesBehavior", ""},
		}},
		{"*", "the SDK", []group{
			{Works, "NewLoggingLevel ActivityFailedException AuthenticationException ComputeTargetException DatasetExecutionError DatasetTimestampMissingError DatasetValidationError DiscoveryUrlNotFoundException ExperimentExecutionException", ""},
			{Works, "ModelNotFoundException ModelPathNotFoundException ParallelRunException ProjectSystemException RunConfigurationException RunEnvironmentException SnapshotException TrainingException UserErrorException WebserviceException WorkspaceException WorkspacePrivateEndpointException AzureMLException", ""},
		}},
		{"", "pipelines", []group{
			{Refused, "azureml.pipeline azureml.contrib.pipeline", "pipelines are not served yet; submit the steps as runs, one after the other"},
		}},
		{"", "sweeps", []group{{Refused, "azureml.train.hyperdrive", "searches for hyperparameters are not served yet; submit a run for each choice, or log child runs"}}},
		{"", "estimators", []group{
			{Refused, "azureml.train.automl azureml.automl", "automated ML runs in Azure alone"},
			{Refused, "azureml.train", "estimators are of old versions of the SDK; use ScriptRunConfig and Environment"},
		}},
		{"", "data", []group{{Refused, "azureml.data azureml.dataprep azureml.opendatasets azureml.fsspec", data}}},
		{"", "tracking", []group{{Works, "azureml.mlflow azureml.tensorboard", "see the how-to about MLflow"}}},
		{"", "others", []group{
			{Refused, "azureml.contrib azureml.explain azureml.interpret azureml.monitoring azureml.accel azureml.datadrift azureml.rai", "this package talks to services of Azure that are not served here"},
		}},
		{"", "the SDK", []group{{Works, "azureml.exceptions azureml.core", ""}}},
	}
}
