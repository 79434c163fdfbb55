"""Holds a Spark session and evaluates statements, one after the other, in one set of variables.

All goes by files of a folder: statements/N.code asks, statements/N.json tells, statements/N.cancel asks for the end,
state.json says how the session stands.  Arguments: the folder, the language, the seconds after which an idle session
ends, and its name, by which a person knows the process.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import signal
import sys
import threading
import time
import traceback

FOLDER, LANGUAGE, IDLE = sys.argv[1], sys.argv[2], float(sys.argv[3])
MOST = 1 << 20  # bytes of output that a statement keeps
ROWS = 1000  # of a table
SHOWN = 20
PAUSE = 0.05


def put(name, value):
    """Makes a file appear whole."""
    path = os.path.join(FOLDER, name)
    with open(path + ".tmp", "w", encoding="ascii") as f:
        json.dump(value, f)
    os.replace(path + ".tmp", path)


def there(number, what):
    return os.path.exists(os.path.join(FOLDER, "statements", f"{number}.{what}"))


class Kept(io.BytesIO):
    """Keeps the beginning of what is written."""

    def write(self, b):
        super().write(bytes(b)[: max(0, MOST - self.tell())])
        return len(b)


class Session:
    def __init__(self):
        self.spark, self.running, self.ending, self.done = None, None, False, 0
        self.scope = {"__name__": "__main__", "__builtins__": __builtins__}

    def say(self, state, **more):
        put("state.json", {"state": state, "done": self.done, **more})

    def open(self):
        self.say("starting")
        from pyspark.sql import SparkSession

        self.spark = SparkSession.builder.getOrCreate()
        self.scope["spark"] = self.spark
        with contextlib.suppress(Exception):  # a remote session has no context
            self.scope["sc"] = self.spark.sparkContext
        signal.signal(signal.SIGINT, self.interrupt)  # Spark's own would end jobs of no statement
        signal.signal(signal.SIGTERM, self.end)

    def interrupt(self, *_):
        if self.running is not None:
            raise KeyboardInterrupt

    def end(self, *_):
        self.ending = True
        raise SystemExit(0)

    def gone(self):
        """Tells whether the application ended from outside."""
        try:
            context = self.scope["sc"]._jsc
            return context is None or bool(context.sc().isStopped())
        except KeyError:
            return False
        except Exception:
            return True  # its JVM does not answer

    def stop_jobs(self):
        with contextlib.suppress(Exception):
            self.scope["sc"].cancelAllJobs() if "sc" in self.scope else self.spark.interruptAll()

    def watch(self):
        """Interrupts statements whose end is asked for, and ends a session whose application has ended."""
        asked, looked = 0.0, time.monotonic()
        while True:
            time.sleep(PAUSE)
            now, number = time.monotonic(), self.running
            if number is not None and there(number, "cancel") and now - asked > 1:
                asked = now
                self.stop_jobs()
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            if now - looked > 2:
                looked = now
                if self.gone():
                    self.say("dead", reason="SessionDied", message="its Spark application has ended")
                    os._exit(1)

    def evaluate(self, code, name):
        if LANGUAGE == "sql":
            return self.table(code)
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), self.scope)
        value = None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), self.scope)
        return {} if value is None else {"text/plain": repr(value)}

    def table(self, code):
        frame = self.spark.sql(code)
        rows = [list(r) for r in frame.take(ROWS)]
        lines = [frame.columns] + [["NULL" if v is None else str(v) for v in r] for r in rows[:SHOWN]]
        wide = [max(len(line[i]) for line in lines) for i in range(len(frame.columns))]
        text = "\n".join("  ".join(v.ljust(w) for v, w in zip(line, wide)).rstrip() for line in lines)
        data = {"schema": json.loads(frame.schema.json()), "data": rows}
        return {"text/plain": text, "application/json": json.dumps(data, default=str)}

    def run(self, number):
        if there(number, "cancel"):
            return {"state": "canceled"}
        with open(os.path.join(FOLDER, "statements", f"{number}.code"), encoding="utf-8") as f:
            code = f.read()
        name = f"<statement {number}>"
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        put(f"statements/{number}.json", {"state": "running"})
        kept = Kept()
        out = io.TextIOWrapper(kept, encoding="utf-8", errors="replace", write_through=True)
        result = {"state": "done", "progress": 1, "output": {}}
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                self.running = number
                result["output"] = self.evaluate(code, name)
                self.running = None
            except BaseException as e:
                self.running = None
                result.update(self.failure(e, name))
        if there(number, "cancel") and result["state"] != "done":
            result["state"] = "canceled"
        text = kept.getvalue().decode("utf-8", "replace")
        if text:
            result["output"]["text/plain"] = text + result["output"].get("text/plain", "")
        return result

    @staticmethod
    def failure(e, name):
        """Says what was raised, without the frames that are ours."""
        frame = e.__traceback__
        while frame is not None and frame.tb_frame.f_code.co_filename != name:
            frame = frame.tb_next
        trace = "".join(traceback.format_exception(type(e), e, frame)).splitlines()
        last = traceback.format_exception_only(type(e), e)[-1].strip()
        return {"state": "failed", "error": last[:4000], "trace": trace[-200:]}

    def serve(self):
        idle = time.monotonic()
        self.say("idle")
        while not self.ending:
            if not there(self.done, "code"):
                if time.monotonic() - idle > IDLE:
                    self.say("dead", reason="SessionExpired", message=f"nothing was asked of it for {IDLE:.0f} seconds")
                    return
                time.sleep(PAUSE)
                continue
            self.say("busy")
            try:
                result = self.run(self.done)
            except KeyboardInterrupt:  # it came when the statement had just ended
                result = {"state": "canceled"}
            put(f"statements/{self.done}.json", result)
            self.done += 1
            self.say("idle")
            idle = time.monotonic()


def main():
    session = Session()
    try:
        session.open()
    except BaseException as e:
        traceback.print_exc()
        session.say("dead", reason="NotStarted", message=traceback.format_exception_only(type(e), e)[-1].strip()[:1000])
        return 1
    threading.Thread(target=session.watch, daemon=True).start()
    with contextlib.suppress(SystemExit):
        session.serve()
    if not session.ending or "sc" not in session.scope:  # a JVM that is told to end stops it itself
        with contextlib.suppress(BaseException):
            session.spark.stop()
    return 0


code = main()
sys.stdout.flush()
os._exit(code)  # threads of statements may go on
