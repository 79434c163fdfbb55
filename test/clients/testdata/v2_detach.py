from azure.ai.ml import MLClient
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

ml = MLClient.from_config(DefaultAzureCredential())
names = [c.name for c in ml.compute.list()]
for name in names:
    ml.compute.begin_delete(name, action="Detach").result()
    try:
        ml.compute.get(name)
        raise SystemExit("still there: " + name)
    except ResourceNotFoundError:
        print("detached", True)
print("left", [c.name for c in ml.compute.list()])
