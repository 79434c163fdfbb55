# Python loads this when it starts in a run of zaffre. What the run logs with azureml-core is sent by a thread in
# the background: here its end waits for that, so that a short script loses nothing. Then comes the machine's own
# sitecustomize, if it has one.
import os
import sys

_NAME = "azureml._common.async_utils.batch_task_queue"
_LIMIT = 60  # seconds that a script's end waits for what it logged


def _send(queue, end):
    import time

    queue._daemon.stop()
    while queue._daemon.current_thread and time.time() < end:  # its thread has what it took out
        time.sleep(0.01)
    queue.flush("end", timeout_seconds=max(end - time.time(), 1))


def _without_threads(adjust):
    """From Python 3.12 on a process that ends starts no thread: what a pool without any gets is done at once."""

    def instead(pool):
        try:
            adjust(pool)
        except RuntimeError:
            if not pool._threads:
                pool._work_queue.get_nowait().run()

    return instead


def _flush_at_end(module):
    import concurrent.futures.thread  # it registers its own end first: ours comes before it
    import threading
    import time
    import weakref

    pid, queues, init = os.getpid(), weakref.WeakSet(), module.BatchTaskQueue.__init__

    def __init__(self, *args, **kwargs):
        queues.add(self)
        init(self, *args, **kwargs)

    def flush():
        if os.getpid() != pid:
            return
        end, pool = time.time() + _LIMIT, concurrent.futures.ThreadPoolExecutor
        if sys.version_info >= (3, 12):
            pool._adjust_thread_count = _without_threads(pool._adjust_thread_count)
        for queue in list(queues):
            try:
                _send(queue, end)
            except BaseException as e:
                sys.stderr.write("zaffre: what was logged last may be missing: %s\n" % str(e).strip()[:300])

    module.BatchTaskQueue.__init__ = __init__
    import atexit

    register = getattr(threading, "_register_atexit", atexit.register)  # 3.9: before thread pools close
    try:
        register(flush)
    except RuntimeError:
        atexit.register(flush)


class _Finder(object):
    def find_spec(self, name, path=None, target=None):
        if name != _NAME:
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                try:
                    _flush_at_end(module)
                except Exception:
                    pass

            spec.loader.exec_module = exec_module
        return spec


def _next():
    import importlib.machinery
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))
    paths = [p for p in sys.path if p and os.path.abspath(p) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if sys.version_info >= (3, 6):
    sys.meta_path.insert(0, _Finder())
    _next()
