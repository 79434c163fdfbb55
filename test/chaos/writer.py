# A job of the trial of links: it writes numbered lines, and logs a numbered point of a metric beside each, as a client
# of MLflow does, until it has written all or is told to stop. What came of it stands in a ledger that no full disk and
# no link can harm: "start", "acked FIRST LAST" for each batch that was acknowledged, "refused CODE" for an answer that
# tells not to try again, "kept SHA256 PATH" for each file that it left, and "end LINES POINTS" once all is written.
import hashlib
import json
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request

lines, gap, patience, folder = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
ledger = open(os.path.join(folder, os.environ["ZAFFRE_RUN_ID"] + "." + os.environ["ZAFFRE_ATTEMPT"]), "a", buffering=1)
stop = os.path.join(folder, "stop")
tls = ssl.create_default_context(cafile=os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"])
points, more, over = [], threading.Condition(), False


def note(text):
    ledger.write(text + "\n")


def say(line):
    """Writes all of a line, as soon as there is room on the disk."""
    rest = (line + "\n").encode()
    while rest:
        try:
            rest = rest[os.write(1, rest):]
        except OSError:
            time.sleep(0.2)


def post(batch):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "metrics": batch}
    q = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-batch", data=json.dumps(body).encode())
    q.add_header("Authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
    q.add_header("Content-Type", "application/json")
    urllib.request.urlopen(q, context=tls, timeout=90).read()


def log(batch):
    """Repeats what got no answer, or one that says to come again, for as long as a client has patience."""
    end = time.monotonic() + patience
    while True:
        try:
            post(batch)
            return note("acked %d %d" % (batch[0]["step"], batch[-1]["step"]))
        except urllib.error.HTTPError as e:
            if e.code not in (408, 429, 500, 502, 503, 504):
                return note("refused %d" % e.code)
        except OSError:
            pass
        except Exception as e:  # half an answer
            if not type(e).__module__.startswith("http"):
                return note("refused %r" % e)
        if time.monotonic() > end:
            return
        time.sleep(0.3)


def send():
    while True:
        with more:
            while not points and not over:
                more.wait()
            batch, points[:] = points[:100], points[100:]
        if not batch:
            return
        log(batch)
        time.sleep(0.2)


def leave(path, size):
    """Leaves a file of the size, whose bytes no other has, as soon as there is room on the disk."""
    seed = (os.environ["ZAFFRE_RUN_ID"] + path).encode()
    data = hashlib.shake_128(seed).digest(size)
    while True:
        try:
            with open(path, "wb") as f:
                f.write(data)
            return note("kept %s %s" % (hashlib.sha256(data).hexdigest(), path))
        except OSError:
            time.sleep(0.2)


note("start")
sender = threading.Thread(target=send)
sender.start()
n = 0
while n < min(lines, 20) or n < lines and not os.path.exists(stop):
    n += 1
    say("line %d" % n)
    with more:
        points.append({"key": "n", "value": n, "step": n, "timestamp": int(time.time() * 1000)})
        more.notify()
    time.sleep(gap)
with more:
    over = True
    more.notify()
sender.join()
for i in range(20):
    leave("outputs/part-%02d" % i, 20_000)
leave("outputs/model", 4_000_000)
note("end %d %d" % (n, n))
