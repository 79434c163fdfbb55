from azureml.core import Workspace, Dataset, Experiment
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline
from azureml.pipeline.steps import PythonScriptStep
import azureml.train.hyperdrive as hd
from azureml.core import *

ws = Workspace.get(name="w", subscription_id="s", resource_group="g")
data = Dataset.get_by_name(ws, "iris").to_pandas_dataframe()
config = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2")
cpu = ComputeTarget.create(ws, "cpu", config)
pipeline = Pipeline(workspace=ws, steps=[PythonScriptStep(script_name="a.py")])
Experiment(ws, "p").submit(pipeline)
search = hd.HyperDriveConfig(run_config=None)
service = Model(ws, "m").deploy(ws, "svc", [], None)
ws.datasets["iris"]
