"""Two clients that are not ours through the whole life of a session: pylivy, and sparkmagic. python clients.py URL"""
import sys
import time
import types

# Of a notebook server sparkmagic needs two names, for an extension that nobody loads here.
for module in ("notebook", "notebook.base", "notebook.base.handlers", "notebook.utils"):
    sys.modules[module] = types.SimpleNamespace(IPythonHandler=object, url_path_join=None)

from livy import LivySession, SessionKind, SparkRuntimeError
from livy.client import LivyClient
from livy.models import SessionState, StatementState
from sparkmagic.livyclientlib.command import Command
from sparkmagic.livyclientlib.endpoint import Endpoint
from sparkmagic.livyclientlib.livyreliablehttpclient import LivyReliableHttpClient
from sparkmagic.livyclientlib.livysession import LivySession as MagicSession
from sparkmagic.livyclientlib.sqlquery import SQLQuery
from sparkmagic.utils import configuration


def pylivy(url):
    client = LivyClient(url)
    assert client.server_version() >= type(client.server_version())("0.7.0")
    with LivySession.create(url, kind=SessionKind.PYSPARK, name="by-pylivy", spark_conf={"spark.zaffre.answer": "42"}) as session:
        assert session.state in (SessionState.IDLE, SessionState.BUSY)
        assert session.run("x = 40\nprint('hello')\nx + 2").text == "hello\n42"
        try:
            session.run("1 / 0")
            raise AssertionError("it did not fail")
        except SparkRuntimeError as e:
            assert (e.ename, e.evalue) == ("ZeroDivisionError", "division by zero"), e
        assert session.run("spark.conf.get('spark.zaffre.answer')").text == "'42'"
        session.run("frame = spark.createDataFrame([(1, 'a'), (2, 'b')], ['n', 's'])")
        assert session.download("frame")["s"].tolist() == ["a", "b"]
        assert session.run("%json [1, 2]").json == [1, 2]
        assert [s.session_id for s in client.list_sessions()] == [session.session_id]
        assert len(client.list_statements(session.session_id)) == 6
        assert client.get_statement(session.session_id, 0).state == StatementState.AVAILABLE
        number = session.session_id
    assert client.get_session(number) is None
    with LivySession.create(url, kind=SessionKind.SQL) as session:
        assert session.run("select 1 as one, 'x' as ex").json["data"] == [[1, "x"]]


class Display:
    def __getattr__(self, _):
        return lambda *_: None


def sparkmagic(url):
    for patience in (configuration.livy_session_startup_timeout_seconds, configuration.wait_for_idle_timeout_seconds):
        configuration.override(patience.__name__, 600)  # a busy machine is slow to start an interpreter
    http = LivyReliableHttpClient.from_endpoint(Endpoint(url, None))
    session = MagicSession(http, {"kind": "pyspark", "name": "by-sparkmagic", "driverMemory": "512m"}, Display())
    session.start()
    assert session.sql_context_variable_name == "spark"
    assert Command("6 * 7").execute(session) == (True, "42", "text/plain")
    ok, text, _ = Command("nosuch").execute(session)
    assert not ok and "NameError" in text, text
    rows = SQLQuery("select id from range(3)").execute(session)
    assert rows["id"].tolist() == [0, 1, 2], rows
    assert any(s["name"] == "by-sparkmagic" for s in http.get_sessions()["sessions"])
    assert session.get_logs().startswith("stdout: ")
    hanging = http.post_statement(session.id, {"code": "import time; time.sleep(600)"})["id"]
    while http.get_statement(session.id, hanging)["state"] != "running":
        time.sleep(0.05)
    assert http.cancel_statement(session.id, hanging) == {"msg": "canceled"}
    session.wait_for_idle(60)
    assert http.get_statement(session.id, hanging)["state"] == "cancelled"
    assert Command("'still here'").execute(session)[1] == "'still here'"
    session.delete()
    assert http.get_sessions()["total"] == 0


pylivy(sys.argv[1])
sparkmagic(sys.argv[1])
