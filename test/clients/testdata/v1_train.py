"""The life of a training run, as a user of the SDK v1 knows it. TARGET names the compute target; ENVIRONMENT is
"user" (an interpreter of the machine), "conda" (packages), or "docker" (an image, in IMAGE)."""
import os, pathlib, time
from azureml.core import Environment, Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.model import Model
from azureml.core.runconfig import DockerConfiguration
from azureml.exceptions import ActivityFailedException

ws = Workspace.from_config()
project = pathlib.Path("project")
(project / "lib").mkdir(parents=True, exist_ok=True)
(project / "lib" / "__init__.py").write_text("")
(project / "lib" / "fit.py").write_text("def fit(xs, ys):\n    return sum(x * y for x, y in zip(xs, ys)) / sum(x * x for x in xs)\n")
(project / "train.py").write_text('''
import argparse, json, os, sys
from lib.fit import fit
from azureml.core import Run
p = argparse.ArgumentParser()
p.add_argument("--alpha", type=float)
p.add_argument("--note")
a = p.parse_args()
run = Run.get_context()
print("context", type(run).__name__, run.id, run.experiment.name, flush=True)
xs = [1, 2, 3, 4]
slope = fit(xs, [2 * x for x in xs])
run.log("slope", slope)
for i in range(5):
    run.log("loss", 1.0 / (i + 1))
run.log_list("squares", [x * x for x in xs])
run.log_row("point", x=1, y=2.5)
run.log_table("table", {"a": [1, 2], "b": [0.5, 0.25]})
run.tag("alpha", str(a.alpha))
os.makedirs("outputs", exist_ok=True)
with open("outputs/model.json", "w") as f:
    json.dump({"slope": slope, "alpha": a.alpha}, f)
with open("late.txt", "w") as f:
    f.write("uploaded by hand")
run.upload_file("extra/late.txt", "late.txt")
child = run.child_run("fold-1")
child.log("accuracy", 0.75)
child.complete()
print("note", a.note)
print("the last line")
''')

kind = os.environ["ENVIRONMENT"]
env, docker = Environment("train-" + kind), None
if kind == "user":
    env.python.user_managed_dependencies = True
    env.python.interpreter_path = os.environ["INTERPRETER"]
else:
    env.python.conda_dependencies = CondaDependencies.create(python_version=os.environ.get("VERSION", "3.11"), pip_packages=["azureml-core==1.61.0.post4", "setuptools<81"])
if kind == "docker":
    env.docker.base_image = os.environ["IMAGE"]
    docker = DockerConfiguration(use_docker=True)
env.environment_variables = {"FROM_ENVIRONMENT": "yes"}


def config(script="train.py", **more):
    return ScriptRunConfig(source_directory=str(project), script=script, compute_target=os.environ["TARGET"], environment=env, docker_runtime_config=docker, **more)


exp = Experiment(ws, "train-" + kind)
run = exp.submit(config(arguments=["--alpha", 0.5, "--note", "it's \"quoted\" 東京"]), tags={"team": "red"})
print("submitted", run.id.startswith("train-" + kind), run.get_status() in ("NotStarted", "Preparing", "Queued", "Starting", "Running", "Finalizing", "Completed"))
run.wait_for_completion(show_output=True, raise_on_error=True)
print("STATUS", run.get_status(), run.type)
metrics = run.get_metrics()
print("METRICS", sorted(metrics), metrics["slope"], metrics["loss"], metrics["squares"], metrics["point"], metrics["table"])
print("TAGS", run.get_tags().get("team"), run.get_tags().get("alpha"), run.get_properties().get("ContentSnapshotId") == run.get_details()["properties"]["ContentSnapshotId"])
print("CHILDREN", [(c.name, c.get_status(), c.get_metrics()) for c in run.get_children()])
files = run.get_file_names()
print("FILES", sorted(f for f in files if f.startswith(("outputs/", "extra/"))))
run.download_file("outputs/model.json", "got/model.json")
print("DOWNLOADED", pathlib.Path("got/model.json").read_text())
run.download_files(prefix="extra", output_directory="all")
print("PREFIX", pathlib.Path("all/extra/late.txt").read_text())
details = run.get_details_with_logs()
print("LOGGED", any("the last line" in str(text) for text in details["logFiles"].values()), details["runDefinition"]["script"])
model = run.register_model("slope-" + kind, model_path="outputs/model.json", tags={"area": "line"}, description="a slope")
print("MODEL", model.name, model.version, model.tags, model.run_id == run.id)
again = Model(ws, "slope-" + kind)
print("MODEL AT", pathlib.Path(again.download("models", exist_ok=True)).read_text())
found = ws.get_run(run.id)
print("FOUND", found.id == run.id, [r.id == run.id for r in exp.get_runs(tags={"team": "red"})])

# The same code again sends nothing of it.
second = exp.submit(config(arguments=["--alpha", 1.0, "--note", "again"]))
second.wait_for_completion()
print("SECOND", second.get_status(), second.get_details()["properties"]["ContentSnapshotId"] == run.get_details()["properties"]["ContentSnapshotId"])

# Four lines lose no metric.
(project / "short.py").write_text("from azureml.core import Run\nrun = Run.get_context()\nrun.log('only', 42)\nprint('short')\n")
short = exp.submit(config("short.py"))
short.wait_for_completion()
print("SHORT", short.get_metrics())

# One that fails says how.
(project / "bad.py").write_text("print('before', flush=True)\nraise ValueError('no such luck')\n")
bad = exp.submit(config("bad.py"))
try:
    bad.wait_for_completion(show_output=True)
    print("BAD completed")
except ActivityFailedException as e:
    print("BAD", bad.get_status(), "ValueError" in str(bad.get_details_with_logs()["logFiles"]), "error" in str(e).lower())

# One that is cancelled ends.
(project / "slow.py").write_text("import os, sys, time\nif len(sys.argv) > 1: open(sys.argv[1], 'w').write(str(os.getpid()))\nprint('waiting', flush=True)\ntime.sleep(300)\n")
pid = pathlib.Path("slow.pid").resolve()
local = os.environ["TARGET"] == "local"
slow = exp.submit(config("slow.py", arguments=[str(pid)] if local else []))
end = time.time() + 180
while (slow.get_status() != "Running" or local and not (pid.exists() and pid.read_text())) and time.time() < end:
    time.sleep(.2)
slow.cancel()
end = time.time() + 180
while slow.get_status() not in ("Canceled", "Failed", "Completed") and time.time() < end:
    time.sleep(.2)
print("SLOW", slow.get_status())
if local:
    def alive():
        try:
            os.kill(int(pid.read_text()), 0)
            return True
        except ProcessLookupError:
            return False
    end = time.time() + 60
    while alive() and time.time() < end:
        time.sleep(.2)
    print("GONE", not alive())
