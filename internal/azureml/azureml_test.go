package azureml_test

import (
	"os"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/azureml"
)

// TestComplete fails for a public name of azureml-core of which the table does not say what becomes of it.
// testdata/public.txt has the classes, each with its names; a test of the real package keeps it.
func TestComplete(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/public.txt")
	if err != nil {
		t.Fatal(err)
	}
	x, n := azureml.NewIndex(), 0
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		class := fields[0]
		if class == "azureml.core" {
			for _, f := range fields[1:] {
				if s, ok := x.Package("azureml.core." + f); !ok || s.Part == "the SDK" {
					t.Errorf("azureml.core.%s is in no entry", f)
				}
			}
			continue
		}
		for _, name := range append(fields[1:], "__init__") {
			if n++; !x.Class(class) {
				t.Errorf("%s is in no entry", class)
				break
			}
			if _, ok := x.Find(class, name); !ok {
				t.Errorf("%s.%s is in no entry", class, name)
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d names were looked at", n)
	}
}

func TestEntries(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range azureml.Symbols() {
		if k := s.Class + "." + s.Name; seen[k] {
			t.Errorf("%s is there twice", k)
		} else {
			seen[k] = true
		}
		if s.Part == "" || s.Support != azureml.Works && s.Note == "" {
			t.Errorf("%s has no part or no reason", s)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	x := azureml.NewIndex()
	for _, tc := range []struct {
		class, name string
		want        azureml.Support
	}{
		{"Run", "log", azureml.Works},
		{"ScriptRun", "get_metrics", azureml.Works},
		{"RemoteCompute", "wait_for_completion", azureml.Works},
		{"AmlCompute", "create", azureml.Refused},
		{"Dataset", "get_by_name", azureml.Refused},
		{"Run", "nothing", ""},
		{"Nothing", "log", ""},
	} {
		if s, _ := x.Find(tc.class, tc.name); s.Support != tc.want {
			t.Errorf("%s.%s: %q, want %q", tc.class, tc.name, s.Support, tc.want)
		}
	}
	if s, _ := x.Package("azureml.pipeline.core.Pipeline"); s.Support != azureml.Refused {
		t.Errorf("a class of a package: %+v", s)
	}
	if got := x.Type("RemoteCompute", "attach"); got != "RemoteCompute" {
		t.Errorf("attaching returns %q", got)
	}
}
