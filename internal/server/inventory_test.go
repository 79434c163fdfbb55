package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/server"
)

const vm = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm"

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// vmKind is the fake kind with an address, which an inventory may know.
func vmKind(world *fake.World) driver.Kind {
	k := fake.Kind(world)
	k.Options = append(k.Options, driver.Option{Path: "resourceId", Type: driver.String}, driver.Option{Path: "address", Type: driver.String},
		driver.Option{Path: "administratorAccount.password", Type: driver.String, Secret: true})
	return k
}

func (b *box) inventory(t *testing.T) (out []string) {
	t.Helper()
	page, err := b.Inventory(t.Context(), "default", client.Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Items {
		out = append(out, strings.Join([]string{e.ResourceID, e.Settings["address"], strings.Join(e.Sealed, ","), strings.Join(e.Allow, ","), e.Source}, " "))
	}
	return out
}

func TestInventoryOfTheFile(t *testing.T) {
	t.Parallel()
	dir, world := t.TempDir(), fake.NewWorld()
	writeFile(t, dir, "pw", "canary-s3cret\n")
	file := writeFile(t, dir, config.FileName, "inventory:\n  "+vm+"1:\n    address: 10.0.0.1\n    password-file: pw\n    allow: [ci]\n  "+vm+"2:\n    address: 10.0.0.2\n")
	first := startWith(t, dir, nil, world, vmKind(world))
	want := []string{vm + "1 10.0.0.1 password ci " + file + ":2", vm + "2 10.0.0.2  Contributor " + file + ":6"}
	if diff := cmp.Diff(want, first.inventory(t)); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	err := first.RemoveInventoryEntry(t.Context(), "default", vm+"2")
	if client.ReasonOf(err) != "EntryOfFile" || !strings.Contains(err.Error(), file+":6") {
		t.Errorf("removed by a request: %v", err)
	}
	if _, err := first.AttachCompute(t.Context(), "default", client.Compute{Name: "gpu", Kind: "fake", Options: map[string]any{"resourceId": vm + "2"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		c, err := first.Compute(t.Context(), "default", "gpu")
		return err == nil && c.State == "Succeeded"
	})
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	writeFile(t, dir, config.FileName, "# another line\ninventory:\n  "+vm+"1:\n    address: 10.0.0.1\n    password-file: pw\n")
	second := startWith(t, dir, nil, world, vmKind(world))
	if diff := cmp.Diff([]string{vm + "1 10.0.0.1 password Contributor " + file + ":3"}, second.inventory(t)); diff != "" {
		t.Errorf("the list after a restart (-want +got):\n%s", diff)
	}
	eventually(t, func() bool {
		c, err := second.Compute(t.Context(), "default", "gpu")
		return err == nil && c.State == "Failed" && c.Error.Reason == "ResourceUnknown"
	})
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
	if text := first.log.String() + second.log.String(); strings.Contains(text, "canary") {
		t.Error("the log has the secret")
	}
}

func TestInventoryOfTheFileRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ reason, file, place, says string }{
		{"no such secret", "inventory:\n  " + vm + ":\n    password-file: pw\n", ":3: ", "no such file"},
		{"an empty secret", "inventory:\n  " + vm + ":\n    password-file: empty\n", ":3: ", "is empty"},
		{"a secret in the file", "inventory:\n  " + vm + ":\n    password: canary\n", ":3: ", "password-file: FILE"},
		{"no such workspace", "inventory:\n  " + vm + ":\n    workspace: nowhere\n    address: a\n", ":3: ", `"nowhere"`},
		{"no such field", "inventory:\n  " + vm + ":\n    adress: a\n", ":3: ", `"adress"`},
		{"no resource ID", "inventory:\n  vm:\n    address: a\n", ":2: ", "no resource ID"},
		{"no secret for Azure", "azure:\n  tenant: t\n  client: c\n  secret-file: nowhere\n", "azure.secret-file: ", "no such file"},
		{"a tenant that is none", "azure:\n  tenant: a?b\n  client: c\n  secret-file: pw2\n", "", "tenant"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFile(t, dir, "empty", "\n")
			writeFile(t, dir, "pw2", "x\n")
			writeFile(t, dir, config.FileName, tt.file)
			err := server.RunWith(t.Context(), configOf(t, dir, nil), io.Discard, slog.New(slog.DiscardHandler), server.Options{Kinds: []driver.Kind{fake.Kind(fake.NewWorld())}})
			f := fault.From(err)
			if f == nil || f.Reason != "ConfigInvalid" || !strings.Contains(f.Why, tt.place) || !strings.Contains(f.Why, tt.says) || strings.Contains(f.Error(), "canary") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAzureIsAsked has a server ask an Azure that is not there: package azure tests what is.
func TestAzureIsAsked(t *testing.T) {
	t.Parallel()
	dir, world := t.TempDir(), fake.NewWorld()
	writeFile(t, dir, "secret", "canary-s3cret\n")
	writeFile(t, dir, config.FileName, "azure:\n  tenant: t\n  client: c\n  secret-file: secret\n  login: https://127.0.0.1:1\n  endpoint: https://127.0.0.1:1\n")
	b := startWith(t, dir, nil, world, vmKind(world))
	_, err := b.AttachCompute(context.WithoutCancel(t.Context()), "default", client.Compute{Name: "gpu", Kind: "fake", Options: map[string]any{"resourceId": vm}})
	f, ok := errors.AsType[*client.Fault](err)
	if !ok || f.Reason != "AzureUnavailable" || !strings.Contains(f.Detail, "has no entry for this resource ID, and real Azure") || !strings.Contains(strings.Join(f.Evidence, " "), "127.0.0.1:1") {
		t.Errorf("%+v", f)
	}
	if strings.Contains(b.log.String(), "canary") {
		t.Error("the log has the secret")
	}
}
