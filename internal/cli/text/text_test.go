package text_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/cli/text"
)

// verbs are the places for arguments in a text, in their order. An index is an argument of its own.
func verbs(s string) []string {
	found := regexp.MustCompile(`%(\[\d+\])?[+#]?[0-9.]*[a-zA-Z]`).FindAllString(s, -1)
	if slices.ContainsFunc(found, func(v string) bool { return strings.Contains(v, "[") }) {
		slices.Sort(found)
		found = slices.Compact(found)
	}
	return found
}

// TestBothLanguages checks that each text is there in both languages and takes the same arguments.
func TestBothLanguages(t *testing.T) {
	t.Parallel()
	en, ja := text.In(text.English), text.In(text.Japanese)
	if diff := cmp.Diff(en.Keys(), ja.Keys()); diff != "" {
		t.Fatalf("keys (-English +Japanese):\n%s", diff)
	}
	for _, key := range en.Keys() {
		if diff := cmp.Diff(verbs(en.Say(key)), verbs(ja.Say(key))); diff != "" {
			t.Errorf("%s takes other arguments (-English +Japanese):\n%s", key, diff)
		}
		if en.Say(key) == "" || ja.Say(key) == "" {
			t.Errorf("%s is empty", key)
		}
		// What pflag takes for the name of a flag's value.
		if a, b := quoted(en.Say(key)), quoted(ja.Say(key)); strings.HasPrefix(key, "flag.") && a != b {
			t.Errorf("%s names its value %q and %q", key, a, b)
		}
	}
}

func quoted(s string) string {
	if parts := strings.Split(s, "`"); len(parts) > 1 {
		return parts[1]
	}
	return ""
}

// TestUsed checks that the CLI's source names no text that there is not, and the catalogue none that
// is not used.
func TestUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	walk(t, "..", func(n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		key := literal(call.Args[0])
		switch sel.Sel.Name {
		case "Say", "Talk", "Bar":
			used[key] = key != ""
		case "Command", "Noun":
			for _, part := range []string{".short", ".long", ".example"} {
				used[key+part] = key != ""
			}
		}
	})
	en := text.In(text.English)
	for key, is := range used {
		if is && !en.Has(key) {
			t.Errorf("the CLI says %q, which is not in the catalogue", key)
		}
	}
	for _, key := range en.Keys() {
		if !used[key] {
			t.Errorf("nobody says %q", key)
		}
	}
}

// TestHeadlines checks that each Reason that has a name in Japanese is one of this module's.
func TestHeadlines(t *testing.T) {
	t.Parallel()
	reasons := map[string]bool{}
	note := func(n ast.Node) {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Reason" {
				reasons[literal(n.Value)] = true
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "invalid" && len(n.Args) > 0 {
				reasons[literal(n.Args[0])] = true
			}
		}
	}
	walk(t, "../../../client", note)
	walk(t, "../..", note)
	for _, r := range text.In(text.Japanese).Headlines() {
		if !reasons[r] {
			t.Errorf("no fault has the Reason %q", r)
		}
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	tests := []struct {
		asked, lcAll, lang string
		want               text.Lang
	}{
		{"", "", "", text.English},
		{"", "", "ja_JP.UTF-8", text.Japanese},
		{"", "C", "ja_JP.UTF-8", text.English},
		{"", "ja_JP.eucJP", "en_US.UTF-8", text.Japanese},
		{"en", "ja_JP.UTF-8", "ja_JP.UTF-8", text.English},
		{"ja", "C.UTF-8", "", text.Japanese},
		{"", "", "jam_JM", text.English},
	}
	for _, tt := range tests {
		env := map[string]string{"LC_ALL": tt.lcAll, "LANG": tt.lang}
		if got := text.Pick(tt.asked, func(k string) string { return env[k] }); got != tt.want {
			t.Errorf("Pick(%q) with LC_ALL=%q LANG=%q is %s, want %s", tt.asked, tt.lcAll, tt.lang, got, tt.want)
		}
	}
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	return ""
}

func walk(t *testing.T, dir string, visit func(ast.Node)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool { visit(n); return true })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
