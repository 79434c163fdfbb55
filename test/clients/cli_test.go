package clients_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

// azCLI is az in a folder of its own.
type azCLI struct {
	b      *box
	config client.WorkspaceConfig
	bin    string
	home   string
}

func newAz(t testing.TB, b *box) *azCLI {
	t.Helper()
	a := &azCLI{b: b, home: t.TempDir(), bin: filepath.Join(filepath.Dir(venv(t, "az-3.11", "3.11", "azure-cli==2.91.0")), "az")}
	a.config = b.writeConfig(t, a.home)
	return a
}

// do runs az and returns what it printed.
func (a *azCLI) do(t testing.TB, arg ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.bin, arg...)
	cmd.Dir, cmd.Env = a.home, append(a.b.variables(t, a.home), "AZURE_CORE_NO_COLOR=1")
	cmd.WaitDelay = 2 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("az %s: %v\n%s\n%s", strings.Join(arg, " "), err, out, lastLines(a.b.log.String(), 20))
	}
	return string(out)
}

// compute returns the URL of a compute target, or of all of them.
func (a *azCLI) compute(name string) string {
	c := a.config
	return strings.TrimSuffix(a.b.profile.URL+"/subscriptions/"+c.Subscription+"/resourceGroups/"+c.Group+
		"/providers/Microsoft.MachineLearningServices/workspaces/"+c.Workspace+"/computes/"+name, "/") + "?api-version=2024-10-01"
}

func vmBody(t testing.TB, address, user, password string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"location": "local", "properties": map[string]any{
		"computeType": "VirtualMachine",
		"properties":  map[string]any{"address": address, "administratorAccount": map[string]any{"username": user, "password": password}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestAzureCLI logs az in by its managed identity and calls the server with az rest.
func TestAzureCLI(t *testing.T) {
	t.Parallel()
	az := newAz(t, start(t))
	holds(t, az.do(t, "login", "--identity"), az.config.Subscription)
	holds(t, az.do(t, "rest", "--method", "put", "--url", az.compute("my-vm"), "--body", vmBody(t, "10.0.0.4", "ada", "p")), `"provisioningState": "Creating"`)
	eventually(t, "the attach", func() bool {
		v, err := az.b.Compute(t.Context(), "default", "my-vm")
		return err == nil && v.State == "Succeeded"
	})
	holds(t, az.do(t, "rest", "--url", az.compute("")), `"my-vm"`, `"provisioningState": "Succeeded"`)
	holds(t, az.do(t, "group", "list"), `"zaffre"`)
}
