package clients_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// before returns zaffre of the commit before a file came to the main line, built once. Where the history is not at hand,
// as in a shallow clone, the test is skipped.
func before(t testing.TB, file string) string {
	t.Helper()
	root, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	git := func(arg ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", root}, arg...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	came, err := git("log", "--first-parent", "-m", "--diff-filter=A", "--format=%H", "-n1", "--", file)
	if err != nil || came == "" {
		t.Skip("needs the history of this repository: a whole clone")
	}
	commit, err := git("rev-parse", "--verify", "-q", came+"^1")
	if err != nil {
		t.Skip("needs the history of this repository: this clone is too shallow")
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(cache, "bin", "zaffre-"+commit)
	if _, err := os.Stat(bin); err != nil {
		buildOf(t, root, commit, bin)
	}
	return bin
}

// buildOf builds zaffre of a commit. The binary appears whole, or not at all.
func buildOf(t testing.TB, root, commit, bin string) {
	t.Helper()
	dir := t.TempDir()
	must := func(argv ...string) {
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	tree := filepath.Join(dir, "tree.tar")
	must("git", "-C", root, "archive", "-o", tree, commit)
	must("tar", "-xf", tree)
	made := fmt.Sprintf("%s.%d", bin, os.Getpid())
	must("go", "build", "-trimpath", "-o", made, "./cmd/zaffre")
	if err := os.Rename(made, bin); err != nil {
		t.Fatal(err)
	}
}

// sh runs a script on the machine, by OpenSSH and without zaffre.
func (c computer) sh(t testing.TB, script string) string {
	t.Helper()
	out, err := exec.Command("ssh", "-F", "/dev/null", "-o", "UserKnownHostsFile="+os.Getenv("ENGINES_VM_KNOWN_HOSTS"),
		"-o", "BatchMode=yes", "-i", c.key, "-p", c.port, c.user+"@"+c.address, script).Output()
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return strings.TrimSpace(string(out))
}

// logOn logs points, ten a second, until the file $1 is there, and says how many. A point that is not taken is sent again.
const logOn = `
import http.client, json, os, ssl, sys, time, urllib.request
def send(point):
    r = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(point).encode(),
        {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"})
    urllib.request.urlopen(r, context=ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"]), timeout=120).read()
step = refused = 0
while not os.path.exists(sys.argv[1]):
    point = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": 1 / (step + 1), "timestamp": int(time.time() * 1000), "step": step}
    while True:
        try:
            send(point)
            break
        except (OSError, http.client.HTTPException):
            refused += 1
            time.sleep(0.1)
    print("step %d" % step, flush=True)
    step += 1
    time.sleep(0.1)
print("LOGGED %d" % step)
print("REFUSED %d" % refused)
`

// upgrade is a server that is replaced by a newer one while its runs are on a real machine.
type upgrade struct {
	*box
	computer
	server *rig.Server
	dir    string // on the machine
}

func beginUpgrade(t *testing.T, old string) *upgrade {
	t.Helper()
	u := &upgrade{computer: realMachine(t)}
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	u.box = &box{dir: t.TempDir()}
	u.start(t, rig.Options{Bin: old, Data: filepath.Join(u.box.dir, "data"), Port: port, Env: []string{"ZAFFRE_LOG_LEVEL=debug"}})
	t.Cleanup(func() { u.server.Stop(); u.server.Sweep() })
	u.log = logFile(u.server.Data + ".log")
	u.dir = u.sh(t, "mktemp -d")
	t.Cleanup(func() { u.sh(t, "rm -rf "+u.dir) })
	_, err = u.AttachCompute(t.Context(), "default", client.Compute{Name: "far", Kind: "sshvm", Shared: true, Options: map[string]any{
		"address": u.address, "administratorAccount.username": u.user, "administratorAccount.password": u.password, "slots": 4, "workDirectory": u.dir + "/work",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *upgrade) start(t testing.TB, o rig.Options) {
	t.Helper()
	s, err := rig.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	u.server, u.Client = s, s.C
}

// submit has a command run on the machine, and waits until its log says that it is there.
func (u *upgrade) submit(t testing.TB, says string, command ...string) string {
	t.Helper()
	r, err := u.Submit(t.Context(), "default", client.RunRequest{Compute: "far", Command: command})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run to say "+says, func() bool { return strings.Contains(u.text(t, r.ID), says) })
	return r.ID
}

// text is a run's log as it is now.
func (u *upgrade) text(t testing.TB, id string) string {
	t.Helper()
	in, err := u.RunLog(t.Context(), "default", id, client.LogOptions{})
	if err != nil {
		return ""
	}
	defer in.Close()
	b, _ := io.ReadAll(in)
	return string(b)
}

// TestUpgradeWithRunsOnAMachine: jobs that a server and an agent of an older version began go on under those of this one,
// which has their logs whole, takes what they log, sees how they end, ends them, and leaves nothing of either version.
func TestUpgradeWithRunsOnAMachine(t *testing.T) {
	t.Parallel()
	realMachine(t)
	for _, from := range []struct{ reason, file string }{
		{"before runs kept what they log", "internal/agent/spool.go"},
		{"soon after machines had runs", "internal/driver/hdinsight/hdinsight.go"},
	} {
		t.Run(from.reason, func(t *testing.T) {
			t.Parallel()
			beginUpgrade(t, before(t, from.file)).from(t)
		})
	}
}

// from replaces the server, and looks at all that its runs do.
func (u *upgrade) from(t *testing.T) {
	logs := u.submit(t, "step 5\n", "python3", "-c", logOn, u.dir+"/go")
	ends := u.submit(t, "BEGUN", "sh", "-c", `echo BEGUN; until test -e "$0"; do sleep 0.1; done; mkdir -p outputs; echo kept >outputs/model; echo ENDED; exit 3`, u.dir+"/end")
	hangs := u.submit(t, "BEGUN", "sh", "-c", `echo BEGUN $$; exec sleep 987`)
	pid := strings.TrimSpace(strings.TrimPrefix(u.text(t, hangs), "BEGUN "))
	held := u.submit(t, "BEGUN", "sh", "-c", `echo BEGUN; until test -e "$0"; do sleep 0.1; done`, u.dir+"/go")
	waits, err := u.Submit(t.Context(), "default", client.RunRequest{Compute: "far", Command: []string{"echo", "it was its turn"}}) // all slots are taken
	if err != nil {
		t.Fatal(err)
	}

	agent := func() string {
		return u.sh(t, "sha256sum $(ls -d "+filepath.Join(u.dir, "work", "*", "*")+" | grep agent) | cut -d' ' -f1")
	}
	was := agent()
	u.server.Stop()
	u.sh(t, "touch "+u.dir+"/end; kill -0 "+pid)
	bin, err := binaries()
	if err != nil {
		t.Fatal("build zaffre:", err)
	}
	o := u.server.Options
	o.Bin = bin
	u.start(t, o)

	if text := u.finished(t, ends, "Failed"); text != "BEGUN\nENDED\n" {
		t.Errorf("the log of the run that ended between the servers is %q", text)
	}
	if got := u.output(t, ends, "outputs/model"); got != "kept\n" {
		t.Errorf("its output is %q", got)
	}
	n := u.points(t, logs)
	eventually(t, "points after the upgrade", func() bool { return u.points(t, logs) > n+5 })
	if got := u.state(t, held); got != "Running" {
		t.Errorf("a run that goes on is %s", got)
	}
	if _, err := u.CancelRun(t.Context(), "default", hangs); err != nil {
		t.Fatal(err)
	}
	u.finished(t, hangs, "Canceled")
	u.sh(t, "! kill -0 "+pid+" 2>/dev/null")
	if text := u.finished(t, waits.ID, "Completed"); text != "it was its turn\n" {
		t.Errorf("the log of the run that waited is %q", text)
	}
	if is := agent(); is == was {
		t.Error("the machine has the old agent still")
	}
	u.sh(t, "touch "+u.dir+"/go")
	u.finished(t, held, "Completed")
	u.loggedAll(t, logs)
	u.leavesNothing(t)
}

// output returns a file that a run left.
func (u *upgrade) output(t testing.TB, id, name string) string {
	t.Helper()
	in, err := u.OpenArtifact(t.Context(), "default", id, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// points returns how many points a run has logged.
func (u *upgrade) points(t testing.TB, id string) (n int64) {
	t.Helper()
	list, err := u.Metrics(t.Context(), "default", id)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		n += m.Points
	}
	return n
}

// loggedAll waits for the end of logOn: each of its lines is there once and in order, and each of its points.
func (u *upgrade) loggedAll(t testing.TB, id string) {
	t.Helper()
	log, refused, _ := strings.Cut(u.finished(t, id, "Completed"), "REFUSED ")
	steps := strings.Count(log, "step ")
	var want strings.Builder
	for i := range steps {
		fmt.Fprintf(&want, "step %d\n", i)
	}
	fmt.Fprintf(&want, "LOGGED %d\n", steps)
	if log != want.String() {
		t.Errorf("the log of %d steps is:\n%s", steps, log)
	}
	if got := u.series(t, id); got != int64(steps) {
		t.Errorf("%d points are there of %d", got, steps)
	}
	t.Logf("%d steps; refused while no server was there: %s", steps, strings.TrimSpace(refused))
	if r, err := u.Run(t.Context(), "default", id); err != nil || len(r.Attempts) != 1 {
		t.Errorf("the run had attempts %+v, %v", r.Attempts, err)
	}
}

// series returns how many points a run has, which are in order.
func (u *upgrade) series(t testing.TB, id string) (n int64) {
	t.Helper()
	for p, err := range u.Series(t.Context(), "default", id, "loss", 0) {
		if err != nil || p.Step != n {
			t.Fatalf("step %d stands where %d should: %v", p.Step, n, err)
		}
		n++
	}
	return n
}

// leavesNothing detaches the machine, and looks at it without zaffre.
func (u *upgrade) leavesNothing(t testing.TB) {
	t.Helper()
	if _, err := u.DetachCompute(t.Context(), "default", "far", client.DetachOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the detach", func() bool {
		_, err := u.Compute(t.Context(), "default", "far")
		return client.CodeOf(err) == client.CodeNotFound
	})
	left := ""
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		left = u.sh(t, "find "+u.dir+"/work 2>/dev/null; pgrep -af "+u.dir+"/work | grep -v pgrep; true")
		if left == "" {
			return
		}
	}
	t.Errorf("the machine has still:\n%s", left)
}
