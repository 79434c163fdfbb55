import os
from azure.ai.ml import MLClient
from azure.ai.ml.entities import SynapseSparkCompute
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential

ml = MLClient.from_config(DefaultAzureCredential())
pools = os.environ["POOLS"]


def attach(name, pool, **more):
    return ml.compute.begin_create_or_update(SynapseSparkCompute(name=name, resource_id=pools + pool, **more)).result()


def refused(name, pool):
    try:
        attach(name, pool)
        raise SystemExit("taken: " + name)
    except HttpResponseError as e:
        text = str(e)
        print("REFUSED", name, text[text.index("["):text.index("]") + 1])


got = attach("spark", "pool", description="mine", tags={"team": "x"})
print("attached", got.provisioning_state.value, got.type, got.provisioning_errors, got.description, got.tags, got.resource_id)
refused("nowhere", "unknown")
refused("down", "down")
got = ml.compute.get("spark")
print("got", type(got).__name__, got.provisioning_state.value, got.provisioning_errors)
print("listed", sorted((c.name, c.type, c.provisioning_state.value) for c in ml.compute.list()))
got.tags = {"team": "y"}
print("updated", ml.compute.begin_update(got).result().tags)
try:
    ml.compute.begin_delete("spark").result()
    raise SystemExit("deleted a pool that is not ours")
except HttpResponseError as e:
    print("kept", "DeleteUnsupported" in str(e))
