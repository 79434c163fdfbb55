# Runs SQL for zaffre: a statement as JSON on each line of the input, an answer on each line of the output.
import json
import sys

try:
    import duckdb
except ModuleNotFoundError as e:
    print(json.dumps({"missing": str(e)}), flush=True)
    sys.exit(3)

connection = duckdb.connect(":memory:")
print(json.dumps({"version": duckdb.__version__}), flush=True)
for line in sys.stdin:
    try:
        result = connection.execute(json.loads(line))
        answer = {"rows": result.fetchall() if result is not None and result.description else []}
        text = json.dumps(answer, default=str)
    except Exception as e:
        text = json.dumps({"error": str(e), "class": type(e).__name__})
    print(text, flush=True)
