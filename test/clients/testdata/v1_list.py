import collections, json, sys
import azureml.core.compute.compute as m
from azureml.core import Workspace
from azureml.core.compute import ComputeTarget

ws = Workspace.from_config()
every = []
paginated = m.get_paginated_compute_results
m.get_paginated_compute_results = lambda *a: every.append(list(paginated(*a))) or every[-1]
try:
    print("LISTED", len(ComputeTarget.list(ws)))
except Exception:  # say which ones break it
    broken = collections.Counter()
    for env in every[0]:
        m.get_paginated_compute_results = lambda *_: [env]
        try:
            ComputeTarget.list(ws)
        except Exception as e:
            broken[type(e).__name__ + " " + str(e)[:80]] += 1
            print("BROKEN", env["name"], type(e).__name__, str(e)[:100], json.dumps(env["properties"]["properties"])[:300])
    sys.exit("\n".join("%s: %d" % kv for kv in broken.items()))
