package clients_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

// sparkCluster is the resource ID of a cluster that somebody had in Azure.
const sparkCluster = "/subscriptions/S/resourceGroups/G/providers/Microsoft.HDInsight/clusters/spark"

// block is a block of the document that attaches a service, and what a user then does with it.
type block struct {
	file, class, name string
	how               string                   // the same in our words: what goes to attach_configuration
	resource          string                   // its resource ID; that of the workspace's subscription and of group rg where it is relative
	stands            func(testing.TB) backing // what really stands behind it
	run               func(testing.TB, *box, string)
}

// backing is a real engine.
type backing struct {
	settings map[string]string // of the inventory's entry
	as       computer          // who logs in there
	token    string            // or with what
	env      []string          // more variables of the server
	gone     func(testing.TB)  // fails if detaching left something there; nil: the kind's own tests look
}

// blocks are the document's, without the machine's. What the blocks want of the environment is in variables.
func blocks() []block {
	return []block{
		{
			"adla_attach.py", "AdlaCompute", "myadla", `resource_group="rg", account_name="acc"`,
			"Microsoft.DataLakeAnalytics/accounts/acc", lake, runsUSQL,
		},
		{
			"batch_attach.py", "BatchCompute", "mybatchcompute", `resource_group="rg", account_name="acc"`,
			"Microsoft.Batch/batchAccounts/acc", slurm, runsOnSlurm,
		},
		{
			"databricks_attach.py", "DatabricksCompute", "mydatabricks", `resource_group="rg", workspace_name="dbw", access_token="TOKEN"`,
			"Microsoft.Databricks/workspaces/dbw", simulated, runsOnDatabricks,
		},
		{
			"hdinsight_attach.py", "HDInsightCompute", "myhdi", `resource_id="ID", ssh_port=22, username="USER", password="PASSWORD"`,
			sparkCluster, headNode, runsOnSpark,
		},
	}
}

func (s block) variables(token string) []string {
	return []string{
		"AML_ADLA_COMPUTE_NAME=myadla", "AML_ADLA_RESOURCE_GROUP=rg", "AML_ADLA_ACCOUNT_NAME=acc",
		"AML_DATABRICKS_COMPUTE_NAME=mydatabricks", "AML_DATABRICKS_RESOURCE_GROUP=rg", "AML_DATABRICKS_WORKSPACE=dbw", "AML_DATABRICKS_ACCESS_TOKEN=" + token,
	}
}

// id is the whole resource ID.
func (s block) id(t testing.TB, b *box) string {
	if strings.HasPrefix(s.resource, "/") {
		return s.resource
	}
	return "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/" + s.resource
}

// fetched goes after a block that attaches.
const fetched = `
from azureml.core.compute import ComputeTarget
compute_target = ComputeTarget(ws, "NAME")
print('GOT', type(compute_target).__name__, compute_target.provisioning_state, compute_target.provisioning_errors, compute_target.cluster_resource_id)
print('LIST', [(c.name, c.provisioning_state) for c in ComputeTarget.list(ws)])
`

// TestV1SnippetsAttach runs the document's blocks that attach services, as they stand there, against what the inventory
// says stands behind their resource IDs, and the block that detaches.
func TestV1SnippetsAttach(t *testing.T) {
	t.Parallel()
	dir := snippets(t)
	eachBlock(t, func(t *testing.T, s block, b *box, real backing) (attach, detach string) {
		return filled(t, dir, s.file, real.as), filled(t, dir, "detach.py", computer{})
	})
}

