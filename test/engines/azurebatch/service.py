"""A simulator of an Azure Batch account, for contract tests: REST 2025-06-01, as azure-batch 15.1.0 speaks it.

Tasks really run, on this machine. Bodies are checked by the official client's models: a field that one has not is refused
by name, and an answer that one has not is a fault of the simulator. What state rules there are come from the reference.
"""
import argparse
import copy
import json
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import azure.batch.models as models
from account import Account, Refused
from contract import strange
from signature import expected

VERSION = "2025-06-01"
JSON = "application/json; odata=minimalmetadata"
LISTS = {"api-version", "timeOut", "maxresults", "$filter", "$select", "$expand", "$skiptoken"}
PLAIN = {"api-version", "timeOut", "$select", "$expand", "force"}

# The routes: method, path, and what answers. An official client must have asked each in the tests.
ROUTES = []


def route(method, path, query=PLAIN):
    def note(f):
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path).replace("(?P<path>[^/]+)", "(?P<path>.+)") + "$")
        ROUTES.append((method, path, pattern, query, f))
        return f
    return note


class Sim:
    """What all requests share."""

    def __init__(self, options):
        self.o, self.faults, self.page, self.lock = options, [], 100, threading.Lock()
        self.calls = {"%s %s" % (m, p): 0 for m, p, *_ in ROUTES}
        self.tokens = {options.token}
        self.account = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    sim = None

    def log_message(self, *_):
        pass

    def serve(self):
        self.headers_ = {k.lower(): v for k, v in self.headers.items()}
        self.raw = self.rfile.read(int(self.headers_.get("content-length") or 0))
        url = urllib.parse.urlsplit(self.path)
        self.query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        if url.path.startswith("/sim/"):
            return self.control(url.path[5:])
        fault = self.fault(url.path)
        if fault and fault["kind"] == "status":
            more = {"Retry-After": fault["retry_after"]} if fault.get("retry_after") else {}
            return self.answer(fault["code"], self.error(fault.get("error_code", ""), fault.get("message", "")), more)
        try:
            status, body, more = self.find(url.path)
        except Refused as e:
            status, body, more = e.status, self.error(e.code, e.message, e.values), {}
        if fault:  # its effect is there, and nobody hears of it
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        self.answer(status, body, more)

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = do_PATCH = serve

    def fault(self, path):
        with self.sim.lock:
            for f in self.sim.faults:
                if f["times"] > 0 and path.startswith(f["path"]) and f.get("method", self.command) == self.command:
                    f["times"] -= 1
                    return f
        return None

    def error(self, code, message, values=None):
        request = "\nRequestId:%s\nTime:%s" % (uuid.uuid4(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        e = {"code": code, "message": {"lang": "en-US", "value": message + request}}
        if values:
            e["values"] = [{"key": k, "value": v} for k, v in values.items()]
        self.model = models.BatchError
        return e

    def answer(self, status, body, more):
        if isinstance(body, dict):
            bad = strange(self.model, body) if self.model else []
            if bad:
                print("the simulator answers with fields that the client has not:", self.path, bad, file=sys.stderr, flush=True)
                status, body = 500, {"code": "SimulatorFault", "message": {"lang": "en-US", "value": " ".join(bad)}}
            body, more = json.dumps(body).encode(), dict(more, **{"Content-Type": "application/json;odata=minimalmetadata"})
        self.send_response(status)
        self.send_header("request-id", str(uuid.uuid4()))
        for k, v in more.items():
            self.send_header(k, v)
        if status != 204 and "Content-Length" not in more:
            self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)

    def find(self, path):
        """Finds the route and asks it."""
        self.login()
        if self.query.get("api-version") != VERSION:
            raise Refused(400, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid", QueryParameterName="api-version")
        for method, name, pattern, query, f in ROUTES:
            m = pattern.match(urllib.parse.unquote(path))
            if not m or method != self.command:
                continue
            for q in self.query:
                if q not in query:
                    raise Refused(400, "UnsupportedQueryParameter", "One of the query parameters specified in the request URI is not supported.", QueryParameterName=q)
            with self.sim.lock:
                self.sim.calls["%s %s" % (method, name)] += 1
            with self.sim.account.lock:
                return copy.deepcopy(f(self, self.sim.account, **m.groupdict()))  # a node may change it before it is sent
        raise Refused(404, "ResourceNotFound", "The specified resource does not exist.")

    def login(self):
        auth = self.headers_.get("authorization", "")
        if auth.startswith("Bearer "):
            if not isinstance(self.connection, ssl.SSLSocket) and not self.sim.o.plain_tokens:
                raise Refused(403, "AuthenticationFailed", "A token over plain http")
            if auth[7:] not in self.sim.tokens:
                raise Refused(401, "AuthenticationFailed", "Server failed to authenticate the request. The token is expired or invalid.")
            return
        if auth != expected(self.sim.o.account, self.sim.o.key, self.command, self.path, self.headers_):
            raise Refused(403, "AuthenticationFailed", "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.")

    # What the routes use.

    def body(self, model):
        if self.headers_.get("content-type") != JSON:
            raise Refused(400, "InvalidHeaderValue", "The value provided for one of the HTTP headers was not in the correct format.", HeaderName="Content-Type")
        try:
            value = json.loads(self.raw)
        except ValueError:
            raise Refused(400, "InvalidRequestBody", "The specified Request Body is not syntactically valid.")
        bad = strange(model, value)
        if bad:
            raise Refused(400, "InvalidRequestBody", "The specified Request Body is not syntactically valid.", Reason="unknown fields: " + ", ".join(bad))
        return value

    def one(self, model, value):
        self.model = model
        return 200, self.selected(value), {"ETag": '"0x1"', "Last-Modified": self.date_time_string()}

    def selected(self, value):
        names = self.query.get("$select")
        return {k: v for k, v in value.items() if not names or k in names.split(",")}

    def many(self, model, values):
        """Answers with a page of a list; the next is named by where it begins."""
        for v in values:
            if strange(model, v):
                raise Refused(500, "SimulatorFault", " ".join(strange(model, v)))
        f = self.query.get("$filter")
        if f:
            m = re.fullmatch(r"(?:startswith\(id,'([\w-]*)'\)|state eq '(\w+)')", f)
            if not m:
                raise Refused(400, "InvalidQueryParameterValue", "this simulator knows no such filter", QueryParameterName="$filter")
            values = [v for v in values if (v["id"].startswith(m[1]) if m[1] is not None else v["state"] == m[2])]
        begin, size = int(self.query.get("$skiptoken", 0)), min(int(self.query.get("maxresults", 1000)), self.sim.page)
        out = {"value": [self.selected(v) for v in values[begin:begin + size]]}
        if begin + size < len(values):
            base = "%s://%s" % ("https" if isinstance(self.connection, ssl.SSLSocket) else "http", self.headers_["host"])
            out["odata.nextLink"] = base + urllib.parse.urlsplit(self.path).path + "?" + urllib.parse.urlencode(dict(self.query, **{"$skiptoken": begin + size}))
        self.model = None
        return 200, out, {}

    # What tests do to the simulator.

    def control(self, what):
        sim, a = self.sim, self.sim.account
        self.model, v = None, json.loads(self.raw) if self.raw else {}
        with a.lock, sim.lock:
            if what == "faults":
                sim.faults.append(v)
            elif what == "pool":
                a.add_pool(v.pop("id"), v.pop("nodes", 1), **v)
            elif what == "page":
                sim.page = v["size"]
            elif what == "slow":
                a.slow = v["seconds"]
            elif what == "preempt":
                a.preempt()
            elif what == "expire":
                sim.tokens.clear()
            elif what == "scheduling":
                for j in a.jobs.values():
                    j["job"]["executionInfo"]["schedulingError"] = v
            elif what == "calls":
                return self.answer(200, sim.calls, {})
            elif what == "tasks":
                return self.answer(200, {"started": a.started, "there": sum(len(j["tasks"]) for j in a.jobs.values()), "jobs": len(a.jobs)}, {})
            else:
                return self.answer(404, None, {})
        self.answer(200, {}, {})


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that went away
            super().handle_error(request, client_address)


def main():
    import routes  # noqa: F401: it fills ROUTES
    p = argparse.ArgumentParser()
    for name in ("dir", "account", "key", "token", "cert", "private-key"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--tls-port", type=int, default=0)
    p.add_argument("--plain-tokens", action="store_true", help="tokens are taken without TLS too")
    o = p.parse_args()
    Handler.sim = Sim(o)
    plain = Server(("127.0.0.1", o.port), Handler)
    secure = Server(("127.0.0.1", o.tls_port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(o.cert, o.private_key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    url = "http://127.0.0.1:%d" % plain.server_port
    Handler.sim.account = Account(os.path.abspath(o.dir), o.account, url)

    def stop(*_):
        Handler.sim.account.close()
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop).start())
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    print(url, secure.server_port, flush=True)
    plain.serve_forever()


if __name__ == "__main__":
    sys.modules["service"] = sys.modules["__main__"]  # the routes are noted in this module
    main()
