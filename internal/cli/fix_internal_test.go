package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/text"
)

var command = regexp.MustCompile(`\bzaffre ((?:[a-z]+ ?)+)`)

// Every command that a text of the program tells somebody to run is one: a fix that cannot be typed
// is none.
func TestEveryCommandInATextExists(t *testing.T) {
	t.Parallel()
	getenv := func(string) string { return "" }
	root := newRoot(&frame.App{Getenv: getenv, Text: text.In(text.Pick("en", getenv))}, Env{})
	seen := map[string]bool{}
	for file, literal := range literals(t, "../..") {
		for _, text := range literal {
			for _, m := range regexp.MustCompile(`run: zaffre [^;"]*`).FindAllString(text, -1) {
				words := strings.Fields(command.FindStringSubmatch(m + " ")[1])
				cmd, _, err := root.Find(words)
				if err != nil || cmd == root || len(words) > 1 && cmd.HasSubCommands() {
					t.Errorf("%s: %q is no command", file, m)
				}
				for _, flag := range regexp.MustCompile(` --([a-z-]+)`).FindAllStringSubmatch(m, -1) {
					if err == nil && cmd.Flags().Lookup(flag[1]) == nil && cmd.InheritedFlags().Lookup(flag[1]) == nil && !cmd.DisableFlagParsing {
						t.Errorf("%s: %q: %s has no flag --%s", file, m, cmd.CommandPath(), flag[1])
					}
				}
				seen[cmd.CommandPath()] = true
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("found only %v: the test looks at nothing", seen)
	}
}

// literals returns the string literals of the module's source, tests left out, by file.
func literals(t *testing.T, root string) map[string][]string {
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					out[path] = append(out[path], s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
