"""The agent of a node, for one task: fetches its files, runs its command, and writes what came of it into its folder.

It goes on while the service is away. It ends its task, with all that it started, when the file "terminate" or "preempt"
appears, and when its folder is gone.
"""
import ctypes
import datetime
import glob
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

LOOK = 0.05  # seconds
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what loses its parent becomes ours


class Failed(Exception):
    def __init__(self, category, code, message):
        super().__init__(message)
        self.info = {"category": category, "code": code, "message": message}


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def write(path, value):
    with open(path + ".part", "w") as f:
        json.dump(value, f)
    os.replace(path + ".part", path)


def children():
    """Returns the pids of all processes below this one."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parents[int(pid)] = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    below, more = set(), {os.getpid()}
    while more:
        more = {p for p, parent in parents.items() if parent in more} - below
        below |= more
    return below


def end_all():
    """Ends what the task started, in whatever session it is."""
    for _ in range(100):
        left = children()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def fetch(url, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with urllib.request.urlopen(url, timeout=30) as source, open(path, "wb") as target:
            target.write(source.read())
    except urllib.error.HTTPError as e:
        if e.code == 404:
            raise Failed("userError", "BlobNotFound", "One of the specified Azure Blob(s) is not found")
        if e.code in (401, 403):
            raise Failed("userError", "BlobAccessDenied", "Access for one of the specified Azure Blob(s) is denied")
        raise Failed("serverError", "BlobDownloadMiscError", "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)")
    except OSError:
        raise Failed("serverError", "BlobDownloadTimedOut", "Timeout encountered while downloading one of the specified Azure Blob(s)")


def upload(task, folder, good):
    """Carries outputFiles to their containers."""
    for o in task.get("outputFiles", []):
        when = o["uploadOptions"]["uploadCondition"].lower()
        if when == "tasksuccess" and not good or when == "taskfailure" and good:
            continue
        to = o["destination"]["container"]
        pattern = os.path.normpath(os.path.join(folder, "wd", o["filePattern"]))
        found = [f for f in glob.glob(pattern, recursive=True) if os.path.isfile(f)]
        for f in found:
            plain = "*" not in o["filePattern"]
            name = to.get("path") or os.path.basename(f) if plain else os.path.join(to.get("path", ""), os.path.basename(f))
            u = urllib.parse.urlsplit(to["containerUrl"])
            with open(f, "rb") as source:
                r = urllib.request.Request(u._replace(path=u.path + "/" + name).geturl(), source.read(), {"x-ms-blob-type": "BlockBlob"}, method="PUT")
            try:
                urllib.request.urlopen(r, timeout=30).close()
            except OSError:
                raise Failed("userError", "FileUploadAccessDenied", "Access was denied when trying to upload a file")


class Task:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "task.json")) as f:
            self.said = json.load(f)
        self.task, self.begun = self.said["task"], None

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def environment(self):
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.path("wd"), "AZ_BATCH_TASK_DIR": self.folder, "AZ_BATCH_TASK_WORKING_DIR": self.path("wd")}
        for name in ("AZ_BATCH_ACCOUNT_NAME", "AZ_BATCH_ACCOUNT_URL", "AZ_BATCH_POOL_ID", "AZ_BATCH_NODE_ID", "AZ_BATCH_JOB_ID", "AZ_BATCH_TASK_ID"):
            env[name] = self.said[name]
        env.update({e["name"]: e.get("value", "") for e in self.task.get("environmentSettings", [])})
        return env

    def perform(self):
        """Runs the task, and returns its end; None where there is nobody to tell."""
        os.makedirs(self.path("wd"), exist_ok=True)
        for f in self.task.get("resourceFiles", []):
            fetch(f["httpUrl"], self.path("wd", f["filePath"]))
        self.begun = time.monotonic()
        write(self.path("running"), {"startTime": now()})
        with open(self.path("stdout.txt"), "wb") as out, open(self.path("stderr.txt"), "wb") as err:
            try:
                p = subprocess.Popen(shlex.split(self.task["commandLine"]), cwd=self.path("wd"), env=self.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
            except FileNotFoundError:
                raise Failed("userError", "CommandProgramNotFound", "The specified command program is not found")
            except OSError:
                raise Failed("userError", "CommandLaunchFailed", "Failed to launch the specified command line")
        return self.follow(p)

    def follow(self, p):
        while p.poll() is None:
            time.sleep(LOOK)
            if not os.path.exists(self.path("task.json")) or os.path.exists(self.path("preempt")):
                return None
            if os.path.exists(self.path("terminate")):
                raise Failed("userError", "TaskEnded", "Task Was Ended by User Request")
            if self.said["limit"] and time.monotonic() - self.begun > self.said["limit"]:
                raise Failed("userError", "TaskEnded", "Task Was Ended: it ran beyond its max wall clock time")
        code = p.returncode if p.returncode >= 0 else 128 - p.returncode
        end = {"exitCode": code, "result": "success" if code == 0 else "failure"}
        if code:
            end["failureInfo"] = {"category": "userError", "code": "FailureExitCode", "message": "The task exited with an exit code representing a failure"}
        return end

    def run(self):
        try:
            end = self.perform()
            end_all()
            if end is None:
                return
            upload(self.task, self.folder, end["result"] == "success")
        except Failed as e:
            end_all()
            end = {"result": "failure", "failureInfo": e.info}
        end["endTime"] = now()
        if os.path.isdir(self.folder):
            write(self.path("result.json"), end)


def leave(*_):
    end_all()
    os._exit(1)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, leave)
    Task(sys.argv[1]).run()
