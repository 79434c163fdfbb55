# A training script that logs by azureml-core and by MLflow while its server is killed and comes back.
import time

import mlflow
import requests
from azureml.core import Run
from mlflow.entities import Metric

kept, tries, send = 0, 0, requests.Session.send


def counting(self, request, **more):
    global kept, tries
    tries += 1
    answer = send(self, request, **more)
    kept += answer.headers.get("Warning", "").startswith("112")
    return answer


requests.Session.send = counting
run, client = Run.get_context(), mlflow.MlflowClient()
run.tag("before", "1")
longest = flushed = 0
for step in range(STEPS):
    began = time.time()
    run.log("loss", 1 / (step + 1))
    run.log("numbered", step, step=step)
    run.log_row("row", x=step, y=step / 2)
    mlflow.log_metric("m", step, step=step)
    if step % 10 == 0:
        run.log_list("list", [step, step + 1, step + 2])
        client.log_batch(run.id, metrics=[Metric("b", s, int(time.time() * 1000), s) for s in range(step, step + 10)])
        print("STEP %d" % step, flush=True)
    if step == STEPS // 2:
        asked = time.time()
        run.tag("meanwhile", "2")
        print("TAGGED after %.1f s" % (time.time() - asked), flush=True)
    if step % 25 == 24:
        asked = time.time()
        run.flush()
        flushed = max(flushed, time.time() - asked)
    longest = max(longest, time.time() - began)
    time.sleep(0.1)
run.tag("after", "3")
run.flush()
print("KEPT %d of %d, longest step %.1f s" % (kept, tries, longest))
print("FLUSHED after %.1f s" % flushed if flushed > 20 else "FLUSHED at once")
