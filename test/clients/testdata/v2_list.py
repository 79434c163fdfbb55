import sys
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Compute
from azure.identity import DefaultAzureCredential

ml = MLClient.from_config(DefaultAzureCredential())
try:
    print("LISTED", len(list(ml.compute.list())))
except Exception:  # say which ones break it
    o = ml.compute
    for rest in o._operation.list(o._operation_scope.resource_group_name, o._workspace_name):
        try:
            Compute._from_rest_object(rest)
        except Exception as e:
            print("BROKEN", rest.name, type(e).__name__, str(e)[:200])
    raise
