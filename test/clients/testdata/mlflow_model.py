# A real model: autolog, log_model and load_model back, registered under an alias.
import os
import tempfile

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split

three = int(mlflow.__version__.split(".")[0]) >= 3
client = MlflowClient()
x, y = load_iris(return_X_y=True, as_frame=True)
train, test, train_y, test_y = train_test_split(x, y, random_state=0)
experiment = mlflow.set_experiment("iris " + mlflow.__version__).experiment_id

mlflow.sklearn.autolog()
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=500).fit(train, train_y)
    score = model.score(test, test_y)
got = client.get_run(run.info.run_id)
assert got.info.status == "FINISHED", got.info
assert got.data.params["max_iter"] == "500", got.data.params
assert got.data.metrics["training_score"] > 0.9 and any(k.startswith("LogisticRegression_score") for k in got.data.metrics), got.data.metrics
assert got.data.tags["estimator_name"] == "LogisticRegression"
assert [d.dataset.name for d in got.inputs.dataset_inputs], got.inputs
assert "estimator.html" in [f.path for f in client.list_artifacts(run.info.run_id)]
uri = f"runs:/{run.info.run_id}/model"
again = mlflow.sklearn.load_model(uri)
assert np.array_equal(again.predict(test), model.predict(test))

search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0, 10.0]}, cv=3)
with mlflow.start_run() as parent:
    search.fit(train, train_y)
children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
assert len(children) == 3 and set(children["params.C"]) == {"0.1", "1.0", "10.0"}, children
mlflow.sklearn.autolog(disable=True)

name = "iris " + mlflow.__version__
version = mlflow.register_model(uri, name)
assert str(version.version) == "1" and version.run_id == run.info.run_id, version
client.set_registered_model_alias(name, "champion", "1")
client.set_model_version_tag(name, "1", "accuracy", str(score))
for ref in ("1", "latest"):
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/{ref}")
    assert np.array_equal(loaded.predict(test), model.predict(test)), ref
assert np.array_equal(mlflow.sklearn.load_model(f"models:/{name}@champion").predict(test), model.predict(test))

with mlflow.start_run() as run:
    where = {"name": "mine"} if three else {"artifact_path": "mine"}
    info = mlflow.sklearn.log_model(model, registered_model_name=name, input_example=train.head(2), **where)
    mlflow.log_metric("acc", score)
assert np.array_equal(mlflow.sklearn.load_model(info.model_uri).predict(test), model.predict(test))
assert np.array_equal(mlflow.sklearn.load_model(f"models:/{name}/2").predict(test), model.predict(test))
copy = client.copy_model_version(f"models:/{name}/2", "copy of " + name)
assert np.array_equal(mlflow.sklearn.load_model(f"models:/copy of {name}/{copy.version}").predict(test), model.predict(test))
if three:
    found = mlflow.search_logged_models([experiment], filter_string="name = 'mine'", output_format="list")
    assert [m.model_id for m in found] == [info.model_id], found
    assert [o.model_id for o in client.get_run(run.info.run_id).outputs.model_outputs] == [info.model_id]
print("LEARNED", mlflow.__version__, round(score, 2))
