"""A simulator of the sessions of Apache Livy 0.7.1, which no registry has whole: it really runs the statements, each
session in a process of its own with Spark on local[1]. It takes no more than Livy does, and what it says of errors is
compared with a real Livy, which answers them though it cannot run a session.

    python server.py [--login USER:PASSWORD] [--starting N] [--retain N]

It prints its URL, and ends with SIGTERM or when its input ends. Below /sim it is told what goes wrong, and says what
was asked of it.
"""
import argparse
import base64
import collections
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN = ["executorCores", "conf", "driverMemory", "name", "driverCores", "pyFiles", "archives", "kind", "files", "jars",
         "proxyUser", "numExecutors", "heartbeatTimeoutInSecond", "queue", "executorMemory"]
KINDS = ["spark", "pyspark", "sparkr", "shared", "sql"]
CREATE, EXECUTE = "org.apache.livy.server.interactive.CreateInteractiveRequest", "org.apache.livy.ExecuteRequest"
changed = threading.Condition(threading.RLock())  # guards everything
sessions = {}
faults = []
calls = collections.Counter()
numbers = iter(range(1 << 30))


class Refusal(Exception):
    def __init__(self, status, body):
        self.status, self.body = status, body


def unsafe(status, text):
    return Refusal(status, {"msg": text})


