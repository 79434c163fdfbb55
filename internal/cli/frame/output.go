package frame

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Formats are the values of -o.
func Formats() []string { return []string{"table", "json", "yaml", "name"} }

// CheckOutput fails on a format that there is not.
func (a *App) CheckOutput() error {
	if slices.Contains(Formats(), a.Output) {
		return nil
	}
	return Usage(&fault.Error{
		Code: fault.Invalid, Reason: "OutputFormatUnknown", What: fmt.Sprintf("there is no output format %q", a.Output),
		Why: "-o takes one of " + strings.Join(Formats(), ", "), Fix: "choose one of them" + a.DidYouMean(a.Output, Formats()), Field: "output",
	})
}

// Print writes data to Stdout in the format that was asked for: v as JSON or YAML, or names, one a
// line, or the table.
func (a *App) Print(v any, names []string, table func() *Table) error {
	switch a.Output {
	case "json":
		e := json.NewEncoder(a.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		return a.yaml(v)
	case "name":
		for _, n := range names {
			fmt.Fprintln(a.Stdout, n)
		}
		return nil
	}
	return table().Write(a, a.Stdout, a.Width())
}

// yaml writes v with the field names and in the order of its JSON.
func (a *App) yaml(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return err
	}
	block(&n)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return err
	}
	_, err = a.Stdout.Write(out.Bytes())
	return err
}

// block turns the flow style of JSON into YAML's own.
func block(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode && len(n.Content) > 0 {
		n.Style &^= yaml.FlowStyle
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && !slices.Contains(oldBools(), strings.ToLower(n.Value)) {
		n.Style = 0
	}
	for _, c := range n.Content {
		block(c)
	}
}

// Fields is a table of names and values, for one thing.
func Fields(pairs ...any) *Table {
	t := &Table{Header: []string{fmt.Sprint(pairs[0]), fmt.Sprint(pairs[1])}}
	for i := 2; i+1 < len(pairs); i += 2 {
		if s := fmt.Sprint(pairs[i+1]); s != "" {
			t.Row(pairs[i], s)
		}
	}
	return t
}

// IsFormat reports whether s is a value of -o.
func IsFormat(s string) bool { return slices.Contains(Formats(), s) }

// oldBools are words that readers of YAML 1.1 take for yes and no.
func oldBools() []string { return []string{"y", "yes", "on", "n", "no", "off"} }
