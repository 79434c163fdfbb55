"""Submit a script to the target "server" with azureml-core and follow it, some times, and print in JSON how long
each took, in seconds, with the name of its run.

Usage: sdk_v1.py COUNT INTERPRETER
"""

import json
import pathlib
import sys
import time

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace


def main():
    count, interpreter = int(sys.argv[1]), sys.argv[2]
    experiment = Experiment(Workspace.from_config(), "bench")
    pathlib.Path("code").mkdir(exist_ok=True)
    pathlib.Path("code/main.py").write_text("print('hello')\n")
    environment = Environment("there")
    environment.python.user_managed_dependencies = True
    environment.python.interpreter_path = interpreter
    out = []
    for _ in range(count):
        began, at = time.monotonic(), time.time()
        run = experiment.submit(ScriptRunConfig("code", "main.py", compute_target="server", environment=environment))
        run.wait_for_completion()
        out.append({"run": run.id, "began": at, "took": time.monotonic() - began})
    print(json.dumps(out))


main()
