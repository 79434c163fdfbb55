"""An account: its pools, jobs and tasks, kept in a folder, so that it may be killed and started again."""
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

TICK = 0.05  # seconds between steps of the scheduler
HERE = os.path.dirname(os.path.abspath(__file__))


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status, code, message="", **values):
        super().__init__(code)
        self.status, self.code, self.message, self.values = status, code, message or code, values


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(duration):
    """Reads a duration of ISO 8601; 0: none."""
    m = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?", duration or "P")
    if not m:
        raise Refused(400, "InvalidPropertyValue", "The value provided for one of the properties in the request body is invalid.", PropertyName="maxWallClockTime")
    return sum(float(v or 0) * f for v, f in zip(m.groups(), (86400, 3600, 60, 1)))


class Account:
    def __init__(self, folder, name, url):
        self.folder, self.name, self.url = folder, name, url
        self.lock, self.closed = threading.RLock(), False
        self.pools, self.jobs = {}, {}  # jobs: name -> {"job", "tasks": name -> {"task", "node", "since", "runs"}}
        self.slow, self.started, self.procs = 0.0, 0, []
        if os.path.exists(self.path("state.json")):
            with open(self.path("state.json")) as f:
                self.pools, self.jobs, self.started = json.load(f)
        else:
            self.add_pool("pool", 1)
            self.add_pool("empty", 0)
        threading.Thread(target=self.schedule, daemon=True).start()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def save(self):
        with open(self.path("state.json.part"), "w") as f:
            json.dump([self.pools, self.jobs, self.started], f)
        os.replace(self.path("state.json.part"), self.path("state.json"))

    def add_pool(self, name, nodes, **more):
        self.pools[name] = {
            "id": name, "state": "active", "allocationState": "steady", "vmSize": "standard_d2s_v3", "taskSlotsPerNode": 8, "enableAutoScale": False,
            "currentDedicatedNodes": nodes, "targetDedicatedNodes": nodes, "currentLowPriorityNodes": 0, "targetLowPriorityNodes": 0, **more,
        }
        self.save()

    # What requests do.

    def job(self, name):
        if name not in self.jobs:
            raise Refused(404, "JobNotFound", "The specified job does not exist.")
        return self.jobs[name]

    def task(self, job, name):
        tasks = self.job(job)["tasks"]
        if name not in tasks:
            raise Refused(404, "TaskNotFound", "The specified task does not exist.")
        return tasks[name]

    def add_job(self, body):
        old = self.jobs.get(body["id"])
        if old and old["job"]["state"] == "deleting":
            raise Refused(409, "JobBeingDeleted", "The specified job has been marked for deletion and is being garbage collected.")
        if old:
            raise Refused(409, "JobExists", "The specified job already exists.")
        # A pool that is not there is no reason to refuse: the tasks wait for it (azure-batch 15.1.0, BatchPoolInfo).
        job = dict({"priority": 0, "onAllTasksComplete": "noaction"}, **body, state="active", creationTime=now(), executionInfo={"startTime": now(), "poolId": body["poolInfo"]["poolId"]})
        self.jobs[body["id"]] = {"job": job, "tasks": {}, "since": time.time()}
        self.save()

    def add_task(self, name, body):
        j = self.job(name)
        state = j["job"]["state"]
        if state != "active":
            raise Refused(409, {"completed": "JobCompleted", "terminating": "JobBeingTerminated", "deleting": "JobBeingDeleted"}[state], "The specified job is not in active state.")
        if body["id"] in j["tasks"]:
            raise Refused(409, "TaskExists", "The specified task already exists.")
        seconds(body.get("constraints", {}).get("maxWallClockTime"))
        for f in body.get("resourceFiles", []):
            if "httpUrl" not in f or "filePath" not in f:
                raise Refused(400, "InvalidPropertyValue", "this simulator fetches only an httpUrl to a filePath")
        if "containerSettings" in body or "multiInstanceSettings" in body:
            raise Refused(400, "InvalidPropertyValue", "this simulator runs neither containers nor several nodes")
        task = dict(body, state="active", creationTime=now(), stateTransitionTime=now(), executionInfo={"retryCount": 0, "requeueCount": 0})
        j["tasks"][body["id"]] = {"task": task, "since": time.time(), "runs": 0}
        self.save()

    def terminate_task(self, job, name):
        t = self.task(job, name)
        if t["task"]["state"] == "completed":
            raise Refused(409, "TaskCompleted", "The specified task is already in a completed state.")
        self.end(job, t)
        self.save()

    def end(self, job, t):
        """Has a task ended: at once where it waits, and else by its node."""
        if t["task"]["state"] == "active":
            self.complete(t, {"endTime": now(), "result": "failure", "failureInfo": {"category": "userError", "code": "TaskEnded", "message": "Task Was Ended by User Request"}})
        else:
            open(os.path.join(self.at(job, t), "terminate"), "w").close()

    def complete(self, t, end):
        t["task"]["executionInfo"].update(end)
        t["task"].update(state="completed", stateTransitionTime=now())

    def delete_task(self, job, name):
        t = self.task(job, name)
        del self.jobs[job]["tasks"][name]
        self.save()
        shutil.rmtree(self.at(job, t), ignore_errors=True)  # its node sees that, and ends it

    def finish_job(self, name, state, reason=""):
        """Begins to end or delete a job, which takes a while."""
        j = self.job(name)
        if state == "terminating" and j["job"]["state"] != "active":
            raise Refused(409, "JobCompleted", "The specified job is already in a completed state.")
        j["job"]["state"], j["since"] = state, time.time()
        if reason:
            j["job"]["executionInfo"]["terminateReason"] = reason
        for t in j["tasks"].values():
            if t["task"]["state"] != "completed":
                self.end(name, t)
        self.save()

    def preempt(self):
        """Takes all nodes away: what runs there is put back into the queue."""
        for name, j in self.jobs.items():
            for t in j["tasks"].values():
                if t["task"]["state"] in ("preparing", "running"):
                    open(os.path.join(self.at(name, t), "preempt"), "w").close()
                    t["task"].update(state="active", stateTransitionTime=now())
                    t["task"]["executionInfo"] = {"retryCount": 0, "requeueCount": 0}
                    t["since"], t["runs"] = time.time(), t["runs"] + 1
        self.save()

    # What happens by itself.

    def at(self, job, t):
        """The folder of a task on its node; it has another on the next."""
        return self.path("nodes", job, t["task"]["id"], str(t["runs"]))

    def schedule(self):
        while not self.closed:
            with self.lock:
                self.step()
            self.procs = [p for p in self.procs if p.poll() is None]
            time.sleep(TICK)

    def step(self):
        changed = False
        for name in sorted(self.jobs, key=lambda n: -self.jobs[n]["job"]["priority"]):
            j = self.jobs[name]
            for t in j["tasks"].values():
                changed |= self.look(name, t) or self.place(j["job"], t)
            if j["job"]["state"] in ("terminating", "deleting") and time.time() - j["since"] > 0.3:
                changed = True
                if j["job"]["state"] == "terminating":
                    j["job"]["state"] = "completed"
                    continue
                del self.jobs[name]
                shutil.rmtree(self.path("nodes", name), ignore_errors=True)
        if changed:
            self.save()

    def look(self, job, t):
        """Takes over what a task's node wrote."""
        task, folder, before = t["task"], self.at(job, t), t["task"]["state"]
        if before not in ("preparing", "running"):
            return False
        if os.path.exists(os.path.join(folder, "running")) and before == "preparing":
            task["executionInfo"].update(self.read(folder, "running"))
            task.update(state="running", stateTransitionTime=now())
        if os.path.exists(os.path.join(folder, "result.json")):
            self.complete(t, self.read(folder, "result.json"))
        return task["state"] != before

    def read(self, folder, name):
        with open(os.path.join(folder, name)) as f:
            return json.load(f)

    def place(self, job, t):
        """Gives a waiting task to a node of its pool that has a free slot."""
        pool = self.pools.get(job["poolInfo"]["poolId"])
        if t["task"]["state"] != "active" or job["state"] != "active" or not pool or time.time() - t["since"] < self.slow:
            return False
        busy = sum(x["task"]["state"] in ("preparing", "running") for j in self.jobs.values() for x in j["tasks"].values() if j["job"]["poolInfo"]["poolId"] == pool["id"])
        if busy >= (pool["currentDedicatedNodes"] + pool["currentLowPriorityNodes"]) * pool["taskSlotsPerNode"]:
            return False
        folder = self.at(job["id"], t)
        os.makedirs(folder, exist_ok=True)
        node = "tvmps_%s_d" % (pool["id"] + str(busy % max(1, pool["currentDedicatedNodes"])))
        body = {k: v for k, v in t["task"].items() if k not in ("state", "executionInfo")}
        with open(os.path.join(folder, "task.json"), "w") as f:
            json.dump({
                "task": body, "limit": seconds(body.get("constraints", {}).get("maxWallClockTime")), "AZ_BATCH_ACCOUNT_NAME": self.name, "AZ_BATCH_ACCOUNT_URL": self.url,
                "AZ_BATCH_POOL_ID": pool["id"], "AZ_BATCH_NODE_ID": node, "AZ_BATCH_JOB_ID": job["id"], "AZ_BATCH_TASK_ID": t["task"]["id"],
            }, f)
        p = subprocess.Popen([sys.executable, os.path.join(HERE, "node.py"), folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        with open(os.path.join(folder, "agent.pid"), "w") as f:
            f.write(str(p.pid))
        self.procs.append(p)
        self.started += 1
        t["task"].update(state="preparing", stateTransitionTime=now(), nodeInfo={"poolId": pool["id"], "nodeId": node, "affinityId": "TVM:" + node, "taskRootDirectory": "workitems/%s/job-1/%s" % (job["id"], t["task"]["id"])})
        return True

    def close(self):
        """Ends the nodes too: nobody would find what they run any more."""
        with self.lock:
            self.closed = True
            for name, j in self.jobs.items():
                for t in j["tasks"].values():
                    if t["task"]["state"] in ("preparing", "running"):
                        try:
                            with open(os.path.join(self.at(name, t), "agent.pid")) as f:
                                os.kill(int(f.read()), signal.SIGTERM)
                        except (OSError, ValueError):
                            pass
