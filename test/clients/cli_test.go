package clients_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAzureCLI logs az in by its managed identity and calls the server with az rest.
func TestAzureCLI(t *testing.T) {
	t.Parallel()
	python := venv(t, "az-3.11", "3.11", "azure-cli==2.91.0")
	b := start(t)
	home := t.TempDir()
	c := b.writeConfig(t, home)
	az := func(arg ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(python), "az"), arg...)
		cmd.Dir, cmd.Env = home, append(b.variables(t, home), "AZURE_CORE_NO_COLOR=1")
		cmd.WaitDelay = 2 * time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("az %s: %v\n%s\n%s", strings.Join(arg, " "), err, out, lastLines(b.log.String(), 20))
		}
		return string(out)
	}
	holds(t, az("login", "--identity"), c.Subscription)
	ws := b.profile.URL + "/subscriptions/" + c.Subscription + "/resourceGroups/" + c.Group + "/providers/Microsoft.MachineLearningServices/workspaces/" + c.Workspace
	body, err := json.Marshal(map[string]any{"location": "local", "properties": map[string]any{
		"computeType": "VirtualMachine",
		"properties":  map[string]any{"address": "10.0.0.4", "administratorAccount": map[string]any{"username": "ada", "password": "p"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, az("rest", "--method", "put", "--url", ws+"/computes/my-vm?api-version=2024-10-01", "--body", string(body)), `"provisioningState": "Creating"`)
	eventually(t, "the attach", func() bool {
		v, err := b.Compute(t.Context(), "default", "my-vm")
		return err == nil && v.State == "Succeeded"
	})
	holds(t, az("rest", "--url", ws+"/computes?api-version=2024-10-01"), `"my-vm"`, `"provisioningState": "Succeeded"`)
	holds(t, az("group", "list"), `"zaffre"`)
}
