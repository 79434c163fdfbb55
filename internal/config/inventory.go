package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// inventoryKey is the key of the file under which entries of the inventory stand. It is no setting: there
// is no flag and no variable for it.
const inventoryKey = "inventory"

// Entry is what the file says of one resource ID. Nothing of it is checked but its form.
type Entry struct {
	Place       string // file:line
	ResourceID  string
	Workspace   string // "" where it is not said
	Settings    map[string]string
	SecretFiles map[string]string // paths, by the name of the secret
	Allow       []string          // nil where it is not said
	Places      map[string]string // file:line, by the name of the setting or secret
}

// fileSuffix marks a field whose value is a file that holds the secret.
const fileSuffix = "-file"

// entries reads the inventory of the file:
//
//	inventory:
//	  /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/vm1:
//	    address: 10.0.0.4
//	    privateKey-file: keys/vm1
//	    allow: [ci]
func (l *loader) entries() ([]Entry, error) {
	n := l.inventory
	if n == nil || n.Tag == "!!null" {
		return nil, nil
	}
	if n.Kind != yaml.MappingNode {
		return nil, badFile(l.place(n), "entries are expected here, as RESOURCE-ID: followed by its fields")
	}
	var out []Entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		e, err := l.entry(n.Content[i], n.Content[i+1])
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (l *loader) place(n *yaml.Node) string { return fmt.Sprintf("%s:%d", l.name, n.Line) }

func (l *loader) entry(id, fields *yaml.Node) (Entry, error) {
	e := Entry{
		Place: l.place(id), ResourceID: id.Value,
		Settings: map[string]string{}, SecretFiles: map[string]string{}, Places: map[string]string{},
	}
	if fields.Kind != yaml.MappingNode {
		return e, badFile(e.Place, "the entry has no fields, as field: value")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(fields.Content); i += 2 {
		key, value := fields.Content[i], fields.Content[i+1]
		name := strings.TrimSuffix(key.Value, fileSuffix)
		if seen[name] {
			return e, badFile(l.place(key), name+" stands twice in the entry")
		}
		seen[name], e.Places[name] = true, l.place(key)
		if err := l.field(&e, key, value); err != nil {
			return e, err
		}
	}
	return e, nil
}

func (l *loader) field(e *Entry, key, value *yaml.Node) error {
	list, err := texts(value)
	if err != nil {
		return badFile(l.place(key), key.Value+" "+err.Error())
	}
	text := strings.Join(list, ",")
	name, isFile := strings.CutSuffix(key.Value, fileSuffix)
	switch {
	case text == "" && key.Value != "allow":
		return badFile(l.place(key), key.Value+" is empty")
	case key.Value == "allow":
		e.Allow = slices.DeleteFunc(append([]string{}, list...), func(s string) bool { return s == "" })
	case key.Value == "workspace":
		e.Workspace = text
	case isFile:
		if !filepath.IsAbs(text) {
			text = filepath.Join(filepath.Dir(l.name), text)
		}
		if e.SecretFiles[name], err = filepath.Abs(text); err != nil {
			return badFile(l.place(key), err.Error())
		}
	default:
		e.Settings[name] = text
	}
	return nil
}

// texts returns a value, or those of a list. What it is given may be a secret, in the wrong place.
func texts(n *yaml.Node) ([]string, error) {
	switch {
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}, nil
	case n.Kind != yaml.SequenceNode:
		return nil, errors.New("is no text and no list of texts")
	}
	var out []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return nil, errors.New("holds something that is no text")
		}
		out = append(out, item.Value)
	}
	return out, nil
}
