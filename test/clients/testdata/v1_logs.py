"""How the SDK follows logs: of short runs, of long ones, of failing ones. INTERPRETER is a Python of the target."""
import io, os, pathlib, sys, time
from contextlib import redirect_stdout
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.exceptions import ActivityFailedException

ws = Workspace.from_config()
exp = Experiment(ws, "logs")
env = Environment("plain")
env.python.user_managed_dependencies = True
env.python.interpreter_path = os.environ["INTERPRETER"]


def submit(name, text):
    folder = pathlib.Path(name)
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text(text)
    return exp.submit(ScriptRunConfig(source_directory=name, script="main.py", compute_target=os.environ.get("TARGET", "server"), environment=env))


def follow(run):
    out, error = io.StringIO(), None
    start = time.time()
    stdout, sys.stdout = sys.stdout, out
    try:
        run.wait_for_completion(show_output=True)
    except ActivityFailedException as e:
        error = e
    finally:
        sys.stdout = stdout
    return out.getvalue(), error, time.time() - start


run = submit("short", "print('first line')\nprint('the last line')\n")
out, error, took = follow(run)
print("SHORT", "first line\nthe last line\n" in out, run.get_status(), error)

run = submit("many", "for i in range(2000): print('line', i)\n")
out, error, took = follow(run)
print("MANY", [f"line {i}" for i in range(2000)] == [l for l in out.splitlines() if l.startswith("line ")], out.count("Streaming user_logs/std_log.txt"))

run = submit("parts", "import sys, time\nfor part in ('one ', 'two ', 'three\\n', 'end'):\n    sys.stdout.write(part); sys.stdout.flush(); time.sleep(1.3)\n")
out, error, took = follow(run)
print("PARTS", "one two three\nend\n" in out)

run = submit("bad", "print('before it')\nraise SystemExit(3)\n")
out, error, took = follow(run)
print("BAD", "before it\n" in out, run.get_status(), type(error).__name__, "UserError" in str(error), "3" in str(error), run.get_details()["error"]["error"]["code"])
try:
    run.wait_for_completion()
except ActivityFailedException as e:
    print("AGAIN", "UserError" in str(e))

details = run.get_details_with_logs()
print("DETAILS", "before it" in details["logFiles"]["user_logs/std_log.txt"], details["status"], details["target"], details["submittedBy"] is not None, details["runDefinition"]["script"])
print("ALL", [os.path.basename(f) for f in run.get_all_logs(destination="all")], "before it" in pathlib.Path("all/user_logs/std_log.txt").read_text())

run = submit("slow", "import time\nprint('waiting', flush=True)\ntime.sleep(300)\n")
end = time.time() + 240
while "waiting" not in str(run.get_details_with_logs()["logFiles"].values()) and time.time() < end:
    time.sleep(.1)
run.cancel()
out, error, took = follow(run)
print("SLOW", run.get_status(), "waiting\n" in out, error, took < 200)