// TestV1AttachesServices does the same in our words, and has each run something.
func TestV1AttachesServices(t *testing.T) {
	t.Parallel()
	eachBlock(t, func(t *testing.T, s block, b *box, real backing) (attach, detach string) {
		how := strings.NewReplacer("ID", s.id(t, b), "USER", real.as.user, "PASSWORD", real.as.password, "TOKEN", real.token).Replace(s.how)
		out := b.must(t, script{python: v1(t, "3.10"), text: prelude + fmt.Sprintf(`
from azureml.core.compute import ComputeTarget, %[1]s
ComputeTarget.attach(ws, %[2]q, %[1]s.attach_configuration(%[3]s)).wait_for_completion(show_output=True)
`, s.class, s.name, how)})
		holds(t, out, "Succeeded")
		s.run(t, b, s.name)
		return "", "compute_target.detach()\n"
	})
}

// eachBlock does with each service that there is what the scripts say, and looks at what clients see of it meanwhile.
func eachBlock(t *testing.T, scripts func(*testing.T, block, *box, backing) (attach, detach string)) {
	interpreter := v1(t, "3.10")
	for _, s := range blocks() {
		t.Run(s.class, func(t *testing.T) {
			t.Parallel()
			real := s.stands(t)
			b := serve(t, real.env...)
			id := s.id(t, b)
			if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: id, Settings: real.settings}); err != nil {
				t.Fatal(err)
			}
			attach, detach := scripts(t, s, b, real)
			out := b.must(t, script{
				python: interpreter, env: s.variables(real.token), text: prelude + attach + strings.ReplaceAll(fetched, "NAME", s.name) + detach + left,
			})
			holds(t, out, "GOT "+s.class+" Succeeded None "+id, "LIST [('"+s.name+"', 'Succeeded')]", "LEFT []")
			if real.gone != nil {
				real.gone(t)
			}
			for _, secret := range []string{real.as.password, real.token} {
				// The block for Databricks prints the token itself.
				if secret != "" && (strings.Contains(b.log.String(), secret) || b.stored(t, secret)) {
					t.Error("a secret was logged or stored")
				}
			}
		})
	}
}

// need returns a variable by which the tests know an engine, or skips the test.
func need(t testing.TB, variable, engine string) string {
	t.Helper()
	v := os.Getenv(variable)
	if v == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), engine) {
			t.Fatalf(`%s is not set; run: eval "$(test/engines/%s.sh env)"`, variable, engine)
		}
		t.Skipf(`needs a real one: test/engines/%s.sh up; eval "$(test/engines/%[1]s.sh env)"`, engine)
	}
	return v
}

// lake is an account whose store is a folder of the server's machine.
func lake(t testing.TB) backing {
	return backing{settings: map[string]string{"host": "server", "store": t.TempDir()}, env: []string{sameUser}}
}

// runsUSQL runs a script by the command line.
func runsUSQL(t testing.TB, b *box, name string) {
	t.Helper()
	out, err := b.zaffre(t, "one.usql", `@r = SELECT n FROM (VALUES (1), (2)) AS t(n); OUTPUT @r TO "/one.csv" USING Outputters.Csv();`, "run", "submit", "--compute", name, "--follow", "one.usql")
	if err != nil {
		t.Error(err)
	}
	holds(t, out, "wrote /one.csv: 2 rows", "Completed")
}

// slurm is a batch account that stands for a Slurm cluster whose login node is the server's own machine.
func slurm(t testing.TB) backing {
	conf, home := need(t, "TEST_SLURM", "slurm"), t.TempDir()
	return backing{
		settings: map[string]string{"slurm": "server"}, env: []string{sameUser, "SLURM_CONF=" + conf, "HOME=" + home},
		gone: func(t testing.TB) {
			list, err := filepath.Glob(filepath.Join(home, ".zaffre", "*", "*"))
			if _, gone := os.Stat(filepath.Join(home, ".zaffre")); !errors.Is(gone, fs.ErrNotExist) {
				t.Errorf("detaching left the work directory: %v, %v", list, err)
			}
		},
	}
}

