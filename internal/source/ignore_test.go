package source_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/source"
)

// gitIgnored asks git which of the paths below dir are ignored.
func gitIgnored(t testing.TB, dir string, paths []string) map[string]bool {
	t.Helper()
	out := git(t, dir, strings.Join(paths, "\x00"), "check-ignore", "--no-index", "--stdin", "-z")
	ignored := map[string]bool{}
	for p := range strings.SplitSeq(out, "\x00") {
		ignored[p] = p != ""
	}
	return ignored
}

func git(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "core.excludesFile=/dev/null", "-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); err != nil && code != 1 { // 1: check-ignore found none
		t.Fatalf("git %q: %v: %s", args, err, stderr.String())
	}
	return string(out)
}

func gitRepository(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed: nothing to compare with")
	}
	dir := t.TempDir()
	git(t, dir, "", "init", "-q")
	return dir
}

// compare walks dir and reports each of the paths on which git thinks otherwise.
func compare(t testing.TB, dir string, files []string) (ignored int) {
	t.Helper()
	sent := map[string]bool{}
	for _, p := range paths(walk(t, dir, source.Options{})) {
		sent[p] = true
	}
	ask := gitIgnored(t, dir, files)
	for _, p := range files {
		if ask[p] == sent[p] {
			t.Errorf("%q: ignored by git %v, sent %v\n%s", p, ask[p], sent[p], rulesAbove(dir, p))
		}
		if ask[p] {
			ignored++
		}
	}
	return ignored
}

func rulesAbove(dir, p string) string {
	out := ""
	for d := filepath.Dir(p); ; d = filepath.Dir(d) {
		if text, err := os.ReadFile(filepath.Join(dir, d, ".gitignore")); err == nil {
			out = fmt.Sprintf("%s/.gitignore: %q\n", d, text) + out
		}
		if d == "." {
			return out
		}
	}
}

// TestIgnoreAsGit compares rules that people write, and those that are easy to get wrong.
func TestIgnoreAsGit(t *testing.T) {
	t.Parallel()
	dir := gitRepository(t)
	trees := []string{
		"a.py", "a.o", "b.log", "foo.txt", "src/a.py", "src/a.o", "src/foo", "src/deep/foo/x", "src/deep/b.log", "build/x",
		"src/build/x", "data/keep/x.csv", "data/x.csv", "data/.hidden", "é", "日本", "a b", "a ", "#x", "!x", "[a]", `a\b`, "foo/bar/baz",
		"foobar", "fo", "fooo", "x.tar.gz", ".env", "node_modules/x/index.js", "a/b/c/d", "a/x/b", "ab", "a-b", "aXb", "a/b/foo", "-x",
	}
	rules := []string{
		"*.o", "!*.o", "build", "build/", "/build", "/build/", "src/build", "/src/*.py", "*\n!*.py", "*\n!*/\n!*.py", "/*\n!/src/\n/src/*\n!/src/deep/",
		"data/*\n!data/keep/", "data/\n!data/keep/x.csv", "**/foo", "foo/**", "a/**/b", "**/deep/**", "**", "/**", "**/", "a**b", "**b", "a**", "foo**/bar", "fo**/bar",
		"foo/**/baz", "foo/**bar", "**foo", "***/foo", "a/***/d", "a/**/", "?", "??", "fo?", "???", "a?b", "a/?", "*?", "[a-c]", "[a-c]*", "[!a]*", "[^a]*", "[!a-z]", "[[:alpha:]]*",
		"[[:digit:]]", "[[:foo:]]", "[[:alpha:", "[]]", "[]a]*", "[!]a]*", "[a", "[", "a[", "[a-]*", "[-a]b", "[z-a]", `[\]]`, `[\a]b`, `[a\-c]b`, `\a.py`, `\*`, `\!x`, `\#x`, "#x", "!x", `a\`, `a\b`, `a\\b`,
		"a ", `a\ `, "a  ", `a\  `, `\ `, " ", "  a", "a b", "*.log ", "*.log\r", "foo\t", "\ufefffoo", "", "/", "!", "!/", "//", "//foo", "foo//", "foo//bar", "./foo", "../foo", "foo/.", "foo/./bar",
		"*.tar.*", "*.*", ".*", ".*\n!.env", "**/*.py", "src/**/*.py", "/src/**", "*/foo", "*/*", "*/*/*", "/*/*", "foo/*", "foo/*/baz", "foo/*bar", "é", "?\xa9", "[é]", "日?", "日*", "*本",
		"{a,b}.py", "a.py\nb.log", "a.py\\\nfoo", "foo\n!foo", "!foo\nfoo", "foo/\n!foo", "src/*\n!src/foo", "src\n!src/foo", "-x", "foo\x00bar", "[a-c/]x", "a[/]b", "a[!x]b", "a[^x]b", "a\\/b", `a\/**\/b`,
		"*/", "**/foo/", "foo/**/", "x/**/y", "[[:upper:]]*", "[[:space:]]*", "a[[:space:]]b", "a[[:punct:]]b", "[[:]x", "[[:]]x", "[[::]]x", "[a[:digit:]-z]b", "*[", "*]", "[a]", `\[a]`, `[[]a]`, "*a*b*", "*a*a*a*a*b",
	}
	var files []string
	for i, text := range rules {
		base := fmt.Sprintf("c%03d/", i)
		tree := map[string]string{base + ".gitignore": text}
		for _, p := range trees {
			tree[base+p] = ""
		}
		write(t, dir, tree)
		files = append(files, slices.Sorted(maps.Keys(tree))...)
	}
	n := compare(t, dir, files)
	t.Logf("%d rule files, %d paths, %d ignored", len(rules), len(files), n)
}

// TestIgnoreAsGitGenerated compares random rules in up to three nested files each.
func TestIgnoreAsGitGenerated(t *testing.T) {
	t.Parallel()
	dir := gitRepository(t)
	const cases = 600
	g := generator{rand.New(rand.NewPCG(20, 26))}
	var files []string
	for i := range cases {
		base := fmt.Sprintf("c%03d/", i)
		tree := map[string]string{base + ".gitignore": g.rules()}
		for range 1 + g.IntN(25) {
			g.addPath(tree, base)
		}
		if g.IntN(2) == 0 {
			g.addRules(tree, base)
		}
		write(t, dir, tree)
		files = append(files, slices.Sorted(maps.Keys(tree))...)
	}
	n := compare(t, dir, files)
	t.Logf("%d trees, %d paths, %d ignored", cases, len(files), n)
	if n < len(files)/10 || n > len(files)*9/10 {
		t.Errorf("%d of %d ignored: the generator makes dull cases", n, len(files))
	}
}

// generator makes rules and paths from so few letters that they often meet.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) addPath(tree map[string]string, base string) {
	p := g.name()
	for range g.IntN(4) {
		p += "/" + g.name()
	}
	for q := range tree {
		if q = q[len(base):]; q == p || strings.HasPrefix(p, q+"/") || strings.HasPrefix(q, p+"/") {
			return
		}
	}
	tree[base+p] = ""
}

