package local_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/local"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// conn is every capability of the kind.
type conn interface {
	driver.Host
	driver.Runner
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
}

// bench is one target with one connection.
type bench struct {
	*testing.T
	conn
	ctx    context.Context
	target driver.Target
}

func open(t *testing.T, user string) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	b := &bench{T: t, ctx: ctx, target: newTarget(t, user)}
	b.connect()
	return b
}

func (b *bench) connect() {
	b.Helper()
	c, err := local.Kind().Connect(b.ctx, b.target)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	b.conn = c.(conn)
}

func newJob(argv ...string) driver.Job {
	run := id.New()
	return driver.Job{ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: argv}
}

// run runs a job to its end and returns its log.
func (b *bench) run(j driver.Job) (driver.Handle, driver.JobStatus, string) {
	b.Helper()
	h, err := b.Start(b.ctx, j)
	if err != nil {
		b.Fatalf("Start: %v", err)
	}
	st := wait(b.ctx, b.T, b, h)
	r, err := b.ReadLog(b.ctx, h, 0)
	if err != nil {
		b.Fatalf("ReadLog: %v", err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		b.Fatalf("read the log: %v", err)
	}
	return h, st, string(text)
}

// TestEnvironment: of the server's variables only those that every program needs reach a job.
func TestEnvironment(t *testing.T) {
	t.Setenv("SERVER_SECRET", "do-not-pass")
	t.Setenv("PIP_INDEX_URL", "https://user:password@example.invalid/simple")
	t.Setenv("https_proxy", "http://proxy.invalid:3128")
	t.Setenv("LC_TIME", "C")
	b := open(t, "same")
	j := newJob("env", "-0")
	j.Env = map[string]string{"MINE": "yes", "LC_TIME": "mine"}
	_, _, log := b.run(j)
	env := map[string]string{}
	for kv := range strings.SplitSeq(strings.TrimSuffix(log, "\x00"), "\x00") {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	want := map[string]string{"MINE": "yes", "LC_TIME": "mine", "https_proxy": "http://proxy.invalid:3128", "PYTHONUNBUFFERED": "1", "PATH": os.Getenv("PATH")}
	for k, v := range want {
		if env[k] != v {
			t.Errorf("%s is %q, want %q", k, env[k], v)
		}
	}
	for _, k := range []string{"SERVER_SECRET", "PIP_INDEX_URL", "ZAFFRE_AGENT", "GOMAXPROCS"} {
		if v, ok := env[k]; ok {
			t.Errorf("%s=%q reached the job", k, v)
		}
	}
}

// TestGPUs: a job sees the GPUs of its slots.
func TestGPUs(t *testing.T) {
	b := open(t, "same")
	j := newJob("sh", "-c", `echo "${CUDA_VISIBLE_DEVICES-unset}"`)
	j.Slots = []driver.Slot{{GPUs: []int{1, 3}}}
	if _, _, log := b.run(j); log != "1,3\n" {
		t.Errorf("CUDA_VISIBLE_DEVICES is %q, want 1,3", log)
	}
}

// TestPrefix: a job's environment stands before all else.
func TestPrefix(t *testing.T) {
	b := open(t, "same")
	prefix := t.TempDir()
	for name, says := range map[string]string{"python": "the prefix's python", "tool": "the prefix's tool"} {
		if err := os.MkdirAll(filepath.Join(prefix, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		text := "#!/bin/sh\necho \"" + says + " in $VIRTUAL_ENV\" \"$@\"\n"
		if err := os.WriteFile(filepath.Join(prefix, "bin", name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []string{"python", "tool"} {
		j := newJob(word, "-c", "x")
		j.Runtime = driver.Runtime{Prefix: prefix}
		if _, _, log := b.run(j); log != "the prefix's "+word+" in "+prefix+" -c x\n" {
			t.Errorf("%s says %q", word, log)
		}
	}
	j := newJob("python", "x")
	j.Runtime = driver.Runtime{Prefix: filepath.Join(prefix, "gone")}
	if _, err := b.conn.(driver.Runner).Start(t.Context(), j); fault.ReasonOf(err) != "EnvironmentMissing" {
		t.Errorf("with an environment that is gone the job is started: %v", err)
	}
}

// TestNotStarted: what keeps a program from starting is said in the user's terms.
func TestNotStarted(t *testing.T) {
	b := open(t, "same")
	code := memory{}
	code.add("no-x.sh", 0o644, "#!/bin/sh\n")
	code.add("no-interpreter", 0o755, "#!/no/such/interpreter\n")
	code.add("text", 0o755, "just text")
	tests := []struct {
		command []string
		dir     string
		says    string
	}{
		{[]string{"./no-x.sh"}, "", "chmod +x"},
		{[]string{"./no-interpreter"}, "", "first line"},
		{[]string{"./text"}, "", "neither a program"},
		{[]string{"./none"}, "", "does not exist"},
		{[]string{"/"}, "", "is a folder"},
		{nil, "", "empty"},
		{[]string{"true"}, "sub", `folder "sub"`},
		{[]string{"python", "sub/train.py"}, "", `script "sub/train.py"`},
	}
	for _, tt := range tests {
		j := newJob(tt.command...)
		j.Files, j.Dir = &code, tt.dir
		_, st, _ := b.run(j)
		if st.State != driver.JobFailed || st.Reason != "NotStarted" || !strings.Contains(st.Message, tt.says) {
			t.Errorf("command %q in %q: the job is %+v, want NotStarted with %q", tt.command, tt.dir, st, tt.says)
		}
	}
}

// memory is a driver.Files in memory.
type memory struct {
	list    []driver.File
	content map[string]string
}

func (m *memory) add(path string, mode uint32, text string) {
	sum := sha256.Sum256([]byte(text))
	hash := hex.EncodeToString(sum[:])
	if m.content == nil {
		m.content = map[string]string{}
	}
	m.content[hash] = text
	m.list = append(m.list, driver.File{Path: path, Mode: mode, Size: int64(len(text)), Hash: hash})
}

func (m *memory) Manifest(context.Context) ([]driver.File, error) { return m.list, nil }

func (m *memory) OpenHash(_ context.Context, hash string) (io.ReadCloser, error) {
	text, ok := m.content[hash]
	if !ok {
		return nil, errors.New("no such file")
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// TestCodeStaysInside: no manifest writes outside of the job's folder, and no file arrives changed.
func TestCodeStaysInside(t *testing.T) {
	b := open(t, "same")
	outside := filepath.Join(t.TempDir(), "outside")
	for _, path := range []string{"../out", "/tmp/out", "a/../../out", "a//b", "./a", ""} {
		code := memory{}
		code.add(path, 0o644, "x")
		j := newJob("true")
		j.Files = &code
		if _, err := b.Start(b.ctx, j); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("a file at %q: %v, want it invalid", path, err)
		}
	}
	through := memory{}
	through.add("link", driver.ModeLink, filepath.Dir(outside))
	through.add("link/outside", 0o644, "x")
	j := newJob("true")
	j.Files = &through
	if _, st, _ := b.run(j); st.Reason != "NotStarted" {
		t.Errorf("a file through a link: the job is %+v, want it not started", st)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was written outside: %v", err)
	}
	changed := memory{}
	changed.add("f", 0o644, "text")
	changed.content[changed.list[0].Hash] = "other"
	j = newJob("true")
	j.Files = &changed
	if _, err := b.Start(b.ctx, j); fault.ReasonOf(err) != "HashMismatch" {
		t.Errorf("changed bytes: %v, want HashMismatch", err)
	}
}

// TestJobsShareNoFiles: a job that changes its code changes nobody else's.
func TestJobsShareNoFiles(t *testing.T) {
	b := open(t, "same")
	code := memory{}
	code.add("data", 0o644, "original")
	for range 2 {
		j := newJob("sh", "-c", "cat data; echo changed > data; chmod 600 data")
		j.Files = &code
		if _, _, log := b.run(j); log != "original" {
			t.Errorf("the job reads %q", log)
		}
	}
}

// TestOddOutputs: only regular files are outputs, under names that can be asked for.
func TestOddOutputs(t *testing.T) {
	b := open(t, "same")
	h, _, _ := b.run(newJob("sh", "-c", `cd outputs
		echo secret > ../outside; ln -s ../outside link; ln -s /etc folder; mkfifo fifo; mkdir -p empty a/b
		printf 1 > "$(printf 'caf\351')"; printf 2 > "$(printf 'line\nbreak')"; printf 3 > a/b/c; printf 4 > ../logs/l
		chmod 000 a/b/c; mkdir locked; echo x > locked/x; chmod 000 locked`))
	list, err := b.ListOutputs(b.ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	var names []string
	for _, f := range list {
		r, err := b.OpenOutput(b.ctx, h, f.Path, 0)
		if err != nil {
			if os.Geteuid() != 0 {
				continue // a file that its job locked
			}
			t.Fatalf("OpenOutput %q: %v", f.Path, err)
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		got[f.Path] = string(text)
		names = append(names, f.Path)
	}
	delete(got, "outputs/locked/x") // root reads it
	want := map[string]string{`outputs/caf\xE9`: "1", "outputs/line\nbreak": "2", "outputs/a/b/c": "3", "logs/l": "4"}
	if os.Geteuid() != 0 {
		delete(want, "outputs/a/b/c")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the outputs (-want +got):\n%s", d)
	}
	if !slices.IsSorted(names) {
		t.Errorf("the names %q are not in order", names)
	}
	for _, name := range []string{"outputs/link", "outputs/fifo", "outputs/folder/passwd", "outputs/empty"} {
		if _, err := b.OpenOutput(b.ctx, h, name, 0); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("OpenOutput %q = %v, want it not found", name, err)
		}
	}
	if err := b.Release(b.ctx, h); err != nil {
		t.Errorf("Release: %v", err)
	}
}

// TestReleased: a job that was released never starts again, and one that runs is not released.
func TestReleased(t *testing.T) {
	b := open(t, "same")
	j := newJob("true")
	h, _, _ := b.run(j)
	if err := b.Release(b.ctx, h); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(b.ctx, j); fault.ReasonOf(err) != "Fenced" {
		t.Errorf("Start after Release = %v, want Fenced", err)
	}
	h, err := b.Start(b.ctx, newJob("sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Release(b.ctx, h); fault.ReasonOf(err) != "JobActive" {
		t.Errorf("Release of a job that runs = %v, want JobActive", err)
	}
}

// TestCleanLeavesOthers: what is not ours stays.
func TestCleanLeavesOthers(t *testing.T) {
	b := open(t, "same")
	b.run(newJob("true"))
	theirs := filepath.Join(b.target.Options["workDirectory"].(string), "theirs.txt")
	if err := os.WriteFile(theirs, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Clean(b.ctx, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("a file that is not ours: %v", err)
	}
}

// TestEndsByHand: what Clean says of a job that goes on ends it, by whatever shell.
func TestEndsByHand(t *testing.T) {
	t.Parallel()
	b := open(t, "same")
	j := newJob("sleep", "604")
	j.Memory = 1 << 30
	h, err := b.Start(b.ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	job := func() driver.Item {
		t.Helper()
		items, err := b.Clean(b.ctx, true)
		i := slices.IndexFunc(items, func(it driver.Item) bool { return it.Type == "job" && it.Name == j.ID })
		if err != nil || i < 0 {
			t.Fatalf("the job does not stand in %+v, %v", items, err)
		}
		return items[i]
	}
	going := job()
	if going.End == "" || going.Memory != j.Memory {
		t.Fatalf("of a job that goes on: %+v", going)
	}
	if out, err := exec.CommandContext(b.ctx, "sh", "-c", going.End).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v, %s", going.End, err, out)
	}
	for st := (driver.JobStatus{}); st.State != driver.JobCanceled; {
		if st, err = b.Poll(b.ctx, h); err != nil || b.ctx.Err() != nil {
			t.Fatalf("the job is %+v, %v", st, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if it := job(); it.End != "" || it.Memory != 0 {
		t.Errorf("of a job that has ended: %+v", it)
	}
}

// TestGroupEnds: a cancel ends every process of a job: those in other groups and sessions, and
// those whose parent is gone.
func TestGroupEnds(t *testing.T) {
	b := open(t, "same")
	h, err := b.Start(b.ctx, newJob("sh", "-c", `
		sleep 601 & echo $!
		setsid sleep 602 & echo $!
		sh -c 'sleep 603 & echo $!'
		setsid sh -c 'sleep 604 & echo $!'
		sh -c 'trap "" TERM; sleep 605' & echo $!
		echo all; wait`))
	if err != nil {
		t.Fatal(err)
	}
	pids := b.lines(h, "all")
	if len(pids) != 5 {
		t.Fatalf("the job wrote %q, want five pids", pids)
	}
	if err := b.Cancel(b.ctx, h); err != nil {
		t.Fatal(err)
	}
	if st := wait(b.ctx, t, b, h); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v, want it canceled", st)
	}
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + pid); err == nil && !zombie(pid) {
			t.Errorf("process %s outlived its job", pid)
		}
	}
}

// lines reads a job's log up to a last line.
func (b *bench) lines(h driver.Handle, last string) []string {
	b.Helper()
	r, err := b.ReadLog(b.ctx, h, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var text strings.Builder
	for !strings.HasSuffix(text.String(), last+"\n") {
		if _, err := io.CopyN(&text, r, 1); err != nil {
			b.Fatalf("after %q: %v", text.String(), err)
		}
	}
	return strings.Fields(strings.TrimSuffix(text.String(), last+"\n"))
}

func zombie(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

// TestOtherUsersReach: code under another user reads nothing of the server's, and its folder is
// its own.
func TestOtherUsersReach(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start the agent as another user")
	}
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("private"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, "auto")
	_, st, log := b.run(newJob("sh", "-c", `id -u; id -G; touch "$HOME/mine" && echo home; cat "$1"`, "sh", secret))
	words := strings.Fields(log)
	if len(words) < 3 || words[0] == "0" || words[1] != words[0] || words[2] != "home" || strings.Contains(log, "private") {
		t.Errorf("the job says %q", log)
	}
	if st.State != driver.JobFailed {
		t.Errorf("reading the server's file: the job is %+v, want it failed", st)
	}
	root := filepath.Join(b.target.Options["workDirectory"].(string), "uid-"+words[0])
	fi, err := os.Stat(root)
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the user's folder: %v, %v, want it closed to others", fi, err)
	}
}

// TestUnreachableFolder: where the user that runs the code cannot enter the folder, another is taken.
func TestUnreachableFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start the agent as another user")
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	target := driver.Target{ID: "t" + strconv.Itoa(os.Getpid()), Options: map[string]any{"user": "auto", "workDirectory": filepath.Join(closed, "work")}}
	c, err := local.Kind().Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o, err := c.Observe(t.Context())
	if err != nil || !o.Ready {
		t.Fatalf("Observe = %+v, %v, want it ready", o, err)
	}
	dir := o.Facts["work-directory"]
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(dir)) })
	if strings.HasPrefix(dir, closed) || !strings.Contains(dir, target.ID) {
		t.Errorf("the folder is %q, want one of the target outside of %q", dir, closed)
	}
}

// TestBuild builds a real environment, from a conda specification, with the machine's own index.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("it asks the package index")
	}
	b := open(t, "same")
	digest := hex.EncodeToString(sha256.New().Sum(nil))
	d := driver.Definition{Conda: []byte("dependencies:\n- python\n- pip:\n  - six==1.16.0\n")}
	if err := b.Build(b.ctx, digest, d); err != nil {
		t.Fatal(err)
	}
	r, err := b.BuildLog(b.ctx, digest, 0)
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(r) // to its end: then the build has one too
	if err != nil {
		t.Fatal(err)
	}
	st, err := b.BuildStatus(b.ctx, digest)
	if err != nil {
		t.Fatal(err)
	}
	if st.State == driver.BuildFailed && st.Reason == "NetworkUnreachable" {
		t.Skipf("needs a package index: %s", st.Message)
	}
	if st.State != driver.BuildDone || !strings.Contains(string(log), "Done") {
		t.Fatalf("the build is %+v; its log:\n%s", st, log)
	}
	j := newJob("python", "-c", "import six, sys; print(six.__version__, sys.prefix)")
	j.Runtime = st.Runtime
	if _, _, log := b.run(j); log != "1.16.0 "+st.Runtime.Prefix+"\n" {
		t.Errorf("the job says %q", log)
	}
}
