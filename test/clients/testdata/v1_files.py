"""Metrics, files and models of a run, as the SDK v1 writes and reads them. MLFLOW is a model that MLflow registered."""
import json, math, os, pathlib, struct, zlib
from azureml.core import Experiment, Workspace
from azureml.core.model import Model
from azureml.exceptions import WebserviceException

ws = Workspace.from_config()
exp = Experiment(ws, "files")
run = exp.start_logging(snapshot_directory=None)
run.log("one", 0.5)
for i in range(3):
    run.log("many", i * 0.5, step=i)
run.log("whole", 42)
run.log("big", 2**60)
run.log("text", "hello")
run.log("flag", True)
run.log("nan", float("nan"))
run.log("inf", [float("-inf")][0])
for _ in range(3):
    run.log("same", 1)
run.log_list("list", [1, 2, 2])
run.log_list("mixed", [1, 2.5, float("nan")])
run.log_list("words", ["a", "NaN"])
run.log_row("row", x=1, y=2.5, z="NaN")
for i in range(3):
    run.log_row("rows", x=i, **({"y": i * 0.5} if i else {}))
run.log_table("table", {"a": [1, 2], "b": [0.5, 0.25], "c": ["u", "v"]})
run.log_confusion_matrix("cm", {"schema_type": "confusion_matrix", "schema_version": "v1", "data": {"class_labels": ["0", "1"], "matrix": [[1, 2], [3, 4]]}})
run.log_residuals("res", {"schema_type": "residuals", "schema_version": "v1", "data": {"bin_edges": [0, 1], "bin_counts": [3]}})
os.makedirs("pics", exist_ok=True)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
pathlib.Path("pics/roc.png").write_bytes(PNG)
run.log_image("roc", path="./pics/roc.png")
run.flush()
m = run.get_metrics()
for name in sorted(m):
    if name not in ("nan", "roc", "cm", "res"):
        print("METRIC", name, m[name])
print("NAN", math.isnan(m["nan"]), m["roc"] == "aml://artifactId/ExperimentRun/dcid.%s/pics/roc.png" % run.id)
print("NAMED", run.get_metrics(name="many"), run.get_metrics(name="none"))
pop = run.get_metrics(populate=True)
burst = exp.start_logging(snapshot_directory=None)
for i in range(1000):  # the SDK sends them in batches of 45, several at once
    burst.log("burst", i)
burst.complete()
print("BURST", burst.get_metrics()["burst"] == list(range(1000)))
print("POPULATED", json.loads(pop["cm"].data)["data"]["matrix"], pop["roc"].data == PNG)

pathlib.Path("a.txt").write_text("first")
os.makedirs("folder/deep", exist_ok=True)
pathlib.Path("folder/b.txt").write_text("b")
pathlib.Path("folder/deep/c d.txt").write_text("東京")
run.upload_file("up/a.txt", "a.txt")
run.upload_files(["up/x.txt", "up/y.txt"], ["a.txt", "folder/b.txt"])
run.upload_folder("model", "folder")
print("FILES", sorted(f for f in run.get_file_names() if f.startswith(("up/", "model/"))))
run.download_file("up/a.txt", "got.txt")
run.download_files(prefix="model", output_directory="down")
print("GOT", pathlib.Path("got.txt").read_text(), pathlib.Path("down/model/deep/c d.txt").read_text())
try:
    run.download_file("no/such.txt", "nope.txt")
except Exception as e:
    print("MISSING", type(e).__name__, "was not found" in str(e), "up/a.txt" in str(e))

one = run.register_model("single", model_path="up/a.txt", tags={"area": "x"}, properties={"p": "1"}, description="a file", model_framework=Model.Framework.SCIKITLEARN, model_framework_version="1.5")
two = run.register_model("folder", model_path="model", tags={"area": "y"})
three = Model.register(ws, model_path="folder", model_name="folder", tags={"from": "here"})
four = Model.register(ws, model_path="a.txt", model_name="local-file")
for mod in (one, two, three, four):
    print("MODEL", mod.id, mod.version, mod.tags, mod.properties, mod.model_framework, mod.model_framework_version, mod.description, mod.run_id == run.id, mod.experiment_name)
    path = pathlib.Path(mod.download("models-" + mod.name + str(mod.version)))
    print("DOWNLOADED", path, path.read_text() if path.is_file() else sorted(str(f.relative_to(path)) for f in path.rglob("*") if f.is_file()))
print("LIST", [x.id for x in Model.list(ws)], [x.id for x in Model.list(ws, latest=True)])
print("BY", [x.id for x in Model.list(ws, name="folder")], [x.id for x in Model.list(ws, tags=[["area", "y"]])], [x.id for x in Model.list(ws, tags=["area"])], [x.id for x in Model.list(ws, properties=["p"])], [x.id for x in Model.list(ws, run_id=run.id)], [x.id for x in Model.list(ws, page_count=20)])
print("GET", Model(ws, "folder").version, Model(ws, id="folder:1").version, Model(ws, name="folder", version=1).version, Model(ws, "folder", tags=[["area", "y"]]).version, sorted(ws.models))
one.add_tags({"more": "tag"})
one.remove_tags(["area"])
one.add_properties({"q": "2"})
one.update(description="another")
again = Model(ws, "single")
print("CHANGED", again.tags, again.properties, again.description)
refused = []
for call in (lambda: Model(ws, "nothing"), lambda: Model(ws, id="nothing:3"), lambda: Model(ws, "single", version=9)):
    try:
        call()
    except WebserviceException as e:
        refused.append("ModelNotFound" in str(e))
print("NO MODEL", refused)
three.delete()
print("DELETED", Model(ws, "folder").version, [x.id for x in Model.list(ws, name="folder")])
print("NEXT", Model.register(ws, model_path="a.txt", model_name="folder").version)
run.complete()
print("RUN", run.id)
