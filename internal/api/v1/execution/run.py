# Runs a script of SDK v1 on the machine of who submitted it (compute target "local"), and tells the server of it.
# Python 3.6 or newer, and nothing else.
import contextlib
import datetime
import fcntl
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
LOG = "azureml-logs/70_driver_log.txt"
EVERY = 1.0  # seconds between two uploads of a log that grew
LOOK = 3.0  # seconds between two looks whether the run was canceled
GRACE = 10.0  # seconds that a script has to end when it was

with open(os.path.join(HERE, "job.json"), encoding="utf-8") as f:
    job = json.load(f)
os.remove(os.path.join(HERE, "job.json"))  # it holds the run's token
context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE") or None)
log_path = os.path.join(HERE, "log.txt")
log = open(log_path, "ab", buffering=0)


def request(path, **more):
    return urllib.request.Request(job["url"] + path, headers={"Authorization": "Bearer " + job["token"]}, **more)


def call(path, data, kind):
    asked = request(path, data=data, method="POST")
    asked.add_header("Content-Type", kind)
    for attempt in range(8):
        try:
            with urllib.request.urlopen(asked, context=context, timeout=60) as answer:
                answer.read()
                return True
        except Exception as e:
            code = getattr(e, "code", 503)
            if code < 500 and code != 429:
                say("zaffre: the server refuses %s: %s" % (path, e))
                return False
            time.sleep(min(10, 0.5 * 2**attempt))
    say("zaffre: the server does not answer")
    return False


def say(text):
    log.write((text + "\n").encode("utf-8"))


def event(name, **data):
    data["RunId"] = job["run"]
    body = {"name": "Microsoft.MachineLearning.Run." + name, "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(), "data": data}
    return call(job["history"] + "/events", json.dumps(body).encode("utf-8"), "application/json")


def upload(name, path):
    with open(path, "rb") as f:
        body = f.read()
    return call(job["artifact"] + "/" + urllib.parse.quote(name), body, "application/octet-stream")


class Follower(threading.Thread):
    """Uploads the log while it grows."""

    def __init__(self):
        threading.Thread.__init__(self, daemon=True)
        self.ended, self.size = threading.Event(), 0

    def run(self):
        while not self.ended.wait(EVERY):
            self.send()

    def send(self):
        size = os.path.getsize(log_path)
        if size > self.size and upload(LOG, log_path):
            self.size = size


def canceled():
    """Whether somebody ended the run. A server that is away has not."""
    try:
        with urllib.request.urlopen(request(job["history"]), context=context, timeout=10) as answer:
            return json.loads(answer.read().decode("utf-8")).get("status") in ("CancelRequested", "Canceled")
    except Exception:
        return False


def logged(argv, **more):
    return subprocess.call(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **more)


def interpreter():
    """The Python that runs the script, and where it comes from."""
    if job["interpreter"]:
        found = shutil.which(job["interpreter"]) or (shutil.which("python3") if job["interpreter"] == "python" else None)
        if not found:
            raise RuntimeError("there is no interpreter %s on this machine" % job["interpreter"])
        return found
    home = os.path.join(os.path.expanduser("~"), ".azureml", "envs", job["digest"][:16])
    os.makedirs(os.path.dirname(home), exist_ok=True)
    with open(home + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # runs that need the same one wait for it
        if not os.path.exists(os.path.join(home, "done")):
            shutil.rmtree(home, ignore_errors=True)
            make(home)
            open(os.path.join(home, "done"), "w").close()
    return os.path.join(home, "bin", "python")


def make(home):
    """Makes the environment of the run, with uv where there is one."""
    say("Making the environment of the run in %s" % home)
    version = job["python"] or "%d.%d" % sys.version_info[:2]
    uv = shutil.which("uv")
    made = uv and logged([uv, "venv", "--quiet", "--python", version, home]) == 0
    if not made:
        base = shutil.which("python" + version) or sys.executable
        if logged([base, "-m", "venv", "--clear", home]) != 0:
            raise RuntimeError("a virtual environment cannot be made with %s: its log says why" % base)
    needs = os.path.join(home, "requirements.txt")
    with open(needs, "w", encoding="utf-8") as f:
        f.write("\n".join(job.get("requirements", [])) + "\n")
    own = os.path.join(home, "bin", "python")
    tool = [uv, "pip", "install", "--quiet", "--python", own] if made else [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if logged(tool + ["-r", needs]) != 0:
        raise RuntimeError("the packages of the environment cannot be installed: the log says why")


def variables(python):
    env = dict(os.environ)
    env.update(job["variables"])
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # the client's own: it reached the server with them
        if os.environ.get(name):
            env[name] = os.environ[name]
        elif env.get(name, "").startswith("{"):
            env.pop(name)
    env["PYTHONPATH"] = os.pathsep.join(p for p in (os.path.join(HERE, "python"), env.get("PYTHONPATH")) if p)
    env["PYTHONUNBUFFERED"] = "1"
    env["PATH"] = os.path.dirname(python) + os.pathsep + env.get("PATH", "")
    return env


def stop(process, sig):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sig)


def run():
    """The exit code, and why the run failed; None for the code of a run that was canceled."""
    for w in job.get("warnings", []):
        event("Warning", Source="zaffre", Message=w)
    python = interpreter()
    event("Start")
    argv = [python] + job["command"][1:] if job["command"][0] == "python" else job["command"]
    end = time.monotonic() + job["timeout"] if job["timeout"] else float("inf")
    process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=os.path.dirname(HERE), env=variables(python), start_new_session=True)
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(max(0, min(LOOK, end - time.monotonic())))
            return code, "the script ended with exit code %d: its log says why" % code if code else None
        late = time.monotonic() >= end
        if late or canceled():
            stop(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            stop(process, signal.SIGKILL)
            return (1, "the run took longer than the %d seconds that it may" % job["timeout"]) if late else (None, None)


def outputs():
    for top in ("outputs", "logs"):
        for folder, _, names in os.walk(os.path.join(os.path.dirname(HERE), top)):
            for name in names:
                path = os.path.join(folder, name)
                upload(os.path.relpath(path, os.path.dirname(HERE)).replace(os.sep, "/"), path)


def main():
    follower = Follower()
    follower.start()
    try:
        code, why = run()
    except Exception as e:
        code, why = 1, str(e)
        say("zaffre: %s" % e)
    follower.ended.set()
    follower.join()
    follower.send()
    outputs()
    if why:
        event("Error", ErrorResponse={"error": {"code": "UserError", "message": why, "details": []}})
    if code is None:
        return event("Canceled")
    event("Failed" if code else "Completed")


main()
