package clients_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// batchAccount starts the simulator of Azure Batch, and makes a container beside it, with the URL of its signature.
func batchAccount(t testing.TB) (account *rig.AzureBatch, blobs rig.Azurite, container, sas string) {
	t.Helper()
	for variable, engine := range map[string]string{"TEST_AZUREBATCH": "azurebatch", "TEST_AZURITE": "azurite"} {
		if os.Getenv(variable) != "" {
			continue
		}
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), engine) {
			t.Fatalf(`%s is not set; run: eval "$(test/engines/%s.sh env)"`, variable, engine)
		}
		t.Skipf(`needs %s: test/engines/%s.sh up; eval "$(test/engines/%s.sh env)"`, engine, engine, engine)
	}
	account, err := rig.StartAzureBatch(os.Getenv("TEST_AZUREBATCH"), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		account.Stop()
		if s := account.Errors(); s != "" {
			t.Errorf("the simulator says: %s", s)
		}
	})
	blobs, container = rig.Azurite(os.Getenv("TEST_AZURITE")), "clients-"+strings.ToLower(id.New())
	if err := blobs.MakeContainer(container); err != nil {
		t.Fatal(err)
	}
	return account, blobs, container, blobs.SAS(container, "racwdl", time.Now().Add(time.Hour))
}

// TestAzureBatchClientTakesTheSimulator drives the simulator by the official client: what it sends is taken, and what the
// simulator says it understands. Each path that there is is asked by it.
func TestAzureBatchClientTakesTheSimulator(t *testing.T) {
	t.Parallel()
	a, _, _, sas := batchAccount(t)
	if err := a.Tell("page", map[string]any{"size": 2}, nil); err != nil { // lists of more come in pages
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv("TEST_AZUREBATCH"), filepath.Join("testdata", "azurebatch.py"))
	cmd.Env = append(os.Environ(), "BATCH_URL="+a.URL, "BATCH_SECURE="+a.Secure, "BATCH_CA="+a.CA, "BATCH_CONTAINER="+sas,
		"BATCH_ACCOUNT="+a.Account, "BATCH_KEY="+a.Key, "BATCH_TOKEN="+a.Token)
	raw, err := cmd.CombinedOutput()
	out := string(raw)
	t.Log(out)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, out, "client 15.1.0", "pool active steady 1 8", "no pool ResourceNotFoundError 404 PoolNotFound",
		"same job ResourceExistsError 409 JobExists", "job active 7 ['j'] ['j', 'k']",
		"same task ResourceExistsError 409 TaskExists", "no job ResourceNotFoundError 404 JobNotFound",
		"task good 0 success None", "task bad 7 failure FailureExitCode", "task killed 137 failure FailureExitCode", "task long None failure TaskEnded",
		"task limited None failure TaskEnded", "task lacking None failure BlobNotFound", "task missing None failure CommandProgramNotFound",
		"terminated again ResourceExistsError 409 TaskCompleted",
		"tasks ['bad', 'good', 'killed', 'lacking', 'limited', 'long', 'missing']", "files ['stderr.txt', 'stdout.txt', 'wd', 'wd/in.txt', 'wd/out.txt']",
		`stdout b'from the containerw x good\n' b'the containerw x good\n'`, `stderr b'err\n' size 7`, `kept b'result\n'`,
		"no file ResourceNotFoundError 404", "behind the end HttpResponseError 416", "no task ResourceNotFoundError 404 TaskNotFound",
		"unknown field HttpResponseError 400 InvalidRequestBody ['unknown fields: poolInfo.nonsense']", "unknown filter HttpResponseError 400",
		"job over enough", "task of a job that is over ResourceExistsError 409 JobCompleted", "job gone",
		"scope https://batch.core.windows.net//.default", "by token pool", "wrong key HttpResponseError 403 AuthenticationFailed")
	var calls map[string]int
	err = a.Tell("calls", nil, &calls)
	if len(calls) < 14 {
		t.Errorf("the simulator has only the paths %v", calls)
	}
	for path, n := range calls {
		if n == 0 || err != nil {
			t.Errorf("no official client asked %s, %v", path, err)
		}
	}
}
