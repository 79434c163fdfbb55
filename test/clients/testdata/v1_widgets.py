"""What azureml.widgets shows of a run: its data, and the widget in a shell as Jupyter's."""
import os, threading, time
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance()
from azureml.core import Experiment, Workspace
from azureml.widgets import RunDetails

ws = Workspace.from_config()
run = Experiment(ws, "shown").start_logging(snapshot_directory=None)
for i in range(3):
    run.log("loss", 1.0 / (i + 1))
run.log("accuracy", 0.5)
run.tag("team", "red")
child = run.child_run("fold-1")
child.log("accuracy", 0.75)
child.complete()
run.complete()

details = RunDetails(run)
data = details.get_widget_data({"debug": True})
end = time.time() + 120
while not data.get("run_metrics") and time.time() < end:
    time.sleep(.2)
    data = details.get_widget_data({"debug": True})
print("STATUS", data["status"], data["run_id"] == run.id, data["run_properties"]["tags"])
print("METRICS", sorted((m["name"], m["series"][0]["data"]) for m in data["run_metrics"]))
print("CHILDREN", [(c["run_name"] if "run_name" in c else c.get("name"), c["status"]) for c in data["child_runs"]])

shown = RunDetails(run)
errors = []
threading.excepthook = lambda args: errors.append(repr(args.exc_value))
thread = threading.Thread(target=shown.show, daemon=True)  # it goes on for ever
thread.start()
thread.join(5)
print("SHOWN", thread.is_alive(), errors, shown.widget_instance.error)
os._exit(0)
