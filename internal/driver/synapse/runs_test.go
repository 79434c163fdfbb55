package synapse_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// TestSpark runs a script that uses the pool's Spark, with settings, a file to import, and an output.
func TestSpark(t *testing.T) {
	endpoint, folder := livy(t)
	more := filepath.Join(folder, "more.py")
	if err := os.WriteFile(more, []byte("X = 'imported'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := connect(t, target(endpoint, folder))
	j := withOptions(drivertest.NewJob("python", "-c", `
from pyspark.sql import SparkSession
import more
s = SparkSession.builder.getOrCreate()
print(more.X, s.range(10).count(), s.conf.get("spark.zaffre.answer"), s.sparkContext.appName)
open("outputs/x", "w").write("y")`), map[string]any{"conf": map[string]any{"spark.zaffre.answer": 42}, "pyFiles": []any{"file://" + more}, "driverMemory": "512m"})
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Fatalf("the job is %+v\n%s", st, drivertest.Log(t, c, h, 0))
	}
	if log := drivertest.Log(t, c, h, 0); !strings.Contains(log, "imported 10 42 "+j.ID+"\n") {
		t.Errorf("its log is %q", log)
	}
	list, err := c.(driver.Outputs).ListOutputs(t.Context(), h)
	if err != nil || len(list) != 1 || list[0].Path != "outputs/x" {
		t.Errorf("its outputs are %+v, %v", list, err)
	}
}

// TestJars runs a JAR that every Spark has.
func TestJars(t *testing.T) {
	endpoint, folder := livy(t)
	jars, _ := filepath.Glob(filepath.Join(os.Getenv("ENGINES_SPARK_HOME"), "jars", "spark-core_*.jar"))
	if len(jars) != 1 {
		t.Skip("needs the JARs of the endpoint's Spark, in ENGINES_SPARK_HOME")
	}
	jar := filepath.Join(folder, "core.jar")
	b, err := os.ReadFile(jars[0])
	if err != nil || os.WriteFile(jar, b, 0o644) != nil {
		t.Fatal(err)
	}
	c := connect(t, target(endpoint, folder))
	h := drivertest.Started(t, c, withOptions(drivertest.NewJob("file://"+jar, "--version"), map[string]any{"className": "org.apache.spark.deploy.SparkSubmit"}))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone || st.Ended.IsZero() {
		t.Errorf("the JAR is %+v", st)
	}
	if log := drivertest.Log(t, c, h, 0); !strings.Contains(log, "Welcome to") {
		t.Errorf("its log is %q", log)
	}
	h = drivertest.Started(t, c, withOptions(drivertest.NewJob("file://"+jar), map[string]any{"className": "no.such.Class"}))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.Reason != "RunFailed" || !strings.Contains(st.Message, "no.such.Class") {
		t.Errorf("a JAR without the class is %+v", st)
	}
}

// TestByURL: the pool only reads the folder, over HTTP.
func TestByURL(t *testing.T) {
	endpoint, _ := livy(t)
	folder := t.TempDir()
	s := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(s.Close)
	c := connect(t, with(target(endpoint, folder), map[string]any{"folderUrl": s.URL}))
	j := drivertest.NewJob("sh", "-c", `echo "$KEY"; exit 3`)
	j.Env = map[string]string{"KEY": "by URL"}
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.Reason != "RunFailed" {
		t.Errorf("the job is %+v", st)
	}
	if log := drivertest.Log(t, c, h, 0); !strings.Contains(log, "by URL\n") {
		t.Errorf("its log is %q", log)
	}
	h = drivertest.Started(t, c, drivertest.NewJob("true"))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v\n%s", st, drivertest.Log(t, c, h, 0))
	}
}

// machine is a host whose files are those of a folder here.
type machine struct{ driver.Host }

func (machine) FS() driver.FS { return files{} }

type files struct{}

func (files) OpenFile(_ context.Context, name string, offset int64) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, gone(err)
	}
	_, err = f.Seek(offset, io.SeekStart)
	return f, err
}

func (files) WriteFile(_ context.Context, name string, mode fs.FileMode, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o755)
	}
	if err == nil {
		err = os.WriteFile(name, b, mode)
	}
	return err
}

func (files) ReadDir(_ context.Context, name string) (out []fs.FileInfo, err error) {
	list, err := os.ReadDir(name)
	for _, e := range list {
		if fi, err := e.Info(); err == nil {
			out = append(out, fi)
		}
	}
	return out, gone(err)
}

func (files) RemoveAll(_ context.Context, name string) error { return os.RemoveAll(name) }

func gone(err error) error {
	if os.IsNotExist(err) {
		return &fault.Error{Code: fault.NotFound, Reason: "FileNotFound", What: "there is no file", Why: err.Error(), Fix: "none"}
	}
	return err
}

// TestOnAMachine: the pool runs on another target's machine, and sees the folder under another path than that.
func TestOnAMachine(t *testing.T) {
	endpoint, folder := livy(t)
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(folder, alias); err != nil {
		t.Fatal(err)
	}
	on := with(target(endpoint, alias), map[string]any{"folderUrl": "file://" + folder})
	on.On = map[string][]driver.Conn{"host": {machine{}}}
	c := connect(t, on)
	if o, err := c.Observe(t.Context()); err != nil || !o.Ready {
		t.Fatalf("the target is %+v, %v", o, err)
	}
	h := drivertest.Started(t, c, drivertest.NewJob("sh", "-c", "echo there; echo kept > outputs/x"))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	if log := drivertest.Log(t, c, h, 0); log != "there\n" {
		t.Errorf("its log is %q", log)
	}
	r, err := c.(driver.Outputs).OpenOutput(t.Context(), h, "outputs/x", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "pt\n" {
		t.Errorf("its output from offset 2 is %q, %v", b, err)
	}
	items, err := c.(driver.Cleaner).Clean(t.Context(), false)
	if err != nil || len(items) != 2 {
		t.Errorf("it cleaned %+v, %v", items, err)
	}
}
