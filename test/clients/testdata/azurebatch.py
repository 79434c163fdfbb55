# Drives the simulator of Azure Batch by the official client, through a whole life cycle.
import base64
import datetime
import os
import time
import urllib.request

from azure.batch import BatchClient, _version, models as M
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

URL, SECURE, CA, CONTAINER = (os.environ[n] for n in ("BATCH_URL", "BATCH_SECURE", "BATCH_CA", "BATCH_CONTAINER"))
ACCOUNT, KEY, TOKEN = (os.environ[n] for n in ("BATCH_ACCOUNT", "BATCH_KEY", "BATCH_TOKEN"))
c = BatchClient(endpoint=URL, credential=AzureNamedKeyCredential(ACCOUNT, KEY), retry_total=0)
print("client", _version.VERSION)


def blob(name, data=None):
    base, signature = CONTAINER.split("?", 1)
    r = urllib.request.Request("%s/%s?%s" % (base, name, signature), data, {"x-ms-blob-type": "BlockBlob"}, method="PUT" if data else "GET")
    with urllib.request.urlopen(r) as f:
        return f.read()


def refused(what, f):
    try:
        f()
        print(what, "was taken")
    except HttpResponseError as e:
        # The client does not read the error of a file's download.
        print(what, type(e).__name__, e.status_code, e.error and e.error.code, [d.message for d in e.error.details or []] if e.error else [])


def ended(task):
    end = time.time() + 180
    while time.time() < end:
        t = c.get_task("j", task)
        if t.state == "completed":
            e, f = t.execution_info, t.execution_info.failure_info
            return "%s %s %s" % (e.exit_code, e.result.value, f and f.code)
        time.sleep(0.1)
    return "still " + t.state


p = c.get_pool("pool")
print("pool", p.state.value, p.allocation_state.value, p.current_dedicated_nodes, p.task_slots_per_node)
refused("no pool", lambda: c.get_pool("none"))
job = M.BatchJobCreateOptions(id="j", priority=7, pool_info=M.BatchPoolInfo(pool_id="pool"), all_tasks_complete_mode="noaction")
c.create_job(job)
refused("same job", lambda: c.create_job(job))
c.create_job(M.BatchJobCreateOptions(id="k", pool_info=M.BatchPoolInfo(pool_id="not-there")))  # it is taken: its tasks wait
print("job", c.get_job("j").state.value, c.get_job("j").priority, [j.id for j in c.list_jobs(filter="startswith(id,'j')", select=["id", "state"])], [j.id for j in c.list_jobs(max_results=1)])

blob("in.txt", b"from the container")


def add(name, command, **more):
    limits = M.BatchTaskConstraints(max_wall_clock_time=more.pop("limit", datetime.timedelta(hours=1)), max_task_retry_count=0)
    c.create_task("j", M.BatchTaskCreateOptions(id=name, command_line="/bin/bash -c '%s'" % command, constraints=limits, **more))


base, signature = CONTAINER.split("?", 1)
add("good", "cat in.txt; echo $V $AZ_BATCH_TASK_ID; echo err >&2; echo result > out.txt", environment_settings=[M.EnvironmentSetting(name="V", value="w x")],
    resource_files=[M.ResourceFile(http_url="%s/in.txt?%s" % (base, signature), file_path="in.txt")],
    output_files=[M.OutputFile(file_pattern="out.txt", upload_options=M.OutputFileUploadConfiguration(upload_condition="tasksuccess"),
                               destination=M.OutputFileDestination(container=M.OutputFileBlobContainerDestination(container_url=CONTAINER, path="kept.txt")))])
add("bad", "exit 7")
add("killed", "kill -9 $$")
add("long", "sleep 100")
add("limited", "sleep 100", limit=datetime.timedelta(seconds=1))
add("lacking", "true", resource_files=[M.ResourceFile(http_url="%s/none?%s" % (base, signature), file_path="x")])
c.create_task("j", M.BatchTaskCreateOptions(id="missing", command_line="no-such-program"))
refused("same task", lambda: add("good", "true"))
refused("no job", lambda: c.create_task("none", M.BatchTaskCreateOptions(id="t", command_line="true")))
for name in ("good", "bad", "killed", "limited", "lacking", "missing"):
    print("task", name, ended(name))
while c.get_task("j", "long").state != "running":
    time.sleep(0.05)
c.terminate_task("j", "long")
print("task long", ended("long"))
refused("terminated again", lambda: c.terminate_task("j", "long"))
print("tasks", sorted(t.id for t in c.list_tasks("j", select=["id", "state"])))
print("files", sorted(f.name for f in c.list_task_files("j", "good", recursive=True)))
print("stdout", b"".join(c.download_task_file("j", "good", "stdout.txt")), b"".join(c.download_task_file("j", "good", "stdout.txt", ocp_range="bytes=5-")))
print("stderr", b"".join(c.download_task_file("j", "good", "stderr.txt")), "size", c.get_task_file_properties("j", "good", "wd/out.txt").content_length)
print("kept", blob("kept.txt"))
refused("no file", lambda: b"".join(c.download_task_file("j", "good", "none.txt")))
refused("behind the end", lambda: b"".join(c.download_task_file("j", "good", "stdout.txt", ocp_range="bytes=1000-")))
c.delete_task("j", "bad")
refused("no task", lambda: c.get_task("j", "bad"))
refused("unknown field", lambda: c.create_job({"id": "x", "poolInfo": {"poolId": "pool", "nonsense": 1}}))
refused("unknown filter", lambda: list(c.list_jobs(filter="priority gt 1")))

c.begin_terminate_job("j", options={"terminateReason": "enough"})
while c.get_job("j").state != "completed":
    time.sleep(0.05)
print("job over", c.get_job("j").execution_info.termination_reason)
refused("task of a job that is over", lambda: add("late", "true"))
c.begin_delete_job("j")
try:
    while True:
        c.get_job("j")
        time.sleep(0.05)
except ResourceNotFoundError:
    print("job gone")


class Token:
    def get_token(self, *scopes, **_):
        print("scope", *scopes)
        return AccessToken(TOKEN, int(time.time()) + 3600)


print("by token", BatchClient(endpoint=SECURE, credential=Token(), connection_verify=CA).get_pool("pool").id)
refused("wrong key", lambda: BatchClient(endpoint=URL, credential=AzureNamedKeyCredential(ACCOUNT, base64.b64encode(b"wrong").decode())).get_pool("pool"))
