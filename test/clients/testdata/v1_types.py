import sys, time
from azureml.core import Workspace, LinkedService, SynapseWorkspaceLinkedServiceConfiguration
from azureml.core.compute import (ComputeTarget, AksCompute, AdlaCompute, AmlCompute, BatchCompute, ComputeInstance,
                                  DatabricksCompute, DataFactoryCompute, HDInsightCompute, KubernetesCompute,
                                  RemoteCompute, SynapseCompute, KustoCompute)
from azureml.exceptions import ComputeTargetException

ws = Workspace.from_config()
sub = ws.subscription_id
vm = ComputeTarget.attach(ws, "good-vm", RemoteCompute.attach_configuration(address="10.0.0.4", username="ada", password="p"))
vm.wait_for_completion()

linked = LinkedService.register(ws, "synapse1", SynapseWorkspaceLinkedServiceConfiguration(
    subscription_id=sub, resource_group="rg", name="synw"))
print("linked", linked.name, bool(linked.system_assigned_identity_principal_id), [l.name for l in LinkedService.list(ws)])

configs = {
    "aks": lambda: ComputeTarget.attach(ws, "aks", AksCompute.attach_configuration(resource_group="rg", cluster_name="c")),
    "aks-made": lambda: ComputeTarget.create(ws, "aks-made", AksCompute.provisioning_configuration()),
    "adla": lambda: ComputeTarget.attach(ws, "adla", AdlaCompute.attach_configuration(resource_group="rg", account_name="a")),
    "batch": lambda: ComputeTarget.attach(ws, "batch", BatchCompute.attach_configuration(resource_group="rg", account_name="a")),
    "databricks": lambda: ComputeTarget.attach(ws, "databricks", DatabricksCompute.attach_configuration(resource_group="rg", workspace_name="w", access_token="dapi-canary")),
    "datafactory": lambda: ComputeTarget.attach(ws, "datafactory", DataFactoryCompute.attach_configuration(resource_group="rg", factory_name="f")),
    "hdi": lambda: ComputeTarget.attach(ws, "hdi", HDInsightCompute.attach_configuration(address="h", ssh_port=22, username="u", password="hdi-canary")),
    "kubernetes": lambda: ComputeTarget.attach(ws, "kubernetes", KubernetesCompute.attach_configuration(
        resource_id="/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/c" % sub)),
    "synapse": lambda: ComputeTarget.attach(ws, "synapse", SynapseCompute.attach_configuration(linked, type="SynapseSpark", pool_name="p")),
    "kusto": lambda: ComputeTarget.attach(ws, "kusto", KustoCompute.attach_configuration(
        "rg", "kustow", resource_id="/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Kusto/clusters/c" % sub, tenant_id="t",
        kusto_connection_string="conn-canary", application_id="app-id", application_key="kusto-canary")),
    "aml": lambda: ComputeTarget.create(ws, "aml", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=2)),
    "instance": lambda: ComputeTarget.create(ws, "instance", ComputeInstance.provisioning_configuration(vm_size="STANDARD_D2_V2")),
}
for name, make in configs.items():
    try:
        target = make()
        target.wait_for_completion(show_output=False)
        if target.provisioning_state == "Failed":  # a compute instance raises nothing
            raise ComputeTargetException(str(target.provisioning_errors))
        print("TAKEN", name, target.provisioning_state)
    except ComputeTargetException as e:
        print("REFUSED", name, type(target).__name__, "not supported by this server yet" in e.message, e.message[-300:].replace("\n", " "))
    except Exception as e:
        print("BROKEN", name, type(e).__name__, str(e)[-600:].replace("\n", " "))

print("listed", sorted((c.name, type(c).__name__) for c in ComputeTarget.list(ws)))
for c in ComputeTarget.list(ws):
    if c.name != "good-vm":
        print("got", ComputeTarget(ws, c.name).provisioning_state, c.name)
        c.delete() if c.name in ("aml", "instance", "aks-made") else c.detach()
linked.unregister()
print("left", sorted(ws.compute_targets), LinkedService.list(ws))
