package clients_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
)

// attachSparkHost is what scripts of SDK v1 do that have an HDInsight cluster and a Synapse pool.
const attachSparkHost = prelude + `
import os
from azureml.core import Experiment, LinkedService, RunConfiguration, ScriptRunConfig, SynapseWorkspaceLinkedServiceConfiguration
from azureml.core.compute import ComputeTarget, HDInsightCompute, SynapseCompute
config = HDInsightCompute.attach_configuration(resource_id=os.environ["CLUSTER"], username="sshuser", password="pw-canary")
hdi = ComputeTarget.attach(ws, "hdi", config)
hdi.wait_for_completion(show_output=True)
print("HDI", type(hdi).__name__, hdi.provisioning_state, hdi.provisioning_errors)
linked = LinkedService.register(ws, "synapse1", SynapseWorkspaceLinkedServiceConfiguration(subscription_id=ws.subscription_id, resource_group="rg", name="synw"))
pool = ComputeTarget.attach(ws, "pool", SynapseCompute.attach_configuration(linked, type="SynapseSpark", pool_name="pool"))
pool.wait_for_completion(show_output=True)
print("POOL", type(pool).__name__, pool.provisioning_state, pool.provisioning_errors)
os.makedirs("src")
open("src/count.py", "w").write("""
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("rows", spark.range(40).count() + 2, spark.sparkContext.master, spark.conf.get("spark.zaffre.answer"), flush=True)
""")
run_config = RunConfiguration(framework="pyspark")
run_config.target = hdi
run_config.spark.configuration["spark.zaffre.answer"] = "42"
run_config.spark.configuration["spark.ui.enabled"] = "false"
run_config.environment.python.user_managed_dependencies = True
run_config.environment.python.interpreter_path = os.environ["PYSPARK_PYTHON"]
run = Experiment(ws, "spark").submit(ScriptRunConfig(source_directory="src", script="count.py", run_config=run_config))
run.wait_for_completion()
print("RUN", run.id, run.get_status())
`

// TestV1SparkOnTheServersMachine: with two entries of the inventory the scripts of a cluster and of a pool run on the
// Spark of a machine at hand, with no cloud.
func TestV1SparkOnTheServersMachine(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_SPARK") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "spark") {
			t.Fatal(`TEST_SPARK is not set; run: eval "$(test/engines/spark.sh env)"`)
		}
		t.Skip(`needs Spark: test/engines/spark.sh up; eval "$(test/engines/spark.sh env)"`)
	}
	interpreter, python := v1(t, "3.10"), os.Getenv("PYSPARK_PYTHON")
	b := serve(t, sameUser, "PATH="+os.Getenv("SPARK_HOME")+"/bin:"+os.Getenv("JAVA_HOME")+"/bin:"+os.Getenv("PATH"))
	group := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/"
	cluster, pool := group+"Microsoft.HDInsight/clusters/mycluster", group+"Microsoft.Synapse/workspaces/synw/bigDataPools/pool"
	for _, resource := range []string{cluster, pool} {
		if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: resource, Settings: map[string]string{"host": "server", "master": "local[1]"}}); err != nil {
			t.Fatal(err)
		}
	}
	out := b.must(t, script{python: interpreter, text: attachSparkHost, env: []string{"CLUSTER=" + cluster, "PYSPARK_PYTHON=" + python}})
	holds(t, out, "HDI HDInsightCompute Succeeded None", "POOL SynapseCompute Succeeded None", " Completed")
	_, id, _ := strings.Cut(out, "\nRUN ")
	id, _, _ = strings.Cut(id, " ")
	holds(t, b.finished(t, id, "Completed"), "rows 42 local[1] 42")

	target, err := b.Compute(t.Context(), "default", "hdi")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(target.Checks, func(c client.Check) bool { return c.Name == "credentials" })
	if i < 0 || !target.Checks[i].OK || !strings.Contains(strings.Join(target.Checks[i].Evidence, " "), "not used") {
		t.Errorf("of the login that was given it says %+v", target.Checks)
	}
	first, err := b.Run(t.Context(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Submit(t.Context(), "default", client.RunRequest{
		Compute: "pool", Command: []string{"python", "count.py"}, Snapshot: first.Snapshot,
		Options: map[string]any{"conf": map[string]any{"spark.ui.enabled": "false", "spark.zaffre.answer": "43"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, b.finished(t, r.ID, "Completed"), "rows 42 local[1] 43")
	if strings.Contains(out, "pw-canary") || strings.Contains(b.log.String(), "pw-canary") || b.stored(t, "pw-canary") {
		t.Error("the password was shown, logged or stored")
	}
	out = b.must(t, script{python: interpreter, text: prelude + "from azureml.core.compute import ComputeTarget\nfor c in ComputeTarget.list(ws): c.detach()\n" + left})
	holds(t, out, "LEFT []")
}
