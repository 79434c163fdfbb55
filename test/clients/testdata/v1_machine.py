import os, time
from azureml.core import Workspace
from azureml.core.compute import ComputeTarget, RemoteCompute
from azureml.exceptions import ComputeTargetException

ws = Workspace.from_config()
address, port, user = os.environ["VM_ADDRESS"], int(os.environ["VM_PORT"]), os.environ["VM_USER"]
password, passphrase, encrypted = os.environ["VM_PASSWORD"], os.environ["VM_PASSPHRASE"], os.environ["VM_KEY_ENCRYPTED"]
here = dict(address=address, ssh_port=port, username=user)


def attach(name, **how):
    target = ComputeTarget.attach(ws, name, RemoteCompute.attach_configuration(**how))
    target.wait_for_completion(show_output=True)
    return target


def refused(name, **how):
    try:
        attach(name, **how)
        raise SystemExit("taken: " + name)
    except ComputeTargetException as e:
        reason = e.message[e.message.index("["):e.message.index("]") + 1]
        print("REFUSED", name, reason, e.message.replace("\n", " "))
        return reason


def detach(name):
    ComputeTarget(ws, name).detach()
    deadline = time.time() + 180
    while name in ws.compute_targets and time.time() < deadline:
        time.sleep(.2)


vm = attach("by-password", password=password, **here)
print("by-password", type(vm).__name__, vm.provisioning_state, vm.provisioning_errors, vm.cluster_resource_id, vm.address, vm.ssh_port)
got = ComputeTarget(ws, "by-password")
print("got", got.name, got.provisioning_state)
got.refresh_state()
print("refreshed", got.provisioning_state)
print("listed", [(c.name, type(c).__name__) for c in ComputeTarget.list(ws)])
d = got.serialize()
p = d["properties"]
print("serialized", d["name"], p["computeType"], p["provisioningState"], p["provisioningErrors"], p["properties"]["address"], password not in str(d))
print("keys", got.get_credentials())

print("again", attach("by-password", password=password, **here).provisioning_state)
refused("twice", password=password, **here)
refused("wrong-password", password="wr0ng-canary", **here)
refused("wrong-passphrase", private_key_file=encrypted, private_key_passphrase="wr0ng-canary", **here)
refused("no-passphrase", private_key_file=encrypted, **here)
refused("refused-port", address=address, ssh_port=1, username=user, password=password)
refused("unknown-id", resource_id=os.environ["VM_ID"] + "-unknown", ssh_port=port, username=user, password=password)
print("kept", ComputeTarget(ws, "by-password").provisioning_state)
# another credential of the same target
print("by-key", attach("by-password", private_key_file=os.environ["VM_KEY"], **here).provisioning_state)
for name in list(ws.compute_targets):
    detach(name)

print("by-encrypted-key", attach("by-key", private_key_file=encrypted, private_key_passphrase=passphrase, **here).provisioning_state)
detach("by-key")
vm = attach("by-id", resource_id=os.environ["VM_ID"], ssh_port=port, username=user, password=password)
print("by-id", vm.provisioning_state, vm.provisioning_errors, vm.cluster_resource_id)
detach("by-id")
print("by-parts", refused("parts", subscription_id="S", resource_group="G", vm_name="nobody", ssh_port=port, username=user, password=password))
detach("parts")
print("left", sorted(ws.compute_targets))
