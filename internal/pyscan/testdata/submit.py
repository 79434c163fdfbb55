"""Submits a training script, as a user would write it.
ws.nothing() in a string is no call."""
import argparse
import os, azureml.core
from azureml.core import (Workspace, Experiment,
                          ScriptRunConfig, Environment as Env)
from azureml.core.compute import ComputeTarget, RemoteCompute
from azureml.core.compute_target import ComputeTargetException
from azureml.core.runconfig import RunConfiguration
import azureml.core.model as m

print("SDK", azureml.core.VERSION)  # ws.datasets["x"] in a comment
ws = Workspace.from_config()


def target(workspace, name: str = "gpu-box"):
    try:
        return ComputeTarget(workspace=workspace, name=name)
    except ComputeTargetException:
        config = RemoteCompute.attach_configuration(
            address="10.0.0.4", ssh_port=22,
            username="me", password=os.environ["PW"])
        t = ComputeTarget.attach(workspace, name, config)
        t.wait_for_completion(show_output=True)
        return t


env = Env.from_conda_specification("train", "env.yml")
env.docker.enabled = True
env.python.conda_dependencies.add_pip_package("joblib")
conda, other = env.python.conda_dependencies, 3
conda.add_channel("conda-forge")
src = ScriptRunConfig(source_directory=".", script="train.py",
                      compute_target=target(ws), environment=env)
src.run_config.target = "local"

run = Experiment(ws, "digits").submit(src)
run.wait_for_completion(show_output=True)
for name, metric in run.get_metrics().items():
    print(name, metric)
with run.child_run() as child:
    child.log("a", 1); child.log_list("b", [1, 2])
best = max(Experiment(ws, "digits").get_runs(), key=lambda r: r.id)
ids = [r.get_details()["runId"] for r in ws.experiments["digits"].get_runs() if r.status == "Completed"]
model = run.register_model("digits", model_path="outputs/model.pkl") if run.get_status() == "Completed" else None
model.download(exist_ok=True)
m.Model.list(ws)
run.make_coffee()
run = None
run.log("nobody", 1)


class Trainer:
    def __init__(self, ws):
        self.run = azureml.core.Run.get_context()
        self.ws = ws

    def step(self):
        self.run.log("loss", 0.5)
        self.ws.get_default_datastore().upload("data")
