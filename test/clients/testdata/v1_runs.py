"""Runs of a script's own, as a user of the SDK v1 keeps them."""
import datetime, time
from azureml.core import Experiment, Run, Workspace
from azureml._restclient.exceptions import ServiceException

ws = Workspace.from_config()
exp = Experiment(ws, "by-hand")
print("EXPERIMENT", exp.id == Experiment(ws, "by-hand").id, exp.archived_time, exp.tags)
exp.set_tags({"team": "red", "old": "x"})
exp.remove_tags(["old"])
exp.refresh()
print("TAGGED", exp.tags, [e.name for e in Experiment.list(ws, tags={"team": "red"})], [e.name for e in Experiment.list(ws, tags="team")], [e.name for e in Experiment.list(ws, experiment_name="none")])

run = exp.start_logging(snapshot_directory=None, display_name="first")
print("STARTED", run.get_status(), run.number, run.display_name, run.type, run.parent)
run.tag("lr", "0.1")
run.set_tags({"a": "1", "b": 2})
run.remove_tags(["b"])
run.add_properties({"author": "ada"})
try:
    run.add_properties({"author": "bob"})
    print("PROPERTY changed")
except ServiceException as e:
    print("PROPERTY", e.status_code, "PropertyChanged" in str(e))
print("LABELS", sorted(run.get_tags().items()), run.get_properties()["author"], run.properties["author"], run.tags["lr"])
run.display_name = "renamed"
run.description = "what it is for"
print("NAMED", ws.get_run(run.id).display_name, ws.get_run(run.id).description)

with run.child_run("fold-1") as kid:
    print("KID", kid.name, kid.get_status(), kid.parent.id == run.id)
print("KID ENDED", kid.get_status())
second = run.child_run("fold-2", run_id=run.id + "_2")
second.fail(error_details="no such luck", error_code="SystemError")
details = second.get_details()
print("FAILED", second.get_status(), details["error"]["error"]["code"], details["error"]["error"]["message"])
made = list(run.create_children(tag_key="fold", tag_values=["1", "2", "3"]))
print("MADE", [c.get_status() for c in made], [c.get_tags()["fold"] for c in made])
for c in made:
    c.complete()
grandchild = made[0].child_run("deep")
grandchild.cancel()
print("CANCELED", grandchild.get_status())
print("CHILDREN", len(list(run.get_children())), len(list(run.get_children(recursive=True))), len(list(run.get_children(tags={"fold": "2"}))), len(list(run.get_children(status="Failed"))), len(list(made[0].get_children(recursive=True))))

run.complete()
print("ENDED", run.get_status(), run.get_details()["submittedBy"] is not None, sorted(run.get_details())[:3])
other = exp.start_logging(snapshot_directory=None)
try:
    raise ValueError("a wrong turn")
except ValueError as e:
    other.fail(e)
print("ERROR", other.get_details()["error"]["error"]["message"])
try:
    other.wait_for_completion(show_output=True)
except Exception as e:
    print("RAISED", type(e).__name__, "a wrong turn" in str(e))

print("RUNS", len(list(exp.get_runs())), len(list(exp.get_runs(include_children=True))), [r.id == run.id for r in exp.get_runs(tags={"lr": "0.1"})], [r.id == run.id for r in exp.get_runs(tags="a")],
      [r.id == run.id for r in exp.get_runs(properties={"author": "ada"})], len(list(Run.list(exp, status="Failed"))), len(list(Run.list(exp, status="Completed", include_children=True))), len(list(exp.get_runs(type="azureml.scriptrun"))))
print("ORDER", [r.id for r in exp.get_runs()] == [other.id, run.id])

found = Run(exp, run.id)
print("FOUND", found.get_status(), ws.get_run(run.id).experiment.name, Run.get(ws, kid.id).id == kid.id)
try:
    ws.get_run("never-was")
except ServiceException as e:
    print("MISSING", e.status_code, "there is no run" in str(e))

run.flush()
print("FLUSHED")

empty = Experiment(ws, "empty")
Experiment.delete(ws, empty.id)
print("DELETED", [e.name for e in Experiment.list(ws, experiment_name="empty")])
exp.archive()
print("ARCHIVED", exp.archived_time is not None, [e.name for e in ws.experiments.values() if e.name == "by-hand"], [e.name for e in Experiment.list(ws, view_type="ArchivedOnly")])
exp.reactivate()
print("BACK", exp.archived_time, [e.name for e in Experiment.list(ws) if e.name == "by-hand"])
