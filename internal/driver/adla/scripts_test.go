package adla_test

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/adla"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// runner is a connection that runs scripts.
type runner interface {
	driver.Runner
	driver.LogReader
	driver.Outputs
}

func connect(t testing.TB, target driver.Target) runner {
	t.Helper()
	return drivertest.Connect[runner](t, adla.Kind(), target)
}

// scriptJob returns a job that runs a script.
func scriptJob(text string, options map[string]any) driver.Job {
	run := id.New()
	return driver.Job{
		ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: []string{"script.usql"}, Files: files{"script.usql": text},
		Slots: []driver.Slot{{}}, Options: options,
	}
}

func begin(t testing.TB, c runner, j driver.Job) driver.Handle {
	t.Helper()
	h, err := c.Start(t.Context(), j)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	return h
}

// await polls until ok.
func await(t testing.TB, c runner, h driver.Handle, ok func(driver.JobStatus) bool) driver.JobStatus {
	t.Helper()
	deadline := time.After(3 * time.Minute)
	for {
		st, err := c.Poll(t.Context(), h)
		if err != nil {
			t.Fatalf("%+v", err)
		}
		if ok(st) {
			return st
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("waited in vain; the job is %+v, its log:\n%s", st, logOf(t, c, h))
		}
	}
}

// ended waits for a job's end, and returns its log too.
func ended(t testing.TB, c runner, h driver.Handle) (driver.JobStatus, string) {
	t.Helper()
	st := await(t, c, h, func(st driver.JobStatus) bool { return st.State.Final() })
	return st, logOf(t, c, h)
}

func logOf(t testing.TB, c runner, h driver.Handle) string {
	t.Helper()
	r, err := c.ReadLog(t.Context(), h, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestScripts runs scripts of the engine's tests as runs; the answers were written there by hand, and for those that
// fail so was the fault.
func TestScripts(t *testing.T) {
	t.Parallel()
	target := account(t)
	for _, name := range []string{
		"01-top", "04-fileset", "05-utf16", "09-bad-value", "17-parameters", "19-joins", "20-silent", "23-zero", "26-missing", "30-windows",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(filepath.Join("..", "..", "usql", "engine", "testdata", name+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			own := with(target, "store", t.TempDir())
			own.ID = id.New()
			t.Cleanup(func() { clean(t, own) })
			try(t, own, a)
		})
	}
}

func try(t *testing.T, target driver.Target, a *txtar.Archive) {
	store := target.Options["store"].(string)
	text, wantFault, want, parameters := "", "", map[string]string{}, map[string]any{}
	for _, f := range a.Files {
		name, data := f.Name, string(f.Data)
		if n, ok := strings.CutSuffix(name, ".quoted"); ok {
			name, data = n, unquoted(t, data)
		} else if strings.HasPrefix(name, "want/") {
			data = strings.ReplaceAll(data, "\n", "\r\n") // as outputters end their rows
		}
		switch {
		case name == "script.usql":
			text = data
		case name == "fault":
			wantFault = strings.TrimSpace(data)
		case strings.HasPrefix(name, "param/"):
			parameters["@"+name[6:]] = strings.TrimSpace(data)
		case strings.HasPrefix(name, "want/"):
			want[name[5:]] = data
		default:
			write(t, filepath.Join(store, name), data)
		}
	}
	before := content(t, store)
	c := connect(t, target)
	st, log := ended(t, c, begin(t, c, scriptJob(text, map[string]any{"parameters": parameters})))
	got := content(t, store)
	for name := range before {
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the files in the store (-want +got):\n%s\n%s", diff, log)
	}
	for name := range want {
		if !strings.Contains(log, "wrote /"+name+": ") {
			t.Errorf("the log does not name %s:\n%s", name, log)
		}
	}
	if wantFault == "" && st.State != driver.JobDone {
		t.Errorf("the job is %+v, its log:\n%s", st, log)
	}
	if wantFault != "" {
		wantFailure(t, st, log, wantFault)
	}
}

// wantFailure compares with a line "CODE REASON at PLACE: WHAT".
func wantFailure(t *testing.T, st driver.JobStatus, log, want string) {
	t.Helper()
	head, what, _ := strings.Cut(want, ": ")
	reason := strings.Fields(head)[1]
	if _, place, ok := strings.Cut(head, " at line "); ok {
		what = "script.usql:" + strings.Replace(place, ", column ", ":", 1) + ": " + what
	}
	if st.State != driver.JobFailed || st.Reason != reason || !strings.HasSuffix(st.Message, what) || !strings.Contains(log, what+"\n") {
		t.Errorf("the job is %+v, want it failed by %s and %q; its log:\n%s", st, reason, what, log)
	}
}

func unquoted(t *testing.T, text string) string {
	t.Helper()
	s, err := strconv.Unquote(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// content is the text of all files below a folder, hidden ones too.
func content(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
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
