package clients_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// attachADLA is what a script of SDK v1 does to attach accounts of Data Lake Analytics, and what it then finds.
const attachADLA = prelude + `
from azureml.core.compute import ComputeTarget, AdlaCompute
from azureml.exceptions import ComputeTargetException
def attach(name, account):
    try:
        target = ComputeTarget.attach(ws, name, AdlaCompute.attach_configuration(resource_group="rg", account_name=account))
        target.wait_for_completion(show_output=True)
        print("TAKEN", name, target.provisioning_state)
    except ComputeTargetException as e:
        print("REFUSED", name, e.message.replace("\n", " "))
attach("nowhere", "unknown")
attach("gone", "gone")
attach("lake", "acc")
attach("twin", "twin")
got = ComputeTarget(ws, "lake")
got.refresh_state()
print("GOT", type(got).__name__, got.provisioning_state, got.cluster_resource_id, got.provisioning_errors, got.serialize()["properties"]["computeType"])
print("LIST", sorted((c.name, type(c).__name__, c.provisioning_state) for c in ComputeTarget.list(ws)))
`

// countUSQL is a script with an answer that one can count by hand.
const countUSQL = `@w = EXTRACT word string FROM "/words.csv" USING Extractors.Csv();
@c = SELECT word, COUNT(*) AS n FROM @w GROUP BY word;
OUTPUT @c TO "/counts.csv" ORDER BY n DESC, word USING Outputters.Csv(rowDelimiter: "\n");
`

// TestV1AttachesADLA attaches accounts by azureml-core, with the inventory saying which folders they are, and has one
// run a script.
func TestV1AttachesADLA(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.10")
	b := serve(t, sameUser)
	store := t.TempDir()
	if err := rig.WriteFile(store, "words.csv", "to\nbe\nor\nnot\nto\nbe\n"); err != nil {
		t.Fatal(err)
	}
	accounts := "/subscriptions/" + b.writeConfig(t, t.TempDir()).Subscription + "/resourceGroups/rg/providers/Microsoft.DataLakeAnalytics/accounts/"
	for account, settings := range map[string]map[string]string{
		"acc": {"host": "server", "store": store}, "gone": {"store": filepath.Join(store, "gone")}, "twin": {"store": store},
	} {
		if _, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: accounts + account, Settings: settings}); err != nil {
			t.Fatal(err)
		}
	}
	out := b.must(t, script{python: interpreter, text: attachADLA})
	t.Log(out)
	holds(t, out, "REFUSED nowhere", "[ResourceUnknown]", "accounts/unknown host=TARGET store=FOLDER", "REFUSED gone", "[StoreMissing]",
		"TAKEN lake Succeeded", "REFUSED twin", "[SameComputer]", "GOT AdlaCompute Succeeded "+accounts+"acc None DataLakeAnalytics",
		"LIST [('gone', 'AdlaCompute', 'Failed'), ('lake', 'AdlaCompute', 'Succeeded'), ('nowhere', 'AdlaCompute', 'Failed'), ('twin', 'AdlaCompute', 'Failed')]")
	b.countsWords(t, "lake", store)
	out = b.must(t, script{python: interpreter, text: prelude + "from azureml.core.compute import ComputeTarget\nfor c in ComputeTarget.list(ws): c.detach()\n" + left})
	holds(t, out, "LEFT []")
	files, err := os.ReadDir(store)
	if err != nil || len(files) != 2 {
		t.Errorf("after the detach the store has %v, %v", files, err)
	}
}

// countsWords has an account run countUSQL.
func (b *box) countsWords(t *testing.T, compute, store string) {
	t.Helper()
	code := t.TempDir()
	if err := rig.WriteFile(code, "count.usql", countUSQL); err != nil {
		t.Fatal(err)
	}
	folder, err := client.ReadFolder(t.Context(), code, client.FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := b.Upload(t.Context(), "default", folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	run, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: compute, Command: []string{"count.usql"}, Snapshot: snapshot})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, b.finished(t, run.ID, "Completed"), "read /words.csv: 6 rows, after ", "wrote /counts.csv: 4 rows, after ")
	got, err := os.ReadFile(filepath.Join(store, "counts.csv"))
	if want := "\"be\",2\n\"to\",2\n\"not\",1\n\"or\",1\n"; string(got) != want || err != nil {
		t.Errorf("it wrote %q, %v, want %q", got, err, want)
	}
}
