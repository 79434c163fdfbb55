package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

func TestScan(t *testing.T) {
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
	good := write("good.py", "from azureml.core import Run\nRun.get_context().log('a', 1)\n")
	bad := write("more/bad.ipynb", `{"cells": [{"cell_type": "code", "source": ["from azureml.core import Dataset\n", "Dataset.get_by_name(1, 'a')"]}]}`)
	none := write("none.py", "print('hello')\n")
	write("venv/lib.py", "from azureml.core import Dataset\nDataset.get_all(1)\n")
	broken := write("broken.ipynb", "{")
	for _, tc := range []struct {
		reason  string
		args    []string
		code    int
		out     string
		told    string
		exactly bool
	}{
		{"all works", []string{good}, 0, "LINE  CALL             HERE   WHY\n2     Run.get_context  works\n2     Run.log          works\n", "1 file(s), 2 call(s): 2 work", true},
		{"something is refused", []string{bad}, 1, "[1]:2  Dataset.get_by_name  refused", "1 refused", false},
		{"a folder", []string{filepath.Join(dir, "more"), good}, 1, bad + ":[1]:2", "2 file(s), 3 call(s)", false},
		{"in Japanese", []string{"--lang", "ja", bad}, 1, "拒否", "拒否 1", false},
		{"names", []string{"-o", "name", good}, 0, "Run.get_context\nRun.log\n", "", true},
		{"nothing of the SDK", []string{none}, 0, "", "no use of azureml", true},
		{"nothing as JSON", []string{"-o", "json", none}, 0, "[]\n", "", true},
		{"a broken notebook", []string{broken}, 1, "", "is not the JSON that notebooks are", true},
		{"a file that is not there", []string{filepath.Join(dir, "gone.py")}, 3, "", "cannot read", true},
	} {
		r := callWith(t, map[string]string{"HOME": dir}, "", append([]string{"scan"}, tc.args...)...)
		if r.code != tc.code || !strings.Contains(r.out, tc.out) || tc.exactly && r.out != tc.out || !strings.Contains(r.errout, tc.told) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", tc.reason, r.code, tc.code, r.out, r.errout)
		}
	}
}

// secrets is a peer for the commands about secrets.
func (f *fake) secrets() map[string]http.HandlerFunc {
	const one = " /api/v1/workspaces/{ws}/secrets/{name}"
	return map[string]http.HandlerFunc{
		"PUT" + one: func(w http.ResponseWriter, r *http.Request) {
			var s client.Secret
			if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
				f.t.Error(err)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.kept[r.PathValue("name")] = s.Value
			reply(w, client.Secret{Name: r.PathValue("name")})
		},
		"GET" + one: func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			reply(w, client.Secret{Name: r.PathValue("name"), Value: f.kept[r.PathValue("name")]})
		},
		"DELETE" + one: func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.kept, r.PathValue("name"))
			w.WriteHeader(http.StatusNoContent)
		},
		"GET /api/v1/workspaces/{ws}/secrets": func(w http.ResponseWriter, _ *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			page := client.Page[client.Secret]{Items: []client.Secret{}}
			for name := range f.kept {
				page.Items = append(page.Items, client.Secret{Name: name, ContentType: "text"})
			}
			reply(w, page)
		},
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from-file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HOME": t.TempDir(), "ZAFFRE_DATA": f.data}
	if r := callWith(t, env, "from-stdin\n", "secret", "set", "one"); r.code != 0 || r.out != "" || !strings.Contains(r.errout, "secret one set") {
		t.Errorf("set from stdin: %+v", r)
	}
	if r := callWith(t, env, "", "secret", "set", "--file", file, "two"); r.code != 0 || strings.Contains(r.errout, "from-file") {
		t.Errorf("set from a file: %+v", r)
	}
	if diff := cmp.Diff(map[string]string{"one": "from-stdin", "two": "from-file"}, f.kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if r := callWith(t, env, "", "secret", "get", "one"); r.out != "from-stdin\n" {
		t.Errorf("get: %+v", r)
	}
	if r := callWith(t, env, "", "secret", "set", "one", "on-the-command-line"); r.code != 2 {
		t.Errorf("a value as an argument: %+v", r)
	}
	if r := callWith(t, env, "", "secret", "delete", "one", "two"); r.code != 0 || len(f.kept) != 0 {
		t.Errorf("delete: %+v, left %v", r, f.kept)
	}
	if r := callWith(t, env, "", "secret", "list"); r.code != 0 || strings.Count(r.out, "\n") != 1 {
		t.Errorf("list: %+v", r)
	}
}
