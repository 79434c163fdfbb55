# The same runs in two servers, and what filters and orders find in each: prints it as JSON.
import json
import sys

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

client = MlflowClient()
exp = client.create_experiment("search")
other = client.create_experiment("search elsewhere")
NAN, INF = float("nan"), float("inf")
for i in range(24):
    run = client.create_run(exp if i % 6 else other, start_time=1_700_000_000_000 + i * 1000, run_name=f"Run_{i:02d}", tags={"even": str(i % 2 == 0).lower()})
    rid = run.info.run_id
    metrics = [Metric("i", float(i), 1000, 0), Metric("neg", -i / 4, 1000, 0)]
    if i % 3 == 0:
        metrics.append(Metric("third", i / 10, 1000, 0))
    if i % 5 == 0:
        metrics.append(Metric("odd/name with space", float(i), 1000, 0))
    if i in (4, 9):
        metrics.append(Metric("wild", NAN, 1000, 0))
    if i in (5, 10):
        metrics.append(Metric("wild", INF if i == 5 else -INF, 1000, 0))
    if i in (6, 7):
        metrics.append(Metric("wild", 1.5, 1000, 0))
    if i == 8:  # the latest by step, then time
        metrics += [Metric("i", 800.0, 2000, 5), Metric("i", 100.0, 3000, 1), Metric("i", 801.0, 2500, 5)]
    params = [Param("lr", str(i / 100)), Param("opt", ["sgd", "Adam", "adamW", "a_b", "100%"][i % 5])]
    if i % 4 == 0:
        params.append(Param("rare", "x'y" if i else "plain"))
    tags = [RunTag("team", ["red", "Blue", "blue green"][i % 3])]
    if i % 7 == 0:
        tags.append(RunTag("with.dot", "1"))
    client.log_batch(rid, metrics, params, tags)
    if i % 4:
        client.set_terminated(rid, ["FINISHED", "FAILED", "KILLED"][i % 4 - 1], end_time=1_700_000_100_000 + i)
    if i == 23:
        client.delete_run(rid)

FILTERS = """
metrics.i > 10
metrics.i >= 10
metrics.i < 3
metrics.i <= 3
metrics.i = 5
metrics.i != 5
metrics.i = 801
metrics.i > 100
metrics.neg < -2.5
metrics.third > 0.5
metrics.third != 0.6
metrics.`odd/name with space` > 4
metrics."odd/name with space" = 10
metrics.wild > 0
metrics.wild < 0
metrics.wild = 1.5
metrics.wild != 1.5
metrics.i > 3 and metrics.i < 9
metrics.i > 1e1
metric.i = 4
params.opt = 'sgd'
params.opt != 'sgd'
params.opt LIKE 'a%'
params.opt ILIKE 'a%'
params.opt LIKE 'a_b'
params.opt LIKE '100%'
params.lr = '0.05'
params.lr = "0.05"
params.rare = 'plain'
params.rare != 'plain'
parameters.opt = 'Adam'
param.opt = 'Adam' AND metrics.i > 5
tags.team = 'red'
tags.team != 'red'
tags.team LIKE '%lue%'
tags.team ILIKE 'blue%'
tags.even = 'true' and tags.team = 'Blue'
tags."with.dot" = '1'
tags.`with.dot` = '1'
tags.with.dot = '1'
tags.nothing = 'x'
tags.nothing != 'x'
tags.mlflow.runName = 'Run_03'
attributes.status = 'FINISHED'
attributes.status != 'FINISHED'
status = 'FAILED'
attribute.status LIKE 'F%'
attributes.run_name = 'Run_04'
run_name LIKE 'Run_1%'
attributes.`run name` = 'Run_05'
attributes.start_time > 1700000010000
start_time <= 1700000003000
attributes.end_time > 1700000100010
attributes.run_name IN ('Run_01', 'Run_02')
attributes.user_id != 'somebody'
params.rare IS NULL
tags.with.dot IS NOT NULL
metrics.i IS NULL
metrics.i > 'a'
metrics.i LIKE 'a'
params.opt > 'a'
nonsense
attributes.nothing = 'x'
metrics.i > 1 OR metrics.i < 3
params.opt = sgd
start_time = 'x'
""".strip().split("\n")
ORDERS = ["metrics.i DESC", "metrics.i ASC", "metrics.wild DESC", "metrics.wild ASC", "metrics.third", "params.opt ASC", "params.opt DESC, metrics.i",
          "tags.team, attributes.start_time", "attributes.end_time DESC", "attributes.start_time", "run_name DESC", "metrics.`odd/name with space` DESC",
          "params.rare", "metrics.nothing", "tag.team DESC", "nonsense", "metrics.i SIDEWAYS"]


def ask(**kw):
    try:
        return [r.info.run_name for r in client.search_runs([exp, other], **kw)]
    except Exception as e:
        return [getattr(e, "error_code", type(e).__name__)]


out = {"filter " + f: ask(filter_string=f) for f in FILTERS}
for o in ORDERS:
    out["order " + o] = ask(order_by=o.split(", "))
    out["filter and order " + o] = ask(filter_string="metrics.i < 12", order_by=o.split(", "))
out["history"] = [[str(m.value), m.timestamp, m.step] for m in client.get_metric_history(client.search_runs([exp], "metrics.i = 801")[0].info.run_id, "i")]
for n in ("wild", "i"):
    out["values " + n] = [str(r.data.metrics.get(n)) for r in client.search_runs([exp, other], order_by=["attributes.start_time"])]
with open(sys.argv[1] if len(sys.argv) > 1 else "out.json", "w") as f:
    json.dump(out, f)
print("RESULT", json.dumps(out))
