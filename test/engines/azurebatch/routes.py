"""The operations of the Batch service that there are here."""
import os

import azure.batch.models as models
from account import Refused
from service import LISTS, PLAIN, route

DONE = {"ETag": '"0x1"'}


@route("GET", "/pools/{pool}")
def get_pool(h, a, pool):
    if pool not in a.pools:
        raise Refused(404, "PoolNotFound", "The specified pool does not exist.")
    return h.one(models.BatchPool, a.pools[pool])


@route("POST", "/jobs")
def add_job(h, a):
    a.add_job(h.body(models.BatchJobCreateOptions))
    return 201, None, DONE


@route("GET", "/jobs", LISTS)
def list_jobs(h, a):
    return h.many(models.BatchJob, [j["job"] for j in a.jobs.values()])


@route("GET", "/jobs/{job}")
def get_job(h, a, job):
    return h.one(models.BatchJob, a.job(job)["job"])


@route("DELETE", "/jobs/{job}")
def delete_job(h, a, job):
    if a.job(job)["job"]["state"] == "deleting":
        raise Refused(409, "JobBeingDeleted", "The specified job has been marked for deletion and is being garbage collected.")
    a.finish_job(job, "deleting")
    return 202, None, DONE


@route("POST", "/jobs/{job}/terminate")
def terminate_job(h, a, job):
    reason = h.body(models._models.BatchJobTerminateOptions).get("terminateReason") if h.raw else None
    a.finish_job(job, "terminating", reason or "UserTerminate")
    return 202, None, DONE


@route("POST", "/jobs/{job}/tasks")
def add_task(h, a, job):
    a.add_task(job, h.body(models.BatchTaskCreateOptions))
    return 201, None, DONE


@route("GET", "/jobs/{job}/tasks", LISTS)
def list_tasks(h, a, job):
    return h.many(models.BatchTask, [t["task"] for t in a.job(job)["tasks"].values()])


@route("GET", "/jobs/{job}/tasks/{task}")
def get_task(h, a, job, task):
    return h.one(models.BatchTask, a.task(job, task)["task"])


@route("DELETE", "/jobs/{job}/tasks/{task}")
def delete_task(h, a, job, task):
    a.delete_task(job, task)
    return 200, None, {}


@route("POST", "/jobs/{job}/tasks/{task}/terminate")
def terminate_task(h, a, job, task):
    a.terminate_task(job, task)
    return 204, None, DONE


INTERNAL = ("task.json", "running", "result.json", "terminate", "preempt", "agent.pid")


@route("GET", "/jobs/{job}/tasks/{task}/files", LISTS | {"recursive"})
def list_files(h, a, job, task):
    root, out = a.at(job, a.task(job, task)), []
    for where, folders, names in os.walk(root):
        for name in sorted(folders + names):
            path = os.path.join(where, name)
            rel = os.path.relpath(path, root)
            if rel not in INTERNAL:
                out.append({"name": rel, "isDirectory": os.path.isdir(path)})
        if h.query.get("recursive") != "true":
            break
    return h.many(models.BatchNodeFile, out)


def file(h, a, job, task, path):
    root = os.path.realpath(a.at(job, a.task(job, task)))
    full = os.path.realpath(os.path.join(root, path))
    if not full.startswith(root + os.sep) or not os.path.isfile(full) or path in INTERNAL:
        raise Refused(404, "FileNotFound", "The specified file does not exist.")
    return full, {
        "Content-Type": "application/octet-stream", "Last-Modified": h.date_time_string(os.path.getmtime(full)), "ocp-creation-time": h.date_time_string(os.path.getctime(full)),
        "ocp-batch-file-isdirectory": "false", "ocp-batch-file-url": "", "ocp-batch-file-mode": "0o100644",
    }


@route("GET", "/jobs/{job}/tasks/{task}/files/{path}", PLAIN)
def get_file(h, a, job, task, path):
    full, more = file(h, a, job, task, path)
    with open(full, "rb") as f:
        data = f.read()
    asked = h.headers_.get("ocp-range")
    if asked:  # the answer is 200 nevertheless: azure-batch 15.1.0 takes no 206
        first, _, last = asked.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            raise Refused(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
        data = data[int(first):int(last) + 1 if last else None]
    return 200, data, more


@route("HEAD", "/jobs/{job}/tasks/{task}/files/{path}", PLAIN)
def head_file(h, a, job, task, path):
    full, more = file(h, a, job, task, path)
    return 200, None, dict(more, **{"Content-Length": str(os.path.getsize(full))})
