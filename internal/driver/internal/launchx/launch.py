"""Runs one job of zaffre where an engine starts it. Its argument is the job's folder: a path, or the URL by which it is read.
Without one the variable ZAFFRE_FOLDER has the folder's URL in a container of Azure Storage, signed, by which it is written too.

The folder has spec.json, which says what to run. What is left there: began, with the time; the log, in pieces named by
the offsets at which they begin; the files of outputs and logs; and last end.json, which says how the job ended. By URL
nothing is left. A Python script runs in this process, so that it finds the engine's Spark, unless the job names an
interpreter; every other command is a process of its own.
"""
import fcntl
import json
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zipfile

PIECE = 1 << 20  # bytes of the log after which a piece is written at once: what one request reads
UNSENT = 64 << 20  # bytes of a log that cannot be written, after which the task's own output is all there is
AGAIN = 75  # exit code of a copy of a job that began before: its first machine was taken away
LINK, LINKED = 0o170000, 0o120000
KEPT = ("outputs", "logs")


class Missing(Exception):
    """Why the command cannot be started."""


class Log(threading.Thread):
    """Carries what this process and its children write to the task's own output, and to the log."""

    def __init__(self, keep):
        super().__init__(daemon=True)
        self.keep, self.offset, self.buffer = keep, 0, b""  # keep writes a piece; None: there is nowhere to write
        self.began = self.written = time.monotonic()
        self.out, (self.source, sink) = os.dup(1), os.pipe()
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.close(sink)
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
        self.done = threading.Event()

    def run(self):
        while True:
            ended = self.done.is_set()  # asked before looking: what was written before is then seen
            if select.select([self.source], [], [], 0 if ended else 0.2)[0]:
                self.take(os.read(self.source, 1 << 16))
            elif ended:
                break
            # A log that grows for days is written more rarely, so that its pieces stay few.
            pause = min(60, max(1, (time.monotonic() - self.began) / 100))
            if len(self.buffer) >= PIECE or time.monotonic() - self.written >= pause:
                self.flush()
        self.flush()

    def take(self, data):
        self.buffer += data
        while data:
            data = data[os.write(self.out, data):]

    def flush(self):
        """Writes what there is. What cannot be written now is kept for later, unless it is too much."""
        if not self.keep or len(self.buffer) > UNSENT:
            self.keep, self.buffer = None, b""
        try:
            while self.buffer:
                piece = self.buffer[:PIECE]
                self.keep("%020d" % self.offset, piece)
                self.offset, self.buffer = self.offset + len(piece), self.buffer[len(piece):]
        except OSError:
            pass
        self.written = time.monotonic()

    def close(self):
        """Ends without waiting for children that hold the output open."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.done.set()
        self.join()
        os.dup2(self.out, 1)
        os.dup2(self.out, 2)


class Work:
    """A folder of this machine for the code, which is locked while it is in use."""

    PREFIX = "zaffre-job-"

    def __init__(self):
        base = tempfile.gettempdir()
        for name in os.listdir(base):
            if name.startswith(self.PREFIX):
                self.sweep(os.path.join(base, name))
        self.path = tempfile.mkdtemp(prefix=self.PREFIX)
        self.lock = open(os.path.join(self.path, "lock"), "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def sweep(self, path):
        """Removes what a launcher left that was killed."""
        try:
            with open(os.path.join(path, "lock")) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass  # it is in use, or another user's

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def unpack(files, place, work, code):
    """Puts the code into its folder."""
    opened = {}
    for f in files:
        if f["pack"] not in opened:
            opened[f["pack"]] = zipfile.ZipFile(place.pack(f["pack"], work))
        path = os.path.join(code, f["path"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with opened[f["pack"]].open(f["hash"]) as source:
            if f["mode"] & LINK == LINKED:
                os.symlink(source.read().decode(), path)
                continue
            with open(path, "wb") as target:
                shutil.copyfileobj(source, target)
        os.chmod(path, f["mode"] & 0o777 | 0o600)


def script(argv):
    """Returns what runs a Python command in this process, or None for one that needs its own."""
    rest = argv[1:]
    while rest and rest[0] == "-u":
        rest = rest[1:]
    if argv[0] not in ("python", "python3") or not rest:
        return None
    if rest[0] == "-c" and len(rest) > 1:
        def run():
            sys.path.insert(0, "")
            exec(compile(rest[1], "<string>", "exec"), {"__name__": "__main__"})
        sys.argv = ["-c"] + rest[2:]
        return run
    if rest[0] == "-m" and len(rest) > 1:
        sys.argv = rest[1:]
        sys.path.insert(0, os.getcwd())
        return lambda: runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    if rest[0].startswith("-"):
        return None
    if not os.path.isfile(rest[0]):
        raise Missing("there is no script %r in the code" % rest[0])
    sys.argv = rest
    sys.path.insert(0, os.path.dirname(os.path.abspath(rest[0])))
    return lambda: runpy.run_path(rest[0], run_name="__main__")


def inside(run):
    """Runs Python code here, and returns its exit code as Python would."""
    try:
        run()
        for t in threading.enumerate():  # Python ends when these have
            if not t.daemon and t is not threading.current_thread():
                t.join()
    except SystemExit as e:
        if e.code is None or isinstance(e.code, int):
            return (e.code or 0) & 0xFF
        print(e.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class Job:
    """What runs, and what ends it: its time, who asks for its end, and the end of the engine that started it."""

    def __init__(self, place, spec, work, code, log):
        self.place, self.spec, self.work, self.code, self.log = place, spec, work, code, log
        self.child, self.why, self.finished = None, None, False
        self.lock, self.over = threading.Lock(), threading.Event()
        self.parent = os.getppid()

    def watch(self):
        end = time.monotonic() + self.spec["timeout"] if self.spec.get("timeout") else None
        while not self.over.wait(self.place.LOOK if end is None else max(0, min(self.place.LOOK, end - time.monotonic()))):
            if end is not None and time.monotonic() >= end:
                return self.stop("timed_out")
            if not self.spec.get("asks"):
                continue
            if self.place.CHILD and os.getppid() != self.parent:
                self.kill(signal.SIGKILL)
                self.work.remove()
                os._exit(1)
            if self.place.asked():
                return self.stop("canceled")

    def stop(self, why):
        """Ends the command: by TERM first, where it may catch that, and after its grace without mercy."""
        self.why = why
        if self.child:
            self.kill(signal.SIGTERM)
        elif signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            self.finish({})
            os._exit(1)
        if self.over.wait(self.spec["grace"]):
            return
        if self.child:
            self.kill(signal.SIGKILL)
        else:
            self.finish({})
            os._exit(1)

    def kill(self, number):
        try:
            if self.child:
                os.killpg(self.child.pid, number)
        except OSError:
            pass

    def process(self, argv):
        """Runs a program, and returns its end."""
        if argv[0] in ("python", "python3"):
            argv = [self.spec.get("python") or sys.executable] + argv[1:]
        try:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as e:
            raise Missing("there is no program %r, or it cannot be run: %s" % (argv[0], e.strerror))
        code = self.child.wait()
        self.kill(signal.SIGKILL)  # what it left running
        if code >= 0:
            return {"exit": code}
        return {"signal": -code, "name": signal.Signals(-code).name}

    def perform(self):
        """Runs the command in its folder, and returns its end."""
        os.environ.update(self.spec["env"] or {})
        try:
            os.chdir(os.path.join(self.code, self.spec["dir"]))
            run = script(self.spec["command"])
            return {"exit": inside(run)} if run and not self.spec.get("python") else self.process(self.spec["command"])
        except Missing as e:
            return {"missing": str(e)}
        except OSError as e:
            return {"missing": "its folder cannot be entered: %s" % e}

    def finish(self, end):
        """Leaves what is to be kept, once."""
        with self.lock:
            if self.finished:
                return
            self.finished = True
            self.over.set()
            self.log.close()
            os.chdir("/")
            if self.why:
                end = {self.why: True}
            end["at"] = time.time()
            if not self.place.remote:
                end["outputs"] = keep(self.code, self.place)
            self.work.remove()
            self.place.write("end.json", json.dumps(end).encode())


def keep(code, place):
    """Copies what is to be kept, under plain names: the workspace does not take every name."""
    kept = []
    for top in KEPT:
        for where, _, names in os.walk(os.path.join(code, top)):
            for name in names:
                path = os.path.join(where, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                number, info = str(len(kept)), os.stat(path)
                place.copy(path, "out/" + number)
                kept.append({"path": os.path.relpath(path, code).replace(os.sep, "/"), "file": number, "size": info.st_size, "mode": info.st_mode & 0o777})
    return kept


def main(where):
    place = Place(where) if where else Container(os.environ.pop("ZAFFRE_FOLDER"))
    place.begin()
    spec = json.loads(place.read("spec.json").decode())
    place.write("spec.json", b"{}")  # the variables may be secret, and are needed no more
    work = Work()
    code = os.path.join(work.path, "code")
    for top in KEPT:
        os.makedirs(os.path.join(code, top))
    unpack(spec["files"] or [], place, work.path, code)
    log = Log(place.folder("log"))
    log.start()
    job = Job(place, spec, work, code, log)
    threading.Thread(target=job.watch, daemon=True).start()
    end = job.perform()
    job.finish(end)
    if job.why or end.get("exit") != 0:  # the task must fail too, and what is zero must not look like an exception
        sys.exit(end.get("exit") or 1)


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else None)
    except Began:
        print("this job began before, on another machine: it is not begun again", file=sys.stderr)
        sys.exit(AGAIN)
