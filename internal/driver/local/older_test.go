package local_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// older is a work folder as an agent of an older version left it. A process stands for that of the job that goes on.
type older struct {
	*bench
	handles map[string]driver.Handle
	dir     string // of the jobs
	more    string // the process goes on when this file is there
	process *exec.Cmd
}

// layOlder lays out the folders of a recording, and what is made from its spec of a job that has ended: one that was
// only written down, and one of another boot.
func layOlder(t *testing.T, file string) *older {
	t.Helper()
	o := &older{bench: &bench{T: t, ctx: t.Context(), target: newTarget(t, "same")}, handles: map[string]driver.Handle{}, more: filepath.Join(t.TempDir(), "go")}
	o.dir = filepath.Join(o.target.Options["workDirectory"].(string), "jobs")
	files := recorded(t, file)
	spec := files["z-ended-1/spec.json"]
	files["z-written-1/spec.json"] = strings.ReplaceAll(spec, "ended", "written")
	files["z-restarted-1/spec.json"] = strings.ReplaceAll(strings.ReplaceAll(spec, "ended", "restarted"), "{boot}", "another")
	for _, job := range []string{"written", "restarted"} {
		files["z-"+job+"-1/handle"] = strings.ReplaceAll(files["z-ended-1/handle"], "ended", job)
	}
	o.lay("z-goes-1/log", files["z-goes-1/log"])
	o.startProcess()
	fill := strings.NewReplacer("{pid}", strconv.Itoa(o.process.Process.Pid), "{start}", o.startTime(), "{boot}", strings.TrimSpace(read(t, "/proc/sys/kernel/random/boot_id")),
		"{started}", time.Now().UTC().Format(time.RFC3339Nano), "{supervisor}", "")
	for name, text := range files {
		switch job, base := filepath.Dir(name), filepath.Base(name); {
		case base == "handle":
			var h driver.Handle
			if err := json.Unmarshal([]byte(text), &h); err != nil {
				t.Fatal(err)
			}
			o.handles[strings.TrimSuffix(strings.TrimPrefix(job, "z-"), "-1")] = h
		case name != "z-goes-1/log":
			o.lay(name, fill.Replace(text))
		}
	}
	o.connect()
	return o
}

func recorded(t *testing.T, file string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range a.Files {
		files[f.Name] = strings.TrimSuffix(string(f.Data), "{no newline}\n")
	}
	return files
}

func (o *older) lay(name, text string) {
	o.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		o.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.Fatal(err)
	}
}

// startProcess starts what writes on to the log of the job that goes on, in a session of its own, as jobs have.
func (o *older) startProcess() {
	o.Helper()
	log, err := os.OpenFile(filepath.Join(o.dir, "z-goes-1", "log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		o.Fatal(err)
	}
	defer log.Close()
	o.process = exec.Command("sh", "-c", `until test -e "$0"; do sleep 0.05; done; echo MORE; exec sleep 1000`, o.more)
	o.process.Stdout, o.process.SysProcAttr = log, &syscall.SysProcAttr{Setsid: true}
	if err := o.process.Start(); err != nil {
		o.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = o.process.Wait(); close(gone) }()
	o.Cleanup(func() { _ = o.process.Process.Kill(); <-gone }) // nobody, where it has ended: its number may be another's
}

// startTime is when the process was started, in ticks since the boot.
func (o *older) startTime() string {
	stat := read(o.T, fmt.Sprintf("/proc/%d/stat", o.process.Process.Pid))
	return strings.Fields(stat[strings.LastIndexByte(stat, ')'):])[20]
}

func (o *older) log(job string) string {
	o.Helper()
	return read(o.T, filepath.Join(o.dir, "z-"+job+"-1", "log"))
}

// TestOlderFolders: the agent takes over what one of an older version left on the machine, whose supervisors are gone: a
// job that goes on is watched, ended and cleared, ends are read, and what was only written down is begun.
func TestOlderFolders(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/older/*.txtar")
	if err != nil || len(files) < 2 {
		t.Fatalf("recordings: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			o := layOlder(t, file)
			o.follows()
			o.ends()
			for job, h := range o.handles {
				if err := o.Release(o.ctx, h); err != nil {
					t.Errorf("release %s: %v", job, err)
				}
			}
			if left, err := os.ReadDir(o.dir); err != nil || len(left) > 0 {
				t.Errorf("the jobs left %v, %v", left, err)
			}
		})
	}
}

// follows looks at the job that goes on.
func (o *older) follows() {
	o.Helper()
	h := o.handles["goes"]
	if st, err := o.Poll(o.ctx, h); err != nil || st.State != driver.JobRunning || st.Started.IsZero() {
		o.Fatalf("the job that goes on is %+v, %v", st, err)
	}
	in, err := o.ReadLog(o.ctx, h, int64(len("BEGUN\n")))
	if err != nil {
		o.Fatal(err)
	}
	defer in.Close()
	if err := os.WriteFile(o.more, nil, 0o600); err != nil {
		o.Fatal(err)
	}
	more := make([]byte, len("MORE\n"))
	if _, err := io.ReadFull(in, more); err != nil || string(more) != "MORE\n" {
		o.Errorf("its log goes on with %q, %v", more, err)
	}
	if err := o.Cancel(o.ctx, h); err != nil {
		o.Fatal(err)
	}
	if st := wait(o.ctx, o.T, o, h); st.State != driver.JobCanceled {
		o.Errorf("it ended as %+v", st)
	}
	if got := o.log("goes"); got != "BEGUN\nMORE\n" {
		o.Errorf("its log is %q", got)
	}
}

// ends looks at how the others ended, or end.
func (o *older) ends() {
	o.Helper()
	got := map[string]string{}
	for job, h := range o.handles {
		st := wait(o.ctx, o.T, o, h)
		got[job] = fmt.Sprintf("%s %d %s", st.State, st.ExitCode, st.Reason)
	}
	want := map[string]string{"goes": "canceled 0 ", "ended": "failed 3 ExitCode", "canceled": "canceled 0 ", "written": "failed 3 ExitCode", "restarted": "lost 0 Restarted"}
	if d := cmp.Diff(want, got); d != "" {
		o.Errorf("the jobs ended otherwise (-want +got):\n%s", d)
	}
	for _, job := range []string{"ended", "written"} {
		if log := o.log(job); log != "SAID\n" {
			o.Errorf("the log of %s is %q", job, log)
		}
		in, err := o.OpenOutput(o.ctx, o.handles[job], "outputs/model", 0)
		if err != nil {
			o.Fatal(err)
		}
		if b, err := io.ReadAll(in); err != nil || string(b) != "kept\n" {
			o.Errorf("the output of %s is %q, %v", job, b, err)
		}
		in.Close()
	}
}
