import importlib.metadata
import importlib.util
import sys

print("python=" + sys.executable)
lacks = [n for n in ("pyspark", "grpc", "grpc_status", "pandas", "pyarrow") if importlib.util.find_spec(n) is None]
if lacks:
    print("lacks=" + ", ".join(lacks))
for name in ("pyspark", "pyspark-client", "pyspark-connect"):
    try:
        print("package=" + name + " " + importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