// runsOnSlurm runs a script there, by a submit and by the command line.
func runsOnSlurm(t testing.TB, b *box, name string) {
	t.Helper()
	where := "import os; print('job', os.environ['SLURM_JOB_PARTITION'], int(os.environ['SLURM_JOB_ID']) > 0)"
	run, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: name, Command: []string{"python", "-c", where}})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, b.finished(t, run.ID, "Completed"), "job main True\n")
	out, err := b.zaffre(t, "train.py", where, "run", "submit", "--compute", name, "--option", "timeLimit=1m", "--option", "partition=short", "--follow", "train.py")
	if err != nil {
		t.Error(err)
	}
	holds(t, out, "job short True\n", "Completed")
	for wrong, say := range map[string]string{
		"--option=partition=nowhere": "the cluster has no such partition", "--option=cpus=two": "two is not of type int", "--option=cores=2": "targets of kind batch have timeLimit, partition",
		"--gpus=1": "zaffre run submit --compute " + name + " --option gpus=1 SCRIPT",
	} {
		out, err := b.zaffre(t, "train.py", where, "run", "submit", "--compute", name, wrong, "--follow", "train.py")
		if err == nil {
			t.Errorf("%s was taken", wrong)
		}
		holds(t, out, say)
	}
}

// simulated is the simulator of a workspace.
func simulated(t testing.TB) backing {
	d := workspace(t)
	return backing{settings: map[string]string{"databricks": d.URL}, token: d.Token}
}

func runsOnDatabricks(t testing.TB, b *box, name string) {
	t.Helper()
	out, err := b.zaffre(t, "train.py", "print('on the cluster')", "run", "submit", "--compute", name, "--option", "cluster=0101-000000-running", "--follow", "train.py")
	if err != nil {
		t.Error(err)
	}
	holds(t, out, "on the cluster\n", "Completed")
}

// headNode is vm1, which has Spark.
func headNode(t testing.TB) backing {
	c := realMachine(t)
	need(t, "ENGINES_VM_SPARK", "spark")
	return backing{settings: map[string]string{"address": c.address, "master": "local[2]"}, as: c}
}

// onSpark submits a script of Spark's and one that is none, as scripts of SDK v1 do.
const onSpark = prelude + `
from azureml.core import Experiment, RunConfiguration, ScriptRunConfig
open("count.py", "w").write("""
import os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("rows", spark.range(7).count(), "on", spark.sparkContext.master, spark.conf.get("spark.executor.memory"), sys.argv[1:])
os.makedirs("outputs", exist_ok=True)
open("outputs/rows.txt", "w").write("7")
""")
open("plain.py", "w").write("import socket; print('plain on', socket.gethostname())\n")
def submit(script, framework, *arguments):
    config = RunConfiguration(framework=framework)
    config.target = "NAME"
    config.environment.python.user_managed_dependencies = True
    config.environment.python.interpreter_path = "/usr/bin/python3"
    config.spark.configuration["spark.executor.memory"] = "512m"
    run = Experiment(ws, "spark").submit(ScriptRunConfig(".", script=script, arguments=list(arguments), run_config=config))
    run.wait_for_completion(show_output=True)
    print("STATUS", run.get_status(), sorted(f for f in run.get_file_names() if f.startswith("outputs/")))
submit("count.py", "pyspark", "--epochs", "3")
submit("plain.py", "python")
`

func runsOnSpark(t testing.TB, b *box, name string) {
	t.Helper()
	out := b.must(t, script{python: v1(t, "3.10"), text: strings.ReplaceAll(onSpark, "NAME", name)})
	holds(t, out, "rows 7 on local[2] 512m ['--epochs', '3']", "STATUS Completed ['outputs/rows.txt']", "plain on vm1", "STATUS Completed []")
}

// zaffre runs the command line in a folder with one script, and returns what it printed, and whether it ended well.
func (b *box) zaffre(t testing.TB, file, text string, arg ...string) (string, error) {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, arg...)
	cmd.Dir, cmd.WaitDelay = home, 2*time.Second
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "ZAFFRE_DATA=" + filepath.Join(b.dir, "data")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
