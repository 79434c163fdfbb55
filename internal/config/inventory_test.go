package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const vm = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm1"

func TestInventory(t *testing.T) {
	t.Parallel()
	dir := write(t, "grace: 3s\ninventory:\n  "+vm+":\n    address: 10.0.0.4\n    port: 2222\n    via: [a, b]\n    privateKey-file: keys/vm1\n    password-file: /run/pw\n"+
		"    allow: [ci, Owner]\n  "+vm+"2:\n    workspace: team\n    address: h\n    allow: []\n")
	c, err := config.Load(config.Sources{Env: map[string]string{"ZAFFRE_DATA": dir}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, config.FileName)
	want := []config.Entry{
		{
			Place: file + ":3", ResourceID: vm, Settings: map[string]string{"address": "10.0.0.4", "port": "2222", "via": "a,b"},
			SecretFiles: map[string]string{"privateKey": filepath.Join(dir, "keys", "vm1"), "password": "/run/pw"}, Allow: []string{"ci", "Owner"},
			Places: map[string]string{
				"address": file + ":4", "port": file + ":5", "via": file + ":6", "privateKey": file + ":7", "password": file + ":8", "allow": file + ":9",
			},
		},
		{
			Place: file + ":10", ResourceID: vm + "2", Workspace: "team", Settings: map[string]string{"address": "h"}, SecretFiles: map[string]string{},
			Allow: []string{}, Places: map[string]string{"workspace": file + ":11", "address": file + ":12", "allow": file + ":13"},
		},
	}
	if diff := cmp.Diff(want, c.Inventory); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	if got := sourceOf(c, "inventory"); got != file+":3" {
		t.Errorf("config show has it from %q", got)
	}
}

func TestInventoryRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ reason, file, where string }{
		{"a list", "inventory:\n- a\n", ":2"},
		{"no fields", "inventory:\n  " + vm + ": 10.0.0.4\n", ":2"},
		{"twice in the file", "inventory: {}\ninventory: {}\n", ":2"},
		{"a field twice", "inventory:\n  " + vm + ":\n    address: a\n    address: b\n", ":4"},
		{"a secret and its file", "inventory:\n  " + vm + ":\n    password: s3cret\n    password-file: b\n", ":4"},
		{"a field that is a map", "inventory:\n  " + vm + ":\n    address: {a: s3cret}\n", ":3"},
		{"an empty field", "inventory:\n  " + vm + ":\n    address:\n", ":3"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Sources{Env: map[string]string{"ZAFFRE_DATA": write(t, tc.file)}})
			if fault.ReasonOf(err) != "ConfigInvalid" || !strings.Contains(err.Error(), config.FileName+tc.where) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Load = %v; want place %q", err, tc.where)
			}
		})
	}
	if c, err := config.Load(config.Sources{Env: map[string]string{"ZAFFRE_DATA": write(t, "inventory:\n")}}); err != nil || c.Inventory != nil {
		t.Errorf("without entries: %v, %v", c.Inventory, err)
	}
}

func TestAzure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason, file, where string // where "": it loads
		asked               bool
	}{
		{"nothing", "", "", false},
		{"an application", "azure:\n  tenant: t\n  client: c\n  secret-file: s\n  address: public\n", "", true},
		{"the surroundings", "azure:\n  ambient: true\n", "", true},
		{"the surroundings of a tenant", "azure:\n  ambient: true\n  tenant: t\n", "", true},
		{"no secret", "azure:\n  tenant: t\n  client: c\n", ":3", false},
		{"both", "azure:\n  ambient: true\n  tenant: t\n  client: c\n  secret-file: s\n", ":2", false},
		{"another address", "azure:\n  address: best\n", ":2", false},
		{"no TLS", "azure:\n  endpoint: http://arm.example\n", ":2", false},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			dir := write(t, tc.file)
			c, err := config.Load(config.Sources{Env: map[string]string{"ZAFFRE_DATA": dir}})
			if tc.where == "" && err != nil || tc.where != "" && (fault.ReasonOf(err) != "ConfigInvalid" || !strings.Contains(err.Error(), tc.where)) {
				t.Fatalf("Load = %v; want place %q", err, tc.where)
			}
			if err == nil && c.Azure.Asked() != tc.asked {
				t.Errorf("asked: %v", c.Azure.Asked())
			}
			if c.Azure.SecretFile != "" && c.Azure.SecretFile != filepath.Join(dir, "s") {
				t.Errorf("the secret is looked for in %s", c.Azure.SecretFile)
			}
		})
	}
}
