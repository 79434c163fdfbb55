# Runs SQL for zaffre: a statement as JSON on each line of the input, an answer on each line of the output.
import json
import os
import sys

# What a library writes to the standard output must not come between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

try:
    import duckdb
except ModuleNotFoundError as e:
    print(json.dumps({"missing": str(e)}), file=answers, flush=True)
    sys.exit(3)

connection = duckdb.connect(":memory:")
print(json.dumps({"version": duckdb.__version__}), file=answers, flush=True)
for line in sys.stdin:
    try:
        result = connection.execute(json.loads(line))
        answer = {"rows": result.fetchall() if result is not None and result.description else []}
        text = json.dumps(answer, default=str)
    except Exception as e:
        text = json.dumps({"error": str(e), "class": type(e).__name__})
    print(text, file=answers, flush=True)
