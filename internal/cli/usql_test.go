package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestUSQL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	store := filepath.Join(dir, "store")
	write("store/in.csv", "1,a\n2,b\n")
	write("secret.csv", "9,x\n")
	if err := os.Symlink("../secret.csv", filepath.Join(store, "link.csv")); err != nil {
		t.Fatal(err)
	}
	const head = "DECLARE EXTERNAL @in string = \"/in.csv\";\n@t = EXTRACT n int, s string FROM @in USING Extractors.Csv();\n"
	good := write("good.usql", head+"@u = SELECT s, 10 / (n - 1) AS q FROM @t WHERE n > 1;\nOUTPUT @u TO \"/out/u.csv\" USING Outputters.Csv();")
	bad := write("bad.usql", head+"@u = SELECT x, s + 1 AS y FROM @t;\nUSE DATABASE d;")
	fails := write("fails.usql", head+"@u = SELECT 10 / (n - 1) AS q FROM @t;\nOUTPUT @u TO \"/out/f.csv\" USING Outputters.Csv();")
	py := os.Getenv("TEST_DUCKDB_PYTHON")
	if py == "" && slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "duckdb") {
		t.Fatal("TEST_DUCKDB_PYTHON names no Python that has the package duckdb")
	}
	for _, tc := range []struct {
		reason    string
		args      []string
		code      int
		out, told string
		duck      bool
	}{
		{"check", []string{"check", good}, 0, "", "nothing is wrong", false},
		{"check finds all", []string{"check", bad}, 1, "", "bad.usql:3:13: there is no column \"x\"", false},
		{"check names what is refused", []string{"check", bad}, 1, "", "bad.usql:4:1: USE is not supported", false},
		{"check as JSON", []string{"check", "-o", "json", bad}, 1, `"line": 4`, "", false},
		{"check as names", []string{"check", "-o", "name", bad}, 1, bad + ":3:13\n" + bad + ":4:1\n", "", false},
		{"check of nothing wrong as JSON", []string{"check", "-o", "json", good}, 0, "[]\n", "", false},
		{"check in Japanese", []string{"check", "--lang", "ja", bad}, 1, "", "対応していません", false},
		{"check of no file", []string{"check", filepath.Join(dir, "gone")}, 3, "", "cannot read", false},
		{"a parameter without a value", []string{"check", "--param", "x", good}, 2, "", "KEY=VALUE", false},
		{"run without a store", []string{"run", good}, 2, "", "--store is missing", false},
		{"run of a bad script", []string{"run", "--store", store, bad}, 1, "", "bad.usql:3:13", false},
		{"run in no folder", []string{"run", "--store", filepath.Join(dir, "gone"), good}, 3, "", "cannot open the folder", false},
		{"run without Python", []string{"run", "--store", store, "--python", filepath.Join(dir, "gone"), good}, 3, "", "--python", false},
		{"run", []string{"run", "--store", store, "--python", py, good}, 0, "out/u.csv  1\n", "1 file(s) read, 1 written", true},
		{"run fails at a place", []string{"run", "--store", store, "--python", py, fails}, 1, "", "fails.usql:3:16: the script failed while it ran: a division by zero", true},
		{"run leaves no way out", []string{"run", "--store", store, "--python", py, "--param", "in=/link.csv", good}, 1, "", "path escapes from parent", true},
		{"run of a missing file", []string{"run", "--store", store, "--python", py, "--param", "in=/none.csv", good}, 3, "", "good.usql:2:6: cannot read \"/none.csv\"", true},
	} {
		if tc.duck && py == "" {
			t.Log("skipped, for TEST_DUCKDB_PYTHON is not set: " + tc.reason)
			continue
		}
		r := callWith(t, map[string]string{"HOME": dir}, "", append([]string{"usql"}, tc.args...)...)
		if r.code != tc.code || !strings.Contains(r.out, tc.out) || !strings.Contains(r.errout, tc.told) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tc.reason, r.code, tc.code, r.out, r.errout)
		}
	}
	left, err := os.ReadDir(filepath.Join(store, "out"))
	if py != "" && (err != nil || len(left) != 1) {
		t.Errorf("in the folder of outputs: %v %v", left, err)
	}
}
