package hdinsight_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// packages prints where the driver and an executor have their Python and a package of the environment.
const packages = begin + `
import humanize
def where(_):
    import humanize, os, sys
    return [sys.prefix, os.path.realpath(sys.prefix), os.path.dirname(humanize.__file__), os.getcwd(), os.environ.get("CONTAINER_ID", "none"), ",".join(os.listdir("mine") if os.path.exists("mine") else [])]
there = spark.sparkContext.parallelize([0], 1).map(where).first()
print("|".join(["driver", *where(0)]), flush=True)
print("|".join(["executor", *there]), flush=True)
`

// built has an environment built on the head node.
func built(t *testing.T, c driver.Conn, digest string, d driver.Definition) driver.Runtime {
	t.Helper()
	b := c.(driver.EnvBuilder)
	if err := b.Build(t.Context(), digest, d); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		st, err := b.BuildStatus(t.Context(), digest)
		switch {
		case err != nil:
			t.Fatal(err)
		case st.State == driver.BuildDone:
			return st.Runtime
		case st.State != driver.BuildRunning:
			t.Fatalf("the build is %+v", st)
		}
	}
	t.Fatal("the build does not end")
	return driver.Runtime{}
}

// fields returns what a line of packages says: prefix, where that really is, package, folder, container, the run's own
// archive.
func fields(t *testing.T, text, who string) []string {
	t.Helper()
	for line := range strings.Lines(text) {
		if f := strings.Split(strings.TrimSpace(line), "|"); len(f) == 7 && f[0] == who {
			return f[1:]
		}
	}
	t.Fatalf("the %s says nothing:\n%s", who, text)
	return nil
}

// archive makes one that a run names itself.
func archive(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "own.tar.gz")
	if out, err := exec.CommandContext(t.Context(), "tar", "-czf", file, "yarn_test.go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// inContainer checks that a Python is the archive's, in the folder of a container, which has the run's own archive too.
func inContainer(t *testing.T, f []string) {
	t.Helper()
	prefix, place, pkg, dir, container := f[0], f[1], f[2], f[3], f[4]
	local := filepath.Join(filepath.Dir(os.Getenv("TEST_YARN")), "local") + "/"
	if prefix != dir+"/environment" || !strings.HasPrefix(pkg, prefix+"/") || !strings.HasSuffix(dir, "/"+container) || !strings.HasPrefix(dir, local) || !strings.HasPrefix(place, local) || f[5] != "yarn_test.go" {
		t.Errorf("its Python is not that of its container: %q, below %s", f, local)
	}
}

// containers returns what the containers of an application printed.
func containers(t *testing.T, app string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("ENGINES_YARN_LOGS"), app, "*", "stdout"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s printed nothing: %v", app, err)
	}
	var out strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	return out.String()
}

// TestYARNEnvironment: what runs on other machines has the environment by an archive, which is packed once.
func TestYARNEnvironment(t *testing.T) {
	target := onYARN(t)
	target.Tools = tools(t)
	c := connect(t, target)
	env := built(t, c, strings.Repeat("e", 64), driver.Definition{Python: "3.11", Pip: []string{"humanize==4.9.0"}})
	own := archive(t)
	ran := func(mode string) (driver.JobStatus, string) {
		j := yarnJob(packages, map[string]any{"deployMode": mode, "archives": []any{own + "#mine"}})
		j.Runtime = env
		h := start(t, c, j)
		st := await(t, c, h, "the end", final)
		log := logOf(t, c, h)
		if st.State != driver.JobDone {
			t.Fatalf("in mode %s the job is %+v\n%s", mode, st, log)
		}
		return st, log
	}
	j := yarnJob(packages, map[string]any{"archives": []any{own + "#environment"}})
	j.Runtime = env
	if _, err := c.Start(t.Context(), j); fault.ReasonOf(err) != "OptionInvalid" {
		t.Errorf("with an archive of the same name: %v", err)
	}
	_, log := ran("client")
	if !strings.Contains(log, "packing the environment") {
		t.Errorf("the first run does not say that it packs:\n%s", log)
	}
	if f := fields(t, log, "driver"); f[0] != env.Prefix || f[4] != "none" {
		t.Errorf("the driver on the head node has %q, not %s", f, env.Prefix)
	}
	inContainer(t, fields(t, log, "executor"))

	st, log := ran("cluster")
	if strings.Contains(log, "packing the environment") {
		t.Error("the second run packs again")
	}
	_, app, _ := strings.Cut(st.Message, "application of Spark: ")
	said := containers(t, app)
	inContainer(t, fields(t, said, "driver"))
	inContainer(t, fields(t, said, "executor"))
}

// TestYARNWorkerPython: where the workers have a Python of their own, it is theirs, of the driver in mode cluster too.
func TestYARNWorkerPython(t *testing.T) {
	target := onYARN(t)
	target.Tools = tools(t)
	c := connect(t, with(target, "workerPython", os.Getenv("PYSPARK_PYTHON")))
	j := yarnJob(begin+`
theirs = spark.sparkContext.parallelize([0], 1).map(lambda _: sys.executable).first()
print("|".join(["driver", sys.executable, "executor", theirs]), flush=True)
`, map[string]any{"deployMode": "cluster"})
	j.Runtime = built(t, c, strings.Repeat("f", 64), driver.Definition{Python: "3.11"})
	h := start(t, c, j)
	st := await(t, c, h, "the end", final)
	if st.State != driver.JobDone {
		t.Fatalf("the job is %+v\n%s", st, logOf(t, c, h))
	}
	_, app, _ := strings.Cut(st.Message, "application of Spark: ")
	own := os.Getenv("PYSPARK_PYTHON")
	if said, want := containers(t, app), "driver|"+own+"|executor|"+own; !strings.Contains(said, want) {
		t.Errorf("they have %q, not %q", said, want)
	}
	if left, _ := filepath.Glob(j.Runtime.Prefix + "/environment.tar.gz*"); len(left) > 0 {
		t.Errorf("it was packed for nobody: %q", left)
	}
}

// tools returns the server's folder for programs, which tests share: what is in it is downloaded once.
func tools(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	return filepath.Join(dir, "zaffre-test", "tools")
}