// addRules puts ignore files into folders of the tree.
func (g generator) addRules(tree map[string]string, base string) {
	for _, p := range slices.Sorted(maps.Keys(tree)) {
		if d := filepath.Dir(p) + "/"; d != base && g.IntN(5) == 0 {
			tree[d+".gitignore"] = g.rules()
		}
	}
}

func (g generator) name() string {
	return g.pick("a", "b", "c", "ab", "abc", "a.o", "b.o", "foo", "bar", "foo.o", ".a", "é", "a b", "!a", "#a", "[a]", "-", "a-b", `\`)
}

func (g generator) rules() string {
	lines := make([]string, 1+g.IntN(4))
	for i := range lines {
		lines[i] = g.rule()
	}
	return strings.Join(lines, g.pick("\n", "\n", "\n", "\r\n")) + g.pick("", "\n")
}

func (g generator) rule() string {
	p := g.pick("", "", "", "!", "!", "/", "!/")
	for range 1 + g.IntN(4) {
		p += g.pick(g.name(), g.name(), "*", "*", "**", "**/", "/**", "/**/", "/", "/", "?", "[abf]", "[!a]", "[^b]", "[a-c]", "[[:alpha:]]", "[]-a]", `\`, "[", " ", ".", "*.o", "foo*")
	}
	return p + g.pick("", "", "", "/", "/", " ", "/*")
}

// FuzzIgnore looks for rules on which git thinks otherwise; without git, for those that end badly.
func FuzzIgnore(f *testing.F) {
	f.Add("*\n!*/\n!*.py\n", "src/a.py")
	f.Add("a/**/b\n[!a-c]?\\ \n", "a/x/b")
	f.Add("*a*a*a*a*a*a*b", strings.Repeat("a", 100))
	f.Add("[[:alpha:]-z]\n**/foo/**", "foo/x/foo")
	_, err := exec.LookPath("git")
	f.Fuzz(func(t *testing.T, rules, path string) {
		if !filepath.IsLocal(path) || filepath.Clean(path) != path || path == "." || len(path) > 200 || !isPlain(path) {
			t.Skip("not the path of a file")
		}
		dir := t.TempDir()
		write(t, dir, map[string]string{".gitignore": rules, path: ""})
		start := time.Now()
		walk(t, dir, source.Options{})
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if err == nil {
			git(t, dir, "", "init", "-q")
			compare(t, dir, []string{path})
		}
	})
}

// isPlain leaves out the names that are never sent, and those that are refused.
func isPlain(path string) bool {
	for e := range strings.SplitSeq(path, "/") {
		if e == ".git" || e == "__pycache__" || e == ".gitignore" || e == ".amlignore" {
			return false
		}
	}
	return !strings.Contains(path, "\x00") && strings.ToValidUTF8(path, "") == path
}
