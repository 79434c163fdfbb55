"""Submit "echo hi" to Ray Jobs, one after the other, and print how long each took, in seconds.

Usage: ray_jobs.py ADDRESS COUNT
"""

import json
import sys
import time

from ray.job_submission import JobStatus, JobSubmissionClient


def connect(address):
    """Return a client, once the head node answers."""
    end = time.monotonic() + 120
    while True:
        try:
            client = JobSubmissionClient(address)
            client.list_jobs()
            return client
        except Exception:  # whatever a server that starts says
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def run(client):
    began = time.monotonic()
    job = client.submit_job(entrypoint="echo hi")
    while True:
        status = client.get_job_status(job)
        if status.is_terminal():
            break
        time.sleep(0.01)
    if status != JobStatus.SUCCEEDED:
        raise SystemExit(f"{job} is {status}: {client.get_job_logs(job)}")
    return time.monotonic() - began


def main():
    client = connect(sys.argv[1])
    run(client)  # the first one warms up
    json.dump([run(client) for _ in range(int(sys.argv[2]))], sys.stdout)


main()
