import sys
from azure.ai.ml import MLClient
from azure.ai.ml.entities import VirtualMachineCompute, VirtualMachineSshSettings, KubernetesCompute, AmlCompute, SynapseSparkCompute
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

ml = MLClient.from_config(DefaultAzureCredential())
ws = ml.workspaces.get(ml.workspace_name)
print("workspace", ws.name, ws.location)
print("listed", [w.name for w in ml.workspaces.list()])
try:
    ml.compute.get("none")
    sys.exit("found what is not there")
except ResourceNotFoundError as e:
    print("missing:", "ComputeNotFound" in str(e))

def vm(name, password, **more):
    return VirtualMachineCompute(name=name, resource_id="/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/gpu-" + name,
                                 ssh_settings=VirtualMachineSshSettings(admin_username="ada", admin_password=password, ssh_port=2222), **more)

got = ml.compute.begin_create_or_update(vm("my-vm", "s3cret-canary", tags={"team": "x"}, description="mine")).result()
print("state", got.provisioning_state.value, got.type, got.ssh_settings.ssh_port, got.ssh_settings.admin_username, got.description, got.tags)
got = ml.compute.get("my-vm")
print("got", got.name, got.resource_id, got.provisioning_errors)
try:
    ml.compute.begin_create_or_update(vm("bad-vm", "wrong")).result()
    sys.exit("the wrong password was taken")
except HttpResponseError as e:
    print("refused:", e)
for other in (KubernetesCompute(name="kube", namespace="n", resource_id="/subscriptions/S/resourceGroups/G/providers/Microsoft.Kubernetes/connectedClusters/c"),
              AmlCompute(name="aml", size="STANDARD_D2_V2", max_instances=2),
              SynapseSparkCompute(name="spark", resource_id="/subscriptions/S/resourceGroups/G/providers/Microsoft.Synapse/workspaces/w/bigDataPools/p")):
    try:
        ml.compute.begin_create_or_update(other).result()
        sys.exit("taken: " + other.name)
    except HttpResponseError as e:
        print("REFUSED", other.name, "not supported by this server yet" in str(e))
print("list", sorted((c.name, c.type, c.provisioning_state) for c in ml.compute.list()))
print("sizes", len(list(ml.compute.list_sizes())), "usage", len(list(ml.compute.list_usage())))
try:
    ml.compute.begin_delete("my-vm").result()
    sys.exit("deleted a machine that is not ours")
except HttpResponseError as e:
    print("kept:", "DeleteUnsupported" in str(e))
for name in ("my-vm", "bad-vm", "kube", "spark"):
    ml.compute.begin_delete(name, action="Detach").result()
ml.compute.begin_delete("aml").result()
ml.compute.begin_delete("aml").result()
print("left", [c.name for c in ml.compute.list()])
