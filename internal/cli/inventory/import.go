package inventory

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// entry is one of a file: what "inventory list -o yaml" writes, and files with secrets.
type entry struct {
	ResourceID  string            `yaml:"resource_id"`
	Settings    map[string]string `yaml:"settings"`
	Secrets     map[string]string `yaml:"secrets"`
	SecretFiles map[string]string `yaml:"secret_files"` // relative to the file's folder
	Allow       []string          `yaml:"allow"`

	Source    string   `yaml:"source"`
	Sealed    []string `yaml:"sealed"` // what the server says and is not told
	CreatedBy string   `yaml:"created_by"`
	Created   string   `yaml:"created"`
	Changed   string   `yaml:"changed"`
}

func importFile(a *frame.App) *cobra.Command {
	return a.Command("inventory.import", "import FILE", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		list, err := read(a, args[0])
		if err != nil {
			return err
		}
		s, err := a.Connect()
		if err != nil {
			return err
		}
		for _, e := range list {
			if e, err = s.AddInventoryEntry(cmd.Context(), s.WS, e); err != nil {
				return err
			}
			a.Talk("talk.inventory.imported", e.ResourceID, where(e))
		}
		return nil
	})
}

// read reads all entries of a file before any is sent.
func read(a *frame.App, file string) ([]client.InventoryEntry, error) {
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(io.LimitReader(a.Stdin, 16<<20))
	} else {
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, unreadable(file, err.Error())
	}
	list, err := decode(b)
	if err != nil {
		return nil, unreadable(file, err.Error())
	}
	var out []client.InventoryEntry
	for _, e := range list {
		secrets := maps.Clone(e.Secrets)
		for name, path := range e.SecretFiles {
			if !filepath.IsAbs(path) && file != "-" {
				path = filepath.Join(filepath.Dir(file), path)
			}
			if secrets == nil {
				secrets = map[string]string{}
			}
			if secrets[name], err = a.ReadSecret(path); err != nil {
				return nil, err
			}
		}
		out = append(out, client.InventoryEntry{ResourceID: e.ResourceID, Settings: e.Settings, Secrets: secrets, Allow: e.Allow})
	}
	return out, nil
}

// decode takes a list, or one under the key "inventory".
func decode(b []byte) ([]entry, error) {
	var list []entry
	err := strict(b, &list)
	if err == nil {
		return list, nil
	}
	var under struct {
		Inventory []entry `yaml:"inventory"`
	}
	if bytes.Contains(b, []byte("inventory:")) {
		err = strict(b, &under)
	}
	return under.Inventory, err
}

func strict(b []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(v); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func unreadable(file, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "InventoryFileInvalid", What: "the inventory cannot be read from " + file,
		Why: why, Fix: "write it as this does; run: zaffre inventory list -o yaml",
	}
}
