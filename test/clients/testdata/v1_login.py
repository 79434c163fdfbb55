import os, sys
from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication

import json
config = json.load(open("config.json"))
args = (config["subscription_id"], config["resource_group"], config["workspace_name"])
ws = Workspace(*args, auth=ServicePrincipalAuthentication("any-tenant", os.environ["APP_ID"], os.environ["APP_SECRET"]))
print("principal", ws.name)
try:
    Workspace(*args, auth=ServicePrincipalAuthentication("any-tenant", os.environ["APP_ID"], "wrong-canary"))
    sys.exit("a wrong secret was taken")
except Exception as e:
    print("refused:", "credentials are not accepted" in str(e), "wrong-canary" in str(e))
