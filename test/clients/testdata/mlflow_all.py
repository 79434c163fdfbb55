# What the clients of MLflow do, against whatever MLFLOW_TRACKING_URI says. It runs with 2.22 and 3.x.
import json
import math
import os
import tempfile
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

three = int(mlflow.__version__.split(".")[0]) >= 3
client = MlflowClient()


def refused(what, code, call):
    try:
        call()
    except MlflowException as e:
        assert e.error_code == code, (what, e.error_code, str(e))
        assert "Fix: " in str(e), (what, str(e))
        return str(e)
    raise AssertionError(what + " was not refused")


# Experiments.
assert client.get_experiment("0").name == "Default"
assert client.get_experiment_by_name("nobody made it") is None
name = f"first/é {mlflow.__version__}"
exp = client.create_experiment(name, tags={"team": "a b"})
refused("the name again", "RESOURCE_ALREADY_EXISTS", lambda: client.create_experiment(name))
client.set_experiment_tag(exp, "stage", mlflow.__version__)
e = client.get_experiment(exp)
assert (e.name, e.lifecycle_stage, dict(e.tags)) == (name, "active", {"team": "a b", "stage": mlflow.__version__}), e
assert e.creation_time > 1e12 and e.last_update_time >= e.creation_time
assert [x.name for x in client.search_experiments(filter_string=f"tags.stage = '{mlflow.__version__}'")] == [name]
assert [x.name for x in client.search_experiments(filter_string=f"name LIKE 'first/% {mlflow.__version__}'")] == [name]
refused("an experiment that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_experiment("12345"))
refused("renaming", "NOT_IMPLEMENTED", lambda: client.rename_experiment(exp, "x"))
gone = client.create_experiment(f"gone {mlflow.__version__}")
client.delete_experiment(gone)
assert client.get_experiment(gone).lifecycle_stage == "deleted"
assert gone in [x.experiment_id for x in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
client.restore_experiment(gone)
assert client.get_experiment(gone).lifecycle_stage == "active"
ids = []
token = None
while True:
    page = client.search_experiments(max_results=1, page_token=token)
    ids += [x.experiment_id for x in page]
    token = page.token
    if not token:
        break
assert sorted(ids) == sorted(x.experiment_id for x in client.search_experiments()), ids

# Runs.
run = client.create_run(exp, start_time=1700000000123, tags={"k": "v"}, run_name="my run")
rid = run.info.run_id
assert run.info.status == "RUNNING" and run.info.run_name == "my run" and run.info.start_time == 1700000000123
assert run.info.artifact_uri.startswith("https://"), run.info.artifact_uri
assert run.data.tags["mlflow.runName"] == "my run" and run.data.tags["k"] == "v"
client.log_metric(rid, "acc", 0.5, timestamp=1000, step=1)
client.log_metric(rid, "acc", 0.75, timestamp=2000, step=2)
client.log_metric(rid, "acc", 0.25, timestamp=3000, step=0)
client.log_metric(rid, "nan", float("nan"))
client.log_metric(rid, "inf", float("inf"))
client.log_metric(rid, "low", float("-inf"))
client.log_metric(rid, "deep/er é:1", 1)
m = client.get_run(rid).data.metrics
assert m["acc"] == 0.75 and math.isnan(m["nan"]) and m["deep/er é:1"] == 1.0, m
assert m["inf"] == 1.7976931348623157e308 and m["low"] == -1.7976931348623157e308, m
h = client.get_metric_history(rid, "acc")
assert [(x.value, x.timestamp, x.step) for x in h] == [(0.5, 1000, 1), (0.75, 2000, 2), (0.25, 3000, 0)], h
assert client.get_metric_history(rid, "never") == []
client.log_param(rid, "lr", 0.1)
client.log_param(rid, "lr", 0.1)
assert "0.1" in refused("another value", "INVALID_PARAMETER_VALUE", lambda: client.log_param(rid, "lr", 0.2))
client.set_tag(rid, "note", "x" * 8000)
client.set_tag(rid, "note", "zwei")
client.set_tag(rid, "extra", "1")
client.delete_tag(rid, "extra")
refused("a tag that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.delete_tag(rid, "extra"))
batch = [Metric("loss", 1 / (i + 1), 5000 + i, i) for i in range(1000)]
client.log_batch(rid, metrics=batch)
client.log_batch(rid, metrics=batch)  # an answer that was lost
client.log_batch(rid, params=[Param(f"p{i}", str(i)) for i in range(100)], tags=[RunTag("a", "b")])
h = client.get_metric_history(rid, "loss")
assert len(h) == 1000 and [x.step for x in h] == list(range(1000))
data = client.get_run(rid).data
assert data.params["p99"] == "99" and data.params["lr"] == "0.1" and data.tags["note"] == "zwei" and "extra" not in data.tags
client.log_param(rid, "long", "y" * 1_000_000)  # MLflow's server cuts it
assert client.get_run(rid).data.params["long"] == "y" * 6000
refused("a bad name", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(rid, "a/../b", 1))
refused("a run that is not there", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_run("0" * 32))
client.update_run(rid, name="renamed")
client.set_terminated(rid, "FINISHED", end_time=1700000009000)
info = client.get_run(rid).info
assert (info.status, info.end_time, info.run_name) == ("FINISHED", 1700000009000, "renamed"), info
client.update_run(rid, status="RUNNING")
assert client.get_run(rid).info.status == "RUNNING"
client.set_terminated(rid, "FAILED")
client.delete_run(rid)
assert client.get_run(rid).info.lifecycle_stage == "deleted"
refused("logging to a deleted run", "INVALID_PARAMETER_VALUE", lambda: client.log_param(rid, "q", 1))
assert rid in [r.info.run_id for r in client.search_runs([exp], run_view_type=ViewType.DELETED_ONLY)]
client.restore_run(rid)

# Files.
with tempfile.TemporaryDirectory() as tmp:
    deep = os.path.join(tmp, "déep", "a b")
    os.makedirs(deep)
    for path, text in {"one.txt": "1", "déep/two.txt": "zwei", "déep/a b/100%.txt": "é" * 1000}.items():
        with open(os.path.join(tmp, path), "w", encoding="utf-8") as f:
            f.write(text)
    client.log_artifacts(rid, tmp, "files")
    client.log_text(rid, "hello", "note.txt")
    client.log_dict(rid, {"a": 1}, "d.json")
    assert sorted((f.path, f.is_dir, f.file_size or 0) for f in client.list_artifacts(rid)) == [("d.json", False, 12), ("files", True, 0), ("note.txt", False, 5)], client.list_artifacts(rid)
    assert [(f.path, f.is_dir) for f in client.list_artifacts(rid, "files/déep")] == [("files/déep/a b", True), ("files/déep/two.txt", False)]
    assert client.list_artifacts(rid, "note.txt") == [] and client.list_artifacts(rid, "nothing") == []
    back = client.download_artifacts(rid, "files", tmp)
    with open(os.path.join(back, "déep", "a b", "100%.txt"), encoding="utf-8") as f:
        assert f.read() == "é" * 1000
    with open(client.download_artifacts(rid, "note.txt", tmp)) as f:
        assert f.read() == "hello"
    try:
        client.download_artifacts(rid, "no.txt", tmp)
        raise AssertionError("a file that is not there was downloaded")
    except Exception as x:
        assert not isinstance(x, AssertionError), x
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repo = get_artifact_repository(client.get_run(rid).info.artifact_uri)
    repo.delete_artifacts("files")
    assert sorted(f.path for f in client.list_artifacts(rid)) == ["d.json", "note.txt"]
    if three:
        blob = os.path.join(tmp, "blob.bin")
        with open(blob, "wb") as f:
            f.write(os.urandom(3 << 20))
        client.log_artifact(rid, blob)
        with open(blob, "rb") as f, open(client.download_artifacts(rid, "blob.bin", os.path.join(tmp, "déep")), "rb") as g:
            assert f.read() == g.read()

# Fluent, with nested runs.
mlflow.set_experiment(f"fluent {mlflow.__version__}")
with mlflow.start_run() as parent:
    mlflow.log_params({"depth": 3, "kind": "tree"})
    mlflow.log_metrics({"a": 1.5, "b": 2})
    for i in range(3):
        with mlflow.start_run(nested=True, run_name=f"child {i}"):
            mlflow.log_metric("score", i, step=i)
            mlflow.set_tag("i", i)
df = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", order_by=["metrics.score DESC"])
assert list(df["metrics.score"]) == [2, 1, 0], df
assert list(df["tags.i"]) == ["2", "1", "0"]
assert len(mlflow.search_runs(search_all_experiments=True, filter_string="params.kind = 'tree' and attributes.status = 'FINISHED'")) >= 1
assert mlflow.get_run(parent.info.run_id).info.run_name

# Paging of runs.
exp2 = client.create_experiment(f"pages {mlflow.__version__}")
made = [client.create_run(exp2, start_time=1000 + i).info.run_id for i in range(7)]
seen, token = [], None
while True:
    page = client.search_runs([exp2], max_results=3, page_token=token, order_by=["attributes.start_time ASC"])
    seen += [r.info.run_id for r in page]
    token = page.token
    if not token:
        break
assert seen == made, (seen, made)

# Data sets.
import numpy as np
import pandas as pd

ds = mlflow.data.from_pandas(pd.DataFrame({"x": [1, 2], "y": [0.1, 0.2]}), source="https://data.example/x.csv", name="trees")
with mlflow.start_run() as r:
    mlflow.log_input(ds, context="training")
    mlflow.log_input(ds, context="training")
inputs = client.get_run(r.info.run_id).inputs.dataset_inputs
assert len(inputs) == 1 and inputs[0].dataset.name == "trees" and inputs[0].tags[0].value == "training", inputs
assert json.loads(inputs[0].dataset.schema)["mlflow_colspec"][0]["name"] == "x"
assert mlflow.data.get_source(inputs[0]).url == "https://data.example/x.csv"

# The registry.
m = f"model é {mlflow.__version__}"
client.create_registered_model(m, tags={"t": "1"}, description="d")
refused("a model twice", "RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model(m))
refused("no such model", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("nothing"))
with mlflow.start_run() as r:
    mlflow.log_text("weights", "model/data.bin")
    mlflow.log_text("flavors: {}", "model/MLmodel")
mv = client.create_model_version(m, f"runs:/{r.info.run_id}/model", r.info.run_id, tags={"q": "w"}, description="first")
assert mv.version in ("1", 1) and mv.status == "READY" and mv.run_id == r.info.run_id, mv
mv2 = client.create_model_version(m, mlflow.get_artifact_uri("model") if mlflow.active_run() else f"{r.info.artifact_uri}/model", r.info.run_id)
assert str(mv2.version) == "2"
uri = client.get_model_version_download_uri(m, "1")
with tempfile.TemporaryDirectory() as tmp:
    got = mlflow.artifacts.download_artifacts(f"models:/{m}/1", dst_path=tmp)
    assert sorted(x for x in os.listdir(got) if x != "registered_model_meta") == ["MLmodel", "data.bin"], os.listdir(got)
client.transition_model_version_stage(m, "1", "Production")
client.transition_model_version_stage(m, "2", "production", archive_existing_versions=True)
assert client.get_model_version(m, "1").current_stage == "Archived"
assert [str(v.version) for v in client.get_latest_versions(m, ["Production"])] == ["2"]
refused("a stage that there is not", "INVALID_PARAMETER_VALUE", lambda: client.transition_model_version_stage(m, "1", "Nowhere"))
client.set_registered_model_alias(m, "champion", "1")
assert str(client.get_model_version_by_alias(m, "champion").version) == "1"
assert client.get_model_version(m, "1").aliases == ["champion"] and client.get_registered_model(m).aliases == {"champion": "1"}
client.delete_registered_model_alias(m, "champion")
refused("an alias that is not there", "INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias(m, "champion"))
client.set_registered_model_tag(m, "x", "y")
client.delete_registered_model_tag(m, "t")
assert client.get_registered_model(m).tags == {"x": "y"}
client.set_model_version_tag(m, "1", "v", "w")
client.delete_model_version_tag(m, "1", "q")
assert client.get_model_version(m, "1").tags == {"v": "w"}
client.update_model_version(m, "1", "second")
client.update_registered_model(m, "better")
assert client.get_model_version(m, "1").description == "second" and client.get_registered_model(m).description == "better"
assert [x.name for x in client.search_registered_models(f"name = '{m}'")] == [m]
assert [x.name for x in client.search_registered_models("tags.x = 'y'")] == [m]
assert sorted(str(v.version) for v in client.search_model_versions(f"name = '{m}'")) == ["1", "2"]
assert [str(v.version) for v in client.search_model_versions(f"run_id = '{r.info.run_id}'", order_by=["version_number DESC"])] == ["2", "1"]
client.rename_registered_model(m, m + " 2")
client.delete_model_version(m + " 2", "1")
refused("a version that is gone", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version(m + " 2", "1"))
client.delete_registered_model(m + " 2")

if three:
    lm = client.create_logged_model(exp, name="logged", source_run_id=rid, params={"a": "1"}, tags={"b": "2"}, model_type="agent")
    assert str(lm.status) == "PENDING" and lm.params == {"a": "1"} and lm.tags == {"b": "2"} and lm.source_run_id == rid, lm
    client.set_logged_model_tags(lm.model_id, {"c": "3"})
    client.delete_logged_model_tag(lm.model_id, "b")
    client.log_model_artifacts(lm.model_id, os.path.dirname(os.path.abspath(__file__)))
    assert "script.py" in [f.path for f in client.list_logged_model_artifacts(lm.model_id)]
    client.log_metric(rid, "of the model", 0.5, model_id=lm.model_id)
    client.finalize_logged_model(lm.model_id, "READY")
    got = client.get_logged_model(lm.model_id)
    assert str(got.status) == "READY" and got.tags == {"c": "3"} and [x.value for x in got.metrics] == [0.5], got
    assert [x.model_id for x in client.search_logged_models([exp], filter_string="params.a = '1' AND metrics.`of the model` > 0.1")] == [lm.model_id]
    client.log_outputs(rid, [mlflow.entities.LoggedModelOutput(lm.model_id, 3)]) if hasattr(client, "log_outputs") else None
    client.delete_logged_model(lm.model_id)
    refused("a model that is gone", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_logged_model(lm.model_id))
    prompt = mlflow.genai.register_prompt("greet", "hello {{name}}")
    assert mlflow.genai.load_prompt("prompts:/greet/1").format(name="x") == "hello x"
    assert "traces" in refused("traces", "NOT_IMPLEMENTED", lambda: client.delete_traces(exp, trace_ids=["tr-1"]))
print("ALL WELL", mlflow.__version__)
