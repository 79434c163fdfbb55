package server

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	godiff "github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/api/v1/execution"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/azureml"
)

var update = flag.Bool("update", false, "write the reference anew")

const v1Reference = "../../docs/reference/azureml-v1.md"

// TestV1ReferenceUpToDate keeps docs/reference/azureml-v1.md as the tables in the code are.
func TestV1ReferenceUpToDate(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# SDK v1 (azureml-core)\n\nGenerated from the code; do not edit. `zaffre scan SCRIPT` tells which of these a script uses.\n")
	writeSymbols(&b)
	writeFields(&b)
	writeCalls(&b, slices.Concat((&server{}).v1Parts()...))
	if *update {
		if err := os.WriteFile(v1Reference, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(v1Reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := godiff.Diff(string(have), b.String()); diff != "" {
		t.Errorf("the reference is stale (run: make generate) (-file +code):\n%s", diff)
	}
}

// writeSymbols writes a table per part of the product, a row per class and what is to be said of its names.
func writeSymbols(b *strings.Builder) {
	b.WriteString("\n## Names\n\nWhat a script may use of azureml-core 1.61. `*` is all names of a class that stand nowhere else.\n")
	var parts []string
	rows := map[string][]string{}
	names := map[string][]string{}
	whole := map[string]int{} // entries of a class
	for _, s := range azureml.Symbols() {
		whole[s.Class]++
	}
	for _, s := range azureml.Symbols() {
		if !slices.Contains(parts, s.Part) {
			parts = append(parts, s.Part)
		}
		class, name := s.Class, s.Name
		switch {
		case class == "":
			class = "packages"
		case name == "__init__":
			name = class + "()"
		case name == "*" && whole[s.Class] == 1:
			class, name = "all of", s.Class
		}
		key := s.Part + "\x00| " + class + " | %s | " + string(s.Support) + " | " + s.Note + " |"
		if names[key] == nil {
			rows[s.Part] = append(rows[s.Part], key)
		}
		names[key] = append(names[key], "`"+name+"`")
	}
	for _, p := range parts {
		fmt.Fprintf(b, "\n### %s\n\n| Class | Names | Here | Note |\n|---|---|---|---|\n", strings.ToUpper(p[:1])+p[1:])
		for _, key := range rows[p] {
			_, row, _ := strings.Cut(key, "\x00")
			fmt.Fprintf(b, row+"\n", strings.Join(names[key], " "))
		}
	}
}

// writeFields writes what becomes of the fields of a run configuration.
func writeFields(b *strings.Builder) {
	b.WriteString("\n## Fields of a run configuration\n\nWhat becomes of the fields that `ScriptRunConfig` and `RunConfiguration` send. A noted one changes nothing, and stands in the run's warnings.\n\n" +
		"| Field | Here | What |\n|---|---|---|\n")
	for _, f := range execution.Fields() {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, f.Class, f.What)
	}
}

// writeCalls writes what the data plane answers, by service.
func writeCalls(b *strings.Builder, calls []face.Call) {
	b.WriteString("\n## Calls\n\nThe HTTP calls that azureml-core makes, below a workspace's resource ID; ARM's are not among them.\n\n" +
		"| Call | What it does | Here |\n|---|---|---|\n")
	calls = slices.SortedStableFunc(slices.Values(calls), func(x, y face.Call) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Method, y.Method))
	})
	for _, c := range calls {
		here := "works"
		if c.Do == nil {
			here = "refused: " + c.Refuse
		}
		path := strings.ReplaceAll(strings.Replace(c.Path, face.WS, "…", 1), "{$}", "")
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", strings.TrimSpace(c.Method+" "+path), c.What, here)
	}
}

// TestV1Calls fails for a call that says neither what it does nor why it does not.
func TestV1Calls(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat((&server{}).v1Parts()...) {
		if c.What == "" || (c.Do == nil) == (c.Refuse == "") {
			t.Errorf("%s %s: what is %q, refused because %q, served %v", c.Method, c.Path, c.What, c.Refuse, c.Do != nil)
		}
	}
}
