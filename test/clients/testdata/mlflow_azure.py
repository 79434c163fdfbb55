# azureml-mlflow with an azureml:// address and the credentials of zaffre env.
import os
import tempfile

import mlflow
from mlflow import MlflowClient

uri = os.environ["AZUREML_URI"]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("azure")
with mlflow.start_run() as run:
    mlflow.log_param("a", 1)
    mlflow.log_metric("m", 0.5, step=3)
    mlflow.log_metrics({"x": 1, "y": 2})
    mlflow.set_tag("t", "u")
    mlflow.log_text("hello", "deep/note.txt")
client = MlflowClient()
got = client.get_run(run.info.run_id)
assert got.info.status == "FINISHED" and got.data.metrics == {"m": 0.5, "x": 1.0, "y": 2.0} and got.data.params == {"a": "1"}, got
assert [f.path for f in client.list_artifacts(run.info.run_id, "deep")] == ["deep/note.txt"]
with tempfile.TemporaryDirectory() as tmp:
    with open(client.download_artifacts(run.info.run_id, "deep/note.txt", tmp)) as f:
        assert f.read() == "hello"
assert [r.info.run_id for r in client.search_runs([got.info.experiment_id], "metrics.m > 0.1")][0] == run.info.run_id
version = mlflow.register_model(f"runs:/{run.info.run_id}/deep", "azure-model")
assert version.status == "READY" and version.run_id == run.info.run_id, version
print("AZURE WELL", mlflow.__version__, uri.split("/")[0])
