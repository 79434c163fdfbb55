package hdinsight_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// code is the code of a run: one script.
type code string

func (c code) Manifest(context.Context) ([]driver.File, error) {
	return []driver.File{{Path: "train.py", Mode: 0o644, Size: int64(len(c)), Hash: c.hash()}}, nil
}

func (c code) hash() string {
	sum := sha256.Sum256([]byte(c))
	return hex.EncodeToString(sum[:])
}

func (c code) OpenHash(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(c))), nil
}

// begin makes a session that says which it is.
const begin = `
import os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("session", spark.sparkContext.applicationId, spark.sparkContext.master, flush=True)
`

// job runs a script by Spark, in the Python that Spark came with.
func job(text string, options map[string]any, args ...string) driver.Job {
	run := id.New()
	return driver.Job{
		ID: "z-" + run + "-1", Run: run, Attempt: 1, Command: append([]string{"python", "train.py"}, args...), Files: code(text),
		Options: options, Runtime: driver.Runtime{Python: os.Getenv("PYSPARK_PYTHON")},
	}
}

func start(t *testing.T, c driver.Runner, j driver.Job) driver.Handle {
	t.Helper()
	h, err := c.Start(t.Context(), j)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return h
}

// await polls until ok is true.
func await(t *testing.T, c driver.Runner, h driver.Handle, what string, ok func(driver.JobStatus) bool) driver.JobStatus {
	t.Helper()
	var st driver.JobStatus
	var err error
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if st, err = c.Poll(t.Context(), h); err != nil {
			t.Fatalf("Poll: %v", err)
		}
		if ok(st) {
			return st
		}
		if st.State.Final() {
			break
		}
	}
	t.Fatalf("waited in vain for %s: %+v\n%s", what, st, logOf(t, c, h))
	return st
}

func final(st driver.JobStatus) bool { return st.State.Final() }
func named(st driver.JobStatus) bool { return strings.Contains(st.Message, "application of Spark: ") }

func logOf(t *testing.T, c driver.Conn, h driver.Handle) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := c.(driver.LogReader).ReadLog(ctx, h, 0)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	b, _ := io.ReadAll(r)
	return string(b)
}

// applications returns what the master says of the running ones.
func applications(t *testing.T) string {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, os.Getenv("ENGINES_SPARK_UI")+"/json/", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	running, _, _ := bytes.Cut(b, []byte(`"completedapps"`))
	_, running, _ = bytes.Cut(running, []byte(`"activeapps"`))
	return string(running)
}

func TestSparkRun(t *testing.T) {
	target := with(own(t, head(t)), "resourceId", "/subscriptions/S/resourceGroups/G/providers/Microsoft.HDInsight/clusters/mine")
	c := connect(t, target)
	if o, err := c.Observe(t.Context()); err != nil || o.Facts["cluster"] != "mine" || o.Facts["spark.version"] == "" {
		t.Errorf("Observe: %v, %v", err, o.Facts)
	}
	h := start(t, c, job(begin+`
n = spark.range(1000).selectExpr("sum(id)").first()[0]
os.makedirs("outputs", exist_ok=True)
open("outputs/sum.txt", "w").write(str(n))
print("args", sys.argv[1:], "conf", spark.conf.get("spark.zaffre.test"), spark.conf.get("spark.executor.memory"), sys.executable, flush=True)
`, map[string]any{"executorMemory": "512m", "conf": map[string]any{"spark.zaffre.test": float64(7), "spark.ui.enabled": false}}, "--lr", "a b"))
	st := await(t, c, h, "the end", final)
	log := logOf(t, c, h)
	if st.State != driver.JobDone || !named(st) {
		t.Errorf("the job is %+v\n%s", st, log)
	}
	_, app, _ := strings.Cut(st.Message, "application of Spark: ")
	for _, want := range []string{"session " + app + " spark://", "args ['--lr', 'a b'] conf 7 512m " + os.Getenv("PYSPARK_PYTHON")} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	r, err := c.(driver.Outputs).OpenOutput(t.Context(), h, "outputs/sum.txt", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, _ := io.ReadAll(r); string(b) != "499500" {
		t.Errorf("the output is %q", b)
	}
}

func TestSparkFails(t *testing.T) {
	c := connect(t, own(t, with(head(t), "master", "local[1]")))
	for name, j := range map[string]driver.Job{
		"exception": job(begin+"raise SystemExit(3)", nil),
		"no script": {Command: []string{"python", "absent.py"}},
	} {
		run := id.New()
		j.ID, j.Run, j.Attempt = "z-"+run+"-1", run, 1
		h := start(t, c, j)
		if st := await(t, c, h, "the end", final); st.State != driver.JobFailed || st.Reason != "ExitCode" {
			t.Errorf("%s: the job is %+v\n%s", name, st, logOf(t, c, h))
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	target := own(t, head(t))
	c := connect(t, target)
	for _, tt := range []struct {
		options map[string]any
		reason  string
	}{
		{map[string]any{"deployMode": "cluster"}, "DeployModeUnsupported"},
		{map[string]any{"deployMode": "both"}, "OptionInvalid"},
		{map[string]any{"conf": map[string]any{"x": "y"}}, "OptionInvalid"},
		{map[string]any{"conf": map[string]any{"spark.master": "local"}}, "OptionInvalid"},
		{map[string]any{"conf": map[string]any{"spark.x": []any{}}}, "OptionInvalid"},
		{map[string]any{"jars": []any{"--master"}}, "OptionInvalid"},
		{map[string]any{"pyFiles": []any{"train.py", "lib.zip"}}, "OptionInvalid"}, // the second is not in the code
		{map[string]any{"queue": "default"}, "OptionInvalid"},                      // of a standalone master
	} {
		if _, err := c.Start(t.Context(), job("", tt.options)); fault.ReasonOf(err) != tt.reason || fault.From(err).Fix == "" {
			t.Errorf("%v: %v, want %s", tt.options, err, tt.reason)
		}
	}
	if _, err := connect(t, with(target, "sparkHome", "/no/such")).Start(t.Context(), job("", nil)); fault.ReasonOf(err) != "SparkMissing" {
		t.Errorf("without spark-submit: %v", err)
	}
	image := job("", nil)
	image.Runtime = driver.Runtime{Image: "x"}
	if _, err := c.Start(t.Context(), image); fault.ReasonOf(err) != "ImagesUnsupported" {
		t.Errorf("in an image: %v", err)
	}
}

// TestCancelEndsTheApplication looks at the master, before and after.
func TestCancelEndsTheApplication(t *testing.T) {
	c := connect(t, own(t, head(t)))
	j := job(begin+"time.sleep(600)", nil)
	h := start(t, c, j)
	st := await(t, c, h, "the application", named)
	_, app, _ := strings.Cut(st.Message, "application of Spark: ")
	if !strings.Contains(applications(t), app) {
		t.Errorf("the master does not know %s: %s", app, applications(t))
	}
	if _, err := c.Start(t.Context(), j); err != nil { // whose answer was lost
		t.Errorf("Start again: %v", err)
	}
	if n := strings.Count(applications(t), j.ID); n != 1 {
		t.Errorf("the master has it %d times", n)
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := await(t, c, h, "the end", final); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v", st)
	}
	gone(t, app)
}

func gone(t *testing.T, app string) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); strings.Contains(applications(t), app); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the master still runs %s", app)
		}
	}
}

