"""One session's interpreter: statements come as JSON lines, and so do their outputs.

As in Livy's, all but the last statement of the code are executed, and the last one, if it is an expression, shows its
value; what starts with "%" is a magic. SIGINT interrupts what runs.
"""
import ast
import io
import json
import os
import signal
import sys
import traceback

answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # what the JVM prints is the log's
lines = os.fdopen(os.dup(0), encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def magic(line, names):
    """%json and %table show a value as data."""
    word, _, name = line[1:].partition(" ")
    value = eval(name, names)
    if word == "json":
        return {"application/json": value}
    if word == "table":
        rows = [list(r.values()) if isinstance(r, dict) else list(r) for r in value]
        heads = list(value[0]) if value and isinstance(value[0], dict) else range(len(rows[0]) if rows else 0)
        types = {int: "BIGINT_TYPE", float: "DOUBLE_TYPE", bool: "BOOLEAN_TYPE"}
        headers = [{"name": str(h), "type": types.get(type(rows[0][i]), "STRING_TYPE")} for i, h in enumerate(heads)]
        return {"application/vnd.livy.table.v1+json": {"headers": headers, "data": rows}}
    raise NameError(f"unknown magic command '{word}'")


def python(code, names):
    if code.startswith("%"):
        return magic(code.strip(), names)
    body = ast.parse(code, "<stdin>").body
    for node in body[:-1]:
        exec(compile(ast.Module([node], []), "<stdin>", "exec"), names)
    if body:
        exec(compile(ast.Interactive(body[-1:]), "<stdin>", "single"), names)
    return None


def sql(code, names):
    frame = names["spark"].sql(code)
    data = json.loads(json.dumps([list(row) for row in frame.limit(1000).collect()], default=str))
    return {"application/json": {"schema": json.loads(frame.schema.json()), "data": data}}


def evaluate(run, code, names, count):
    printed, sys.stdout = sys.stdout, io.StringIO()
    try:
        data = run(code, names)
        if data is None:
            data = {"text/plain": sys.stdout.getvalue().rstrip()}
        return {"status": "ok", "execution_count": count, "data": data}
    except BaseException as e:  # also what exits, and what interrupts
        trace = traceback.format_exception(type(e), e, e.__traceback__)
        trace = [t for t in trace if os.path.basename(__file__) not in t]
        return {"status": "error", "execution_count": count, "ename": type(e).__name__, "evalue": str(e), "traceback": trace}
    finally:
        sys.stdout = printed


def main(kind):
    from pyspark.sql import SparkSession

    run = {"pyspark": python, "shared": python, "sql": sql}[kind]
    spark = SparkSession.builder.master("local[1]").getOrCreate()
    names = {"__name__": "__main__", "spark": spark, "sc": spark.sparkContext}
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Spark's own, which ends its jobs too
    answer({"ready": True})
    for count, line in enumerate(lines):
        signal.signal(signal.SIGINT, interrupt)
        try:
            out = evaluate(run, json.loads(line)["code"], names, count)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt as e:  # between the statement and its end
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            out = {"status": "error", "execution_count": count, "ename": "KeyboardInterrupt", "evalue": str(e), "traceback": []}
        answer(out)


main(sys.argv[1])
