# Prints the public classes of azureml-core, each with its public names; and the functions of azureml.core.
import importlib, inspect, pkgutil, warnings

warnings.simplefilter("ignore")
found = {}


def walk(module):
    try:
        m = importlib.import_module(module)
    except Exception:
        return
    for n, o in vars(m).items():
        if n.startswith("_"):
            continue
        if inspect.isclass(o) and o.__module__.startswith(("azureml.core", "azureml.data", "azureml.exceptions")):
            private = any(p.startswith("_") for p in o.__module__.split("."))
            if private and not o.__module__.startswith("azureml.exceptions"):
                continue
            names = found.setdefault(o.__qualname__, set())
            for c in o.__mro__:
                if c.__module__.startswith("azureml"):
                    names.update(k for k, v in vars(c).items() if not k.startswith("_") and (callable(v) or isinstance(v, (staticmethod, classmethod, property))))
        elif inspect.isfunction(o) and module == "azureml.core" and o.__module__.startswith("azureml.core"):
            found.setdefault(module, set()).add(n)


walk("azureml.core")
for package in ("azureml.core", "azureml.core.compute", "azureml.core.webservice", "azureml.core.image", "azureml.data", "azureml.exceptions"):
    walk(package)
    for m in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not m.name.startswith("_"):
            walk(package + "." + m.name)
for k in sorted(found):
    print(k, *sorted(found[k]))