// TestDriverKilled: somebody kills the driver on the head node.
func TestDriverKilled(t *testing.T) {
	c := connect(t, own(t, head(t)))
	j := job(begin+"time.sleep(600)", nil)
	h := start(t, c, j)
	st := await(t, c, h, "the application", named)
	_, app, _ := strings.Cut(st.Message, "application of Spark: ")
	if out, err := exec.CommandContext(t.Context(), "pkill", "-KILL", "-f", "SparkSubmit.*"+j.ID).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if st := await(t, c, h, "the end", final); st.State != driver.JobFailed || st.Reason != "Signaled" || st.Signal != 9 {
		t.Errorf("the job is %+v", st)
	}
	gone(t, app)
}

// TestMasterKilled: the master dies and comes back while a run goes on.
func TestMasterKilled(t *testing.T) {
	target := own(t, head(t))
	c := connect(t, target)
	h := start(t, c, job(begin+"time.sleep(600)", nil))
	await(t, c, h, "the application", named)
	engine(t, "crash")
	if _, err := connect(t, target).Observe(t.Context()); fault.ReasonOf(err) != "MasterAway" {
		t.Errorf("Observe without a master: %v", err)
	}
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobRunning {
		t.Errorf("without a master the job is %+v, %v", st, err)
	}
	engine(t, "up")
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobRunning {
		t.Errorf("with another master the job is %+v, %v", st, err)
	}
	if err := c.Cancel(t.Context(), h); err != nil { // a master without recovery knows it no more: it may wait for ever
		t.Fatal(err)
	}
	await(t, c, h, "the end", final)
	if o, err := connect(t, target).Observe(t.Context()); err != nil || !o.Ready {
		t.Errorf("Observe with the master again: %v", err)
	}
}

func engine(t *testing.T, verb string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bash", os.Getenv("ENGINES_SPARK"), verb).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", verb, err, out)
	}
}

// TestDiskFull: the work directory takes nothing more.
func TestDiskFull(t *testing.T) {
	target := head(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	small := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=256m", "small", small).CombinedOutput(); err != nil {
		t.Skipf("no small disk: %s", out)
	}
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", "-l", small).Run() })
	target = own(t, with(target, "workDirectory", small))
	c := connect(t, target)
	plain := func() driver.Job {
		j := job("", nil)
		j.Command = []string{"true"}
		return j
	}
	await(t, c, start(t, c, plain()), "the end", final)
	_ = exec.CommandContext(t.Context(), "dd", "if=/dev/zero", "of="+filepath.Join(small, "fill"), "bs=1M").Run()
	if _, err := c.Start(t.Context(), plain()); fault.ReasonOf(err) != "DiskFull" {
		t.Errorf("Start on a full disk: %v", err)
	}
	if o, err := c.Observe(t.Context()); err == nil && o.Ready || err != nil && fault.ReasonOf(err) != "DiskFull" {
		t.Errorf("Observe of a full disk: %v, %+v", err, o.Checks)
	}
}
