package adla_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// slow is a script that has one output ready, and never the second.
func slow() string {
	return strings.Replace(endless(), "OUTPUT", `OUTPUT @t TO "/deep/first.csv" USING Outputters.Csv();`+"\nOUTPUT", 1)
}

// staged waits until the first output lies beside its place.
func staged(t *testing.T, c runner, h driver.Handle, store string) {
	t.Helper()
	await(t, c, h, func(st driver.JobStatus) bool {
		if st.State.Final() {
			t.Fatalf("the job is %+v, its log:\n%s", st, logOf(t, c, h))
		}
		found, _ := filepath.Glob(filepath.Join(store, "deep", ".first.csv.*"))
		return len(found) == 1
	})
}

// TestKilled: a script whose program is killed leaves its rows and its half outputs, and Release takes them away.
func TestKilled(t *testing.T) {
	t.Parallel()
	target := with(account(t), "scratch", filepath.Join(t.TempDir(), "rows"))
	store, scratch := target.Options["store"].(string), target.Options["scratch"].(string)
	c := connect(t, target)
	j := scriptJob(slow(), nil)
	h := begin(t, c, j)
	staged(t, c, h, store)
	kill(t, target, j, "usql-job")
	st, _ := ended(t, c, h)
	if st.State != driver.JobFailed || st.Reason != "Signaled" || st.Signal != 9 {
		t.Errorf("the job is %+v, want it killed", st)
	}
	if left := content(t, store); len(left) != 1 {
		t.Errorf("before its release the store has %v: the test tests nothing", left)
	}
	for range 2 {
		if err := c.Release(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	if left := content(t, store); len(left) != 0 {
		t.Errorf("after its release the store has %v", left)
	}
	if _, err := c.(driver.Cleaner).Clean(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("after a clean the folder for rows has %v, %v", left, err)
	}
}

// TestPythonKilled: the run says that DuckDB is what ended, and the files that were there stay.
func TestPythonKilled(t *testing.T) {
	t.Parallel()
	target := account(t)
	store := target.Options["store"].(string)
	write(t, filepath.Join(store, "deep", "first.csv"), "old")
	c := connect(t, target)
	j := scriptJob(slow(), nil)
	h := begin(t, c, j)
	staged(t, c, h, store)
	kill(t, target, j, "python")
	st, log := ended(t, c, h)
	if st.State != driver.JobFailed || st.Reason != "DuckDBStopped" || !strings.Contains(log, "signal: killed") {
		t.Errorf("the job is %+v, its log:\n%s", st, log)
	}
	if left := content(t, store); len(left) != 1 || left["deep/first.csv"] != "old" {
		t.Errorf("the store has %v", left)
	}
}

// TestCancelLeavesNothing: the files that were there stay, and nothing lies beside them.
func TestCancelLeavesNothing(t *testing.T) {
	t.Parallel()
	target := account(t)
	store := target.Options["store"].(string)
	write(t, filepath.Join(store, "deep", "first.csv"), "old")
	c := connect(t, target)
	h := begin(t, c, scriptJob(slow(), nil))
	staged(t, c, h, store)
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st, log := ended(t, c, h); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v, its log:\n%s", st, log)
	}
	if err := c.Release(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if left := content(t, store); len(left) != 1 || left["deep/first.csv"] != "old" {
		t.Errorf("the store has %v", left)
	}
}

// kill kills the process of a job whose command line has a word. It is found by the job's folder.
func kill(t *testing.T, target driver.Target, j driver.Job, word string) {
	t.Helper()
	folder := filepath.Join(target.Options["workDirectory"].(string), target.ID, "jobs", j.ID)
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range all {
		cwd, _ := os.Readlink(filepath.Join(proc, "cwd"))
		line, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(proc))
		if !strings.HasPrefix(cwd, folder) || !bytes.Contains(line, []byte(word)) || pid < 2 {
			continue
		}
		p, err := os.FindProcess(pid)
		if err != nil || p.Kill() != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no process of %s has %q in its command", folder, word)
}
