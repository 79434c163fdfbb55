package fault_test

import (
	"flag"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	update = flag.Bool("update", false, "write docs/reference/faults.md")
	verbs  = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)
)

const head = `<!-- Made from the source by: go test ./internal/fault -update. Do not edit. -->
# Faults

Every error says what happened, why, and what to do. Programs act on its *code* and its *reason*,
which stay the same from version to version, and never on its text. The API sends it as
` + "`application/problem+json`" + ` (RFC 9457); the codes ` + "`unavailable` and `resource_exhausted`" + ` are worth
a retry, and after ` + "`conflict`" + ` the thing is to be read again first. In the column of fixes, … stands
for what is only known when it happens.

| Reason | Code | What to do | Where |
|---|---|---|---|
`

// row is one reason.
type row struct{ codes, fixes, where []string }

// TestFaultsAreDocumented compares the reference page with the source.
func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	got := page(catalogue(parsed(t)))
	file := filepath.Join("..", "..", "docs", "reference", "faults.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the page is stale; run: go test ./internal/fault -update\n(-want +got):\n%s", diff)
	}
}

// catalogue collects the reasons of all faults.
func catalogue(s source) map[string]*row {
	rows := map[string]*row{}
	for _, f := range s.sites {
		for _, f := range (resolver{f.pkg}).perCall(f) {
			for _, reason := range f.texts("Reason") {
				if !camelCase.MatchString(reason) {
					continue // a variable's other use
				}
				if rows[reason] == nil {
					rows[reason] = &row{}
				}
				r := rows[reason]
				r.codes = append(r.codes, s.codes(f)...)
				r.fixes = append(r.fixes, f.texts("Fix")...)
				r.where = append(r.where, f.pkg.path)
			}
		}
	}
	return rows
}

// codes returns the codes that a fault may have, as they are on the wire.
func (s source) codes(f site) []string {
	sel, ok := f.fields["Code"].(*ast.SelectorExpr)
	if !ok {
		return f.texts("Code")
	}
	p := s.pkgs["internal/fault"]
	if f.wire {
		p = s.pkgs["client"]
	}
	return (resolver{p}).constants(sel.Sel.Name)
}

func page(rows map[string]*row) string {
	var b strings.Builder
	b.WriteString(head)
	for _, reason := range slices.Sorted(maps.Keys(rows)) {
		r := rows[reason]
		fixes := slices.DeleteFunc(unique(r.fixes), func(s string) bool { return s == "" || s == "…" })
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", reason, strings.Join(unique(r.codes), ", "),
			cell(strings.Join(fixes, " *or* ")), strings.Join(unique(r.where), ", "))
	}
	return b.String()
}

// cell keeps a text from breaking the table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
