import os
from azure.ai.ml import MLClient
from azure.ai.ml.entities import VirtualMachineCompute, VirtualMachineSshSettings
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

ml = MLClient.from_config(DefaultAzureCredential())
vm_id, user, port = os.environ["VM_ID"], os.environ["VM_USER"], int(os.environ["VM_PORT"])


def vm(name, resource_id, **more):
    login = {k: more.pop(k) for k in ("admin_password", "ssh_private_key_file") if k in more}
    return VirtualMachineCompute(name=name, resource_id=resource_id, ssh_settings=VirtualMachineSshSettings(admin_username=user, ssh_port=port, **login), **more)


def refused(name, resource_id, reason, **more):
    try:
        ml.compute.begin_create_or_update(vm(name, resource_id, **more)).result()
        raise SystemExit("taken: " + name)
    except HttpResponseError as e:
        print("REFUSED", name, reason in str(e), str(e).replace("\n", " "))


password = os.environ["VM_PASSWORD"]
got = ml.compute.begin_create_or_update(vm("by-password", vm_id, admin_password=password, tags={"team": "x"}, description="mine")).result()
s = got.ssh_settings
print("attached", got.provisioning_state.value, got.type, s.ssh_port, s.admin_username, s.admin_password, got.resource_id)
got = ml.compute.get("by-password")
print("got", got.provisioning_state.value, got.provisioning_errors, got.description, got.tags)
refused("bad", os.environ["BAD_ID"], "[PasswordRefused]", admin_password="wr0ng-canary")
refused("unknown", vm_id + "-unknown", "[ResourceUnknown]", admin_password=password)
refused("twice", os.environ["BAD_ID"], "[SameComputer]", admin_password=password)
ml.compute.begin_delete("by-password", action="Detach").result()
try:
    ml.compute.get("by-password")
    print("detached", False)
except ResourceNotFoundError:
    print("detached", True)
got = ml.compute.begin_attach(vm("by-key", vm_id, ssh_private_key_file=os.environ["VM_KEY"])).result()
print("by key", got.provisioning_state.value, got.ssh_settings.ssh_private_key_file)
got.tags = {"team": "y"}
try:
    print("updated", ml.compute.begin_update(got).result().tags)
except Exception as e:
    print("update", type(e).__name__, e)
print("listed", sorted((c.name, c.provisioning_state.value) for c in ml.compute.list()))
for c in list(ml.compute.list()):
    ml.compute.begin_delete(c.name, action="Detach").result()
print("left", [c.name for c in ml.compute.list()])