class Session:
    def __init__(self, q):
        self.id, self.name, self.kind = next(numbers), q.get("name"), q.get("kind", "shared")
        self.patience, self.asked, self.owner = q.get("heartbeatTimeoutInSecond", 0), time.time(), q.get("proxyUser")
        self.state, self.log, self.statements, self.count = "starting", collections.deque(maxlen=200), {}, 0
        env = dict(os.environ, PYSPARK_SUBMIT_ARGS=" ".join(submit_args(q)), PYTHONUNBUFFERED="1", PYSPARK_PYTHON=sys.executable)
        repl = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interpreter.py")
        self.process = subprocess.Popen([sys.executable, repl, self.kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, encoding="utf-8", env=env, start_new_session=True)
        threading.Thread(target=self.note, daemon=True).start()
        threading.Thread(target=self.run, daemon=True).start()

    def note(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    def read(self):
        return json.loads(self.process.stdout.readline() or "null")

    def run(self):
        """Runs statement after statement until the interpreter is gone."""
        alive = self.read()
        while alive:
            with changed:
                self.state = "idle"
                changed.notify_all()
                while not (waiting := [s for s in self.statements.values() if s["state"] == "waiting"]):
                    if self.process.poll() is not None or not changed.wait(0.1) and self.process.poll() is not None:
                        break
                if not waiting:
                    break
                st = waiting[0]
                self.state, st["state"], st["started"] = "busy", "running", now()
            self.process.stdin.write(json.dumps({"code": st["code"]}) + "\n")
            self.process.stdin.flush()
            alive = self.read()
            with changed:
                if alive:
                    done = {"running": "available", "cancelling": "cancelled"}[st["state"]]
                    st.update(state=done, output=alive, progress=1.0, completed=now())
        with changed:
            self.state = "dead"
            changed.notify_all()
        self.end()

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def view(self):
        return {"id": self.id, "name": self.name, "appId": None, "owner": None, "proxyUser": self.owner, "state": self.state, "kind": self.kind,
                "appInfo": {"driverLogUrl": None, "sparkUiUrl": None}, "log": self.lines()[-10:]}

    def lines(self):
        return ["stdout: ", *self.log, "\nstderr: "]

    def running(self):
        if self.state not in ("idle", "busy"):
            raise Refusal(500, "java.lang.IllegalStateException: Session is in state " + self.state)

    def active(self):
        while self.state == "starting":  # so does Livy's client of the interpreter
            changed.wait()
        if self.state == "dead":
            raise unsafe(400, "requirement failed: Session isn't active.")


def submit_args(q):
    flags = {"driverMemory": "--driver-memory", "driverCores": "--driver-cores", "executorMemory": "--executor-memory", "executorCores": "--executor-cores",
             "numExecutors": "--num-executors", "name": "--name", "queue": "--queue"}
    for field, flag in flags.items():
        if q.get(field) is not None:
            yield from (flag, quote(str(q[field])))
    for field, flag in {"jars": "--jars", "pyFiles": "--py-files", "files": "--files", "archives": "--archives"}.items():
        if q.get(field):
            yield from (flag, quote(",".join(q[field])))
    for k, v in (q.get("conf") or {}).items():
        yield from ("--conf", quote(f"{k}={v}"))
    yield "pyspark-shell"


def quote(s):
    return "'" + s.replace("'", "'\\''") + "'"


def now():
    return int(time.time() * 1000)


def known(q, cls, fields):
    for k in q:
        if k not in fields:
            names = ", ".join(f'"{f}"' for f in fields)
            raise Refusal(400, f'Unrecognized field "{k}" (class {cls}), not marked as ignorable ({len(fields)} known properties: {names}])\n'
                               f' at [Source: (org.eclipse.jetty.server.HttpInputOverHTTP); line: 1, column: 0] (through reference chain: {cls}["{k}"])')


def find(key):
    for s in list(sessions.values()):  # whoever is not asked for in time is forgotten
        if s.patience and time.time() - s.asked > s.patience:
            sessions.pop(s.id).end()
    for s in sessions.values():
        if key == s.name or key == str(s.id):
            s.asked = time.time()
            return s
    raise unsafe(404, f"Session '{key}' not found.")


def create(q, args):
    known(q, CREATE, KNOWN)
    if not isinstance(q.get("kind", ""), str):
        raise Refusal(400, f'requirement failed: Kind should be a string. (through reference chain: {CREATE}["kind"])')
    if q.get("kind", "shared") not in KINDS:
        raise Refusal(400, f'Invalid kind: {q["kind"]} (through reference chain: {CREATE}["kind"])')
    if sum(s.state == "starting" for s in sessions.values()) >= options.starting:
        raise unsafe(400, "Rejected, too many sessions are being created!")
    if (q.get("name") or "").isdigit():
        next(numbers)
        raise unsafe(400, "Invalid session name: " + q["name"])
    if q.get("name") and any(s.name == q["name"] for s in sessions.values()):
        raise unsafe(400, f"Duplicate session name: Some({q['name']}) for session {next(numbers)}")
    s = Session(q)
    sessions[s.id] = s
    return 201, s.view()


def page(q, args, list_, name, views):
    try:
        start, size = int(args.get("from", 0)), int(args.get("size", 100))
    except ValueError as e:
        raise unsafe(400, 'For input string: "%s"' % str(e).split("'")[1])
    return 200, {**({"from": start} if name == "total" else {}), name: len(list_), views: list_[start:start + size]}


def post_statement(s, q, args):
    known(q, EXECUTE, ["msg_type", "kind", "code"])
    s.running()
    st = {"id": s.count, "code": q["code"], "state": "waiting", "output": None, "progress": 0.0, "started": 0, "completed": 0}
    s.statements[s.count] = st
    s.count += 1
    while len(s.statements) > options.retain:
        s.statements.pop(min(s.statements))
    changed.notify_all()
    return 201, dict(st)


def cancel(s, number):
    s.running()
    st = s.statements.get(number, {"state": "none"})
    if st["state"] == "waiting":
        st["state"] = "cancelled"
    elif st["state"] == "running":
        st["state"] = "cancelling"
        s.process.send_signal(signal.SIGINT)
    return 200, {"msg": "canceled"}


def statement(s, number):
    s.active()
    if number not in s.statements:
        raise Refusal(404, "Statement not found")
    return 200, s.statements[number]


def route(method, path, q, args):
    """Answers a request. The names of routes are what /sim/calls counts."""
    parts = path.strip("/").split("/")
    kind = re.sub(r"^/sessions/[^/]+", "/sessions/{}", re.sub(r"/statements/[^/]+", "/statements/{}", path))
    calls[f"{method} {kind}"] += 1
    s = find(parts[1]) if len(parts) > 1 and parts[0] == "sessions" else None
    match f"{method} {kind}":
        case "GET /version":
            return 200, {"url": "https://github.com/apache/incubator-livy.git", "branch": "branch-0.7", "revision": "0", "version": "0.7.1-incubating", "date": "", "user": "simulator"}
        case "GET /batches":
            return page(q, args, [], "total", "sessions")
        case "POST /sessions":
            return create(q, args)
        case "GET /sessions":
            return page(q, args, [v.view() for v in sessions.values()], "total", "sessions")
        case "GET /sessions/{}":
            return 200, s.view()
        case "GET /sessions/{}/state":
            return 200, {"id": s.id, "state": s.state}
        case "GET /sessions/{}/log":
            lines, at = s.lines(), int(args.get("from", -1))
            at, size = (max(0, len(lines) - 100) if at < 0 else at), int(args.get("size", 100))
            return 200, {"id": s.id, "from": at, "total": len(lines), "log": lines[at:at + size]}
        case "DELETE /sessions/{}":
            sessions.pop(s.id).end()
            return 200, {"msg": "deleted"}
        case "POST /sessions/{}/statements":
            return post_statement(s, q, args)
        case "GET /sessions/{}/statements":
            s.active()
            return page(q, args, sorted(s.statements.values(), key=lambda v: v["id"]), "total_statements", "statements")
        case "GET /sessions/{}/statements/{}":
            return statement(s, int(parts[3]))
        case "POST /sessions/{}/statements/{}/cancel":
            return cancel(s, int(parts[3]))
    raise Refusal(404, None)


def told(path, q):
    """Below /sim: faults of the next calls, the end of a session's interpreter, and what was called."""
    if path == "/sim/faults":
        faults.append(q)
    elif path == "/sim/kill":
        find(q["name"]).process.kill()
    return 200, dict(calls)


def failing(method, path):
    for f in faults:
        if f["times"] > 0 and f["method"] == method and re.fullmatch(f["path"], path):
            f["times"] -= 1
            return f
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        path, args = urllib.parse.unquote(url.path), dict(urllib.parse.parse_qsl(url.query))
        try:
            q = json.loads(text or b"{}")
            with changed:
                if path.startswith("/sim/"):
                    return self.answer(*told(path, q))
                if options.login and self.headers.get("Authorization") != "Basic " + base64.b64encode(options.login.encode()).decode():
                    return self.answer(401, None)
                fault = failing(self.command, path)
                if fault and fault["kind"] == "status":
                    return self.answer(fault["code"], fault.get("body"))
                status, body = route(self.command, path, q, args)
                body = json.loads(json.dumps(body))  # as it is now
            if fault:
                self.close_connection = True
                return self.connection.shutdown(2)
            self.answer(status, body)
        except Refusal as e:
            self.answer(e.status, e.body)

    do_GET = do_POST = do_DELETE = handle_any

    def answer(self, status, body):
        out = b"" if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html;charset=utf-8" if body is None else "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)


flags = argparse.ArgumentParser()
flags.add_argument("--login")
flags.add_argument("--starting", type=int, default=100)
flags.add_argument("--retain", type=int, default=100)
options = flags.parse_args()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
server.handle_error = lambda *_: None  # a client that went away
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
threading.Thread(target=lambda: (os.read(0, 1), server.shutdown()), daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
with changed:
    for session in sessions.values():
        session.end()
