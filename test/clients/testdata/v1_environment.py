# Environments and secrets, as scripts use them.
import json, os, tempfile
from azureml.core import Environment, Workspace, Run
from azureml.core.conda_dependencies import CondaDependencies

ws = Workspace.from_config()
env = Environment("train")
env.python.conda_dependencies = CondaDependencies.create(python_version="3.11", pip_packages=["joblib"])
env.environment_variables = {"GREETING": "hello"}
first = env.register(ws)
print("REGISTERED", first.name, first.version, bool(first._get_base_info_dict()))
print("SAME", env.register(ws).version)
env.python.conda_dependencies.add_pip_package("tabulate")
print("NEXT", env.register(ws).version)
got = Environment.get(ws, "train")
print("LATEST", got.version, got.environment_variables, list(got.python.conda_dependencies.pip_packages)[-2:])
print("OLD", Environment.get(ws, "train", version="1").version)
Environment.label(ws, "train", "1", ["prod"])
print("LABEL", Environment.get(ws, "train", label="prod").version, Environment.get(ws, "train", label="latest").version)
clone = got.clone("other")
clone.version = "7"
print("CLONE", clone.register(ws).version, clone.register(ws).version)
clone.python.conda_dependencies.add_pip_package("rich")
for what, do in {
    "taken": lambda: clone.register(ws), "curated": lambda: Environment.get(ws, "AzureML-sklearn-1.0"),
    "missing": lambda: Environment.get(ws, "nothing"), "word": lambda: Environment.get(ws, "train", version="first"),
}.items():
    try:
        do()
        print("NOT REFUSED", what)
    except Exception as e:
        print("REFUSED", what, [r for r in ("EnvironmentVersionTaken", "EnvironmentCurated", "EnvironmentNotFound", "EnvironmentVersionInvalid") if r in str(e)])

with tempfile.TemporaryDirectory() as d:
    spec, lines = os.path.join(d, "env.yml"), os.path.join(d, "requirements.txt")
    open(spec, "w").write("name: y\ndependencies:\n- python=3.11\n- numpy\n- pip:\n  - joblib\n")
    open(lines, "w").write("joblib==1.4.2\n")
    print("CONDA", Environment.from_conda_specification("of-conda", spec).register(ws).version)
    print("PIP", Environment.from_pip_requirements("of-pip", lines).register(ws).version)
    Environment.get(ws, "of-conda").save_to_directory(os.path.join(d, "saved"))
    print("SAVED", sorted(os.listdir(os.path.join(d, "saved"))), Environment.load_from_directory(os.path.join(d, "saved")).name)
user = Environment("user")
user.python.user_managed_dependencies = True
user.python.interpreter_path = os.environ.get("INTERPRETER", "python3")
user = user.register(ws)
print("USER", user.python.user_managed_dependencies, user.python.interpreter_path == os.environ.get("INTERPRETER", "python3"))
print("LIST", sorted((n, e.version) for n, e in Environment.list(ws).items()))
details = user.get_image_details(ws)
print("DETAILS", details.image_exist, details.registry, details.dockerfile)
build = user.build(ws)
build.wait_for_completion(show_output=True)
if build.status != "Succeeded":
    print(build.environment_client._get_lro_response(build._location))
print("BUILD", build.status, build.get_log() is not None)
broken = Environment("broken")
broken.python.conda_dependencies = CondaDependencies.create(python_version="3.11", pip_packages=["no-such-package-of-anybody==1.0"])
broken = broken.register(ws).build(ws)
broken.wait_for_completion(show_output=False)
print("BROKEN", broken.status, "no-such-package-of-anybody" in broken.get_log())
user.build_local(ws)
small = Environment.get(ws, "of-conda")
small.build_local(ws)
small.build_local(ws)
try:
    small.build_local(ws, useDocker=True)
except Exception as e:
    print("NO IMAGE", "RecipeUnsupported" in str(e))

vault = ws.get_default_keyvault()
vault.set_secret("db-password", "s3cret-canary")
vault.set_secrets({"one": "1-canary", "two": "2-canary"})
print("SECRET", vault.get_secret("db-password") == "s3cret-canary", vault.get_secret_content_type("db-password"))
print("SECRETS", {k: v and v.replace("-canary", "") for k, v in vault.get_secrets(["one", "none"]).items()})
print("NAMES", sorted(s["name"] for s in vault.list_secrets()))
vault.delete_secret("one")
vault.delete_secrets(["two"])
print("LEFT", vault.list_secrets())
try:
    vault.get_secret("one")
except Exception as e:
    print("GONE", "SecretNotFound" in str(e))
try:
    ws.get_default_datastore()
except Exception as e:
    print("UNSERVED", "CallUnsupported" in str(e), "not served yet" in str(e))
