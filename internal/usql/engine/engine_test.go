package engine_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/engine"
)

// python returns an interpreter with DuckDB, or skips the test.
func python(t testing.TB) string {
	t.Helper()
	p := os.Getenv("TEST_DUCKDB_PYTHON")
	if p == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "duckdb") {
			t.Fatal("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
		}
		t.Skip("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
	}
	return p
}

// TestScripts runs each script of testdata over its files. The files below want/ were written by hand; their
// rows end with CR LF there, as outputters write them, and in a file whose name ends with .quoted all bytes
// are those of a Go string. "fault" is what the run says instead: its code, reason, field and why.
func TestScripts(t *testing.T) {
	t.Parallel()
	py := python(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			try(t, py, a)
		})
	}
}

func try(t *testing.T, py string, a *txtar.Archive) {
	t.Helper()
	store := t.TempDir()
	script, wantFault := "", ""
	want, params := map[string]string{}, map[string]string{}
	for _, f := range a.Files {
		name, text := f.Name, string(f.Data)
		if n, ok := strings.CutSuffix(name, ".quoted"); ok {
			name, text = n, unquote(t, text)
		} else if strings.HasPrefix(name, "want/") {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		switch {
		case name == "script.usql":
			script = text
		case name == "fault":
			wantFault = text
		case strings.HasPrefix(name, "param/"):
			params[name[6:]] = strings.TrimSpace(text)
		case strings.HasPrefix(name, "want/"):
			want[name[5:]] = text
		default:
			write(t, filepath.Join(store, name), text)
		}
	}
	before := content(t, store)
	plan, err := usql.Compile(script, params)
	if err == nil {
		err = runPlan(t, py, store, plan)
	}
	got := content(t, store)
	for name := range before {
		delete(got, name)
	}
	if diff := cmp.Diff(wantFault, said(err)); diff != "" {
		t.Errorf("fault (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s\nplan: %+v", diff, plan)
	}
}

func runPlan(t *testing.T, py, store string, plan usql.Plan) error {
	t.Helper()
	root, err := os.OpenRoot(store)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = engine.Run(t.Context(), plan, engine.Options{Store: root, Work: t.TempDir(), Python: py})
	return err
}

// said is a fault as the tests have it.
func said(err error) string {
	var all usql.Faults
	if !errors.As(err, &all) && err != nil {
		all = usql.Faults{fault.From(err)}
	}
	s := ""
	for _, f := range all {
		s += string(f.Code) + " " + f.Reason + " at " + f.Field + ": " + f.What + ": " + f.Why + "\n"
	}
	return s
}

func unquote(t *testing.T, text string) string {
	t.Helper()
	s, err := strconv.Unquote(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return s
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
