"""Drives a workspace by the official Python client: where the kind of target submits, waits, cancels and reads."""
import base64, io, time

import requests
from databricks.sdk import WorkspaceClient, version
from databricks.sdk.errors import DatabricksError, NotFound
from databricks.sdk.service import compute, jobs

w = WorkspaceClient()
print("client", version.__version__, "user", w.current_user.me().user_name, "workspace", w.get_workspace_id())
code = b"import sys, time; print('py', sys.argv[1:], flush=True); time.sleep(float(sys.argv[2])); sys.exit(int(sys.argv[1]))"
w.dbfs.put("/py/train.py", contents=base64.b64encode(code).decode(), overwrite=True)
print("dbfs", [f.path for f in w.dbfs.list("/py")], w.dbfs.get_status("/py/train.py").file_size == len(code))


def submit(token, *args, **more):
    task = jobs.SubmitTask(task_key="main", spark_python_task=jobs.SparkPythonTask(python_file="dbfs:/py/train.py", parameters=list(args)), **more)
    return w.jobs.submit(run_name=token, idempotency_token=token, tasks=[task])


spec = compute.ClusterSpec(spark_version="15.4.x-scala2.12", node_type_id="Standard_D3_v2", num_workers=1, spark_env_vars={"A": "b"})
good = submit("py-good", "0", "0", new_cluster=spec)
print("same", submit("py-good", "0", "0", new_cluster=spec).run_id == good.run_id, "waited", good.result().state.result_state.value)
bad, long = submit("py-bad", "3", "0", existing_cluster_id="0101-000000-running"), submit("py-long", "0", "60", existing_cluster_id="0101-000000-running")
print("active", [r.run_name for r in w.jobs.list_runs(active_only=True) if r.run_name == "py-long"])
w.jobs.cancel_run(long.run_id)
for x in (bad, long):
    while (r := w.jobs.get_run(x.run_id)).state.life_cycle_state != jobs.RunLifeCycleState.TERMINATED:
        time.sleep(0.05)
    out = w.jobs.get_run_output(r.tasks[0].run_id)
    print("run", r.run_name, r.state.result_state.value, r.status.termination_details.code.value, repr(out.error))
for name, ask in (("run", lambda: w.jobs.get_run(424242)), ("cluster", lambda: w.clusters.get("0101-000000-none")), ("file", lambda: w.dbfs.get_status("/none"))):
    try:
        ask()
    except (NotFound, DatabricksError) as e:
        print("missing", name, type(e).__name__, e)
w.files.create_directory("/Volumes/main/default/zaffre/py")
w.files.upload("/Volumes/main/default/zaffre/py/a b", io.BytesIO(b"bytes"), overwrite=True)
print("volume", w.files.download("/Volumes/main/default/zaffre/py/a b").contents.read(), [f.name for f in w.files.list_directory_contents("/Volumes/main/default/zaffre/py")])

raw = lambda body, token=w.config.token: requests.post(w.config.host + "/api/2.2/jobs/runs/submit", headers={"Authorization": "Bearer " + token}, json=body)
task = {"task_key": "main", "existing_cluster_id": "0101-000000-running", "spark_python_task": {"python_file": "dbfs:/py/train.py", "parameter": ["0"]}}
for name, r in (("unknown field", raw({"run_name": "x", "tasks": [task]})), ("wrong token", raw({}, "dapi-wrong"))):
    print(name, r.status_code, r.json()["message"])
