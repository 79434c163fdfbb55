"""The job's folder, as the launcher has it. In the store this file and launch.py are one."""
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request

TRIES = 6  # of a request to a container, with ever longer pauses: half a minute together


class Began(Exception):
    """The job began before, elsewhere."""


def write(path, data):
    """Writes a whole file, anew: some engines' files know no appending, and it may be another user's."""
    with open(path + ".part", "wb") as f:
        f.write(data)
    os.replace(path + ".part", path)


class Place:
    """The job's folder."""

    LOOK = 0.5  # seconds between looks at what should end the job
    CHILD = True  # what started this process is the engine: when it is gone, so is the job

    def __init__(self, where):
        self.where, self.remote = where, where.startswith(("http://", "https://"))

    def path(self, name):
        return os.path.join(self.where, name)

    def read(self, name):
        if not self.remote:
            with open(self.path(name), "rb") as f:
                return f.read()
        with urllib.request.urlopen(urllib.parse.urljoin(self.where + "/", name)) as f:
            return f.read()

    def write(self, name, data):
        if not self.remote:
            write(self.path(name), data)

    def begin(self):
        self.write("began", b"%.6f" % time.time())

    def folder(self, name):
        """Makes a folder, and returns what writes files there; None where nothing can be left."""
        if self.remote:
            return None
        os.makedirs(self.path(name), exist_ok=True)
        return lambda name_, data: write(self.path(name + "/" + name_), data)

    def copy(self, source, name):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        shutil.copyfile(source, self.path(name))

    def asked(self):
        """Reports whether somebody asks for the job's end."""
        return os.path.exists(self.path("cancel"))

    def pack(self, name, work):
        """Returns the path of a pack of code."""
        name = "../../packs/" + name + ".zip"
        if not self.remote:
            return self.path(name)
        path = os.path.join(work, os.path.basename(name))
        write(path, self.read(name))
        return path


class Container(Place):
    """The job's folder in a container of Azure Storage."""

    LOOK = 1  # each look is a request
    CHILD = False  # the agent of a node may be started anew while its tasks run; it ends all of a task by itself

    def __init__(self, url):
        self.base, self.signature = url.split("?", 1)
        self.remote = False

    def url(self, name):
        path = os.path.normpath(os.path.join(urllib.parse.urlsplit(self.base).path, name))
        return urllib.parse.urlunsplit(urllib.parse.urlsplit(self.base)._replace(path=path, query=self.signature))

    def send(self, method, name, data=None, size=None, tries=TRIES, timeout=60, **headers):
        """Sends a request, again where it was refused for now, and returns the answer."""
        if size is not None:
            headers["content-length"] = str(size)
        for left in range(tries - 1, -1, -1):
            try:
                if hasattr(data, "seek"):
                    data.seek(0)
                return urllib.request.urlopen(urllib.request.Request(self.url(name), data, headers, method=method), timeout=timeout)
            except OSError as e:
                refused = isinstance(e, urllib.error.HTTPError) and e.code not in (408, 429) and e.code < 500
                if refused or not left:
                    raise
            time.sleep(2 ** (tries - 1 - left) / 2)

    def read(self, name):
        with self.send("GET", name) as f:
            return f.read()

    def write(self, name, data, **headers):
        self.send("PUT", name, data, len(data), **{"x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream"}, **headers).close()

    def begin(self):
        """Begins the job, unless a copy of it began before. An answer may have been lost: then what is there is ours."""
        mark = b"%.6f" % time.time()
        try:
            self.write("began", mark, **{"if-none-match": "*"})
        except urllib.error.HTTPError as e:
            if e.code not in (409, 412):
                raise
            if self.read("began") != mark:
                raise Began()

    def folder(self, name):
        return lambda name_, data: self.write(name + "/" + name_, data)

    def copy(self, source, name):
        with open(source, "rb") as f:
            self.send("PUT", name, f, os.fstat(f.fileno()).st_size, **{"x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream"}).close()

    def pack(self, name, work):
        path = os.path.join(work, name + ".zip")
        with self.send("GET", "../../packs/" + name + ".zip") as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        return path

    def asked(self):
        try:
            self.send("HEAD", "cancel", tries=1, timeout=5).close()
        except OSError:
            return False  # it is not there, or cannot be seen now
        return True
