import sys, time
from azureml.core import Workspace
from azureml.core.compute import ComputeTarget, RemoteCompute
from azureml.exceptions import ComputeTargetException

ws = Workspace.from_config()
print("workspace", ws.name, ws.location)
again = Workspace(ws.subscription_id, ws.resource_group, ws.name)
print("same", again.get_details()["id"] == ws.get_details()["id"], ws.get_details()["properties"]["workspaceId"] if "properties" in ws.get_details() else ws._workspace_id)

try:
    ComputeTarget(ws, "none")
    sys.exit("found what is not there")
except ComputeTargetException as e:
    print("missing:", "ComputeTargetNotFound" in e.message)

config = RemoteCompute.attach_configuration(address="10.0.0.4", ssh_port=2222, username="ada", password="s3cret-canary")
vm = ComputeTarget.attach(ws, "my-vm", config)
print("class", type(vm).__name__)
vm.wait_for_completion(show_output=True)
print("state", vm.provisioning_state, vm.provisioning_errors, vm.address, vm.ssh_port)
vm = ComputeTarget(ws, "my-vm")
print("got", vm.name, vm.type, vm.provisioning_state, sorted(vm.serialize()))
print("keys", vm.get_credentials())
print("list", sorted(ws.compute_targets), [type(c).__name__ for c in ComputeTarget.list(ws)])

bad = RemoteCompute.attach_configuration(address="10.0.0.5", username="ada", password="wrong")
try:
    ComputeTarget.attach(ws, "bad-vm", bad).wait_for_completion(show_output=True)
    sys.exit("the wrong password was taken")
except ComputeTargetException as e:
    print("refused:", e.message)
bad = ComputeTarget(ws, "bad-vm")
print("bad", bad.provisioning_state, bad.provisioning_errors)
print("list", sorted(ws.compute_targets))
# the same name with the right password
good = ComputeTarget.attach(ws, "bad-vm", RemoteCompute.attach_configuration(address="10.0.0.5", username="ada", password="right"))
good.wait_for_completion()
print("healed", good.provisioning_state)
for c in (good, vm):
    c.detach()
deadline = time.time() + 180
while ws.compute_targets and time.time() < deadline:
    time.sleep(.2)
print("left", sorted(ws.compute_targets))
vm.detach()
print("listed", [w for w in Workspace.list(ws.subscription_id)])
