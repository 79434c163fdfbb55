package databricks_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// TestSecretsDoNotStay: the variables of a run are gone from the workspace when it begins.
func TestSecretsDoNotStay(t *testing.T) {
	t.Parallel()
	bin, err := simulator()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	d, err := rig.StartDatabricks(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	c := connect(t, target(d, "dbfs:/zaffre"))
	j := drivertest.NewJob("sh", "-c", `test "$KEY" = v4lue-canary`)
	j.Env = map[string]string{"KEY": "v4lue-canary"}
	if st := drivertest.Await(t, c, drivertest.Started(t, c, j), drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the job is %+v", st)
	}
	_ = filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if b, _ := os.ReadFile(name); strings.Contains(string(b), "canary") {
				t.Errorf("%s still has the variable", name)
			}
		}
		return nil
	})
}

// files is code in memory.
type files map[string]string

func (f files) Manifest(context.Context) ([]driver.File, error) {
	var list []driver.File
	for path, text := range f {
		sum := sha256.Sum256([]byte(text))
		list = append(list, driver.File{Path: path, Mode: 0o644, Size: int64(len(text)), Hash: hex.EncodeToString(sum[:])})
	}
	return list, nil
}

func (f files) OpenHash(_ context.Context, hash string) (io.ReadCloser, error) {
	for _, text := range f {
		if sum := sha256.Sum256([]byte(text)); hex.EncodeToString(sum[:]) == hash {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	return nil, os.ErrNotExist
}

// TestMuch: code, log and outputs that do not fit into one request, and a log that is read while it grows.
func TestMuch(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"dbfs:/zaffre", "/Volumes/main/default/zaffre"} {
		d := start(t)
		c := connect(t, target(d, folder))
		code := files{"big.bin": random(3 << 20), "lib/helper.py": "X = 'imported'\n", "main.py": `
import sys, os, time
from lib import helper
data = open("big.bin", "rb").read()
print(helper.X, len(data), sys.argv[1:], os.environ["V"], flush=True)
open("outputs/copy.bin", "wb").write(data)
while not os.path.exists(sys.argv[1]): time.sleep(0.05)
sys.stdout.write("y" * 2500000)
`}
		mark := filepath.Join(t.TempDir(), "go on")
		j := drivertest.NewJob("python", "main.py", mark)
		j.Files, j.Env = code, map[string]string{"V": "w"}
		fail(t, d, rig.Fault{Path: "/api/2.0/dbfs/add-block", Kind: "lost", Times: 1})
		h := drivertest.Started(t, c, j)
		first := fmt.Sprintf("imported %d ['%s'] w\n", 3<<20, mark)
		for got := ""; got != first; {
			if got = drivertest.Log(t, c, h, 0); got != "" && got != first {
				t.Fatalf("the log begins with %q, want %q", got, first)
			}
		}
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
			t.Fatalf("the job is %+v: %s", st, drivertest.Log(t, c, h, 0))
		}
		if got := drivertest.Log(t, c, h, int64(len(first))); got != strings.Repeat("y", 2500000) {
			t.Errorf("the log's rest has %d bytes", len(got))
		}
		outputs := c.(driver.Outputs)
		r, err := outputs.OpenOutput(t.Context(), h, "outputs/copy.bin", 1<<20+1)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != code["big.bin"][1<<20+1:] {
			t.Errorf("the output has %d bytes, %v", len(b), err)
		}
		r.Close()
	}
}

func random(n int) string {
	out := make([]byte, 0, n)
	for sum := sha256.Sum256(nil); len(out) < n; sum = sha256.Sum256(sum[:]) {
		out = append(out, sum[:]...)
	}
	return string(out[:n])
}

func TestNotebooks(t *testing.T) {
	t.Parallel()
	d := start(t)
	c := connect(t, target(d, "dbfs:/zaffre"))
	post(t, d, "/api/2.0/workspace/import", `{"path": "/Users/ada/train", "format": "SOURCE", "language": "PYTHON",
		"content": "ZGJ1dGlscy5ub3RlYm9vay5leGl0KCJydW4gIiArIGRidXRpbHMud2lkZ2V0cy5nZXQoInJhdGUiKSkK"}`)
	h := drivertest.Started(t, c, withOptions(drivertest.NewJob("/Users/ada/train"), map[string]any{"task": "notebook", "baseParameters": map[string]any{"rate": 0.5}}))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the notebook is %+v", st)
	}
	if got := drivertest.Log(t, c, h, 4); got != "0.5" {
		t.Errorf("from offset 4 its log is %q", got)
	}
	h = drivertest.Started(t, c, withOptions(drivertest.NewJob("/Users/ada/none"), map[string]any{"task": "notebook"}))
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobFailed || st.Reason != "NotInWorkspace" || !strings.Contains(st.Message, "/Users/ada/none") {
		t.Errorf("a notebook that is not there is %+v", st)
	}
}

// compiled returns a JAR of testdata/Hello.java.
func compiled(t *testing.T) []byte {
	t.Helper()
	javac, err := exec.LookPath("javac")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "spark") { // whose engine brings Java
			t.Fatal("TEST_REQUIRE names spark, and there is no javac")
		}
		t.Skip("needs a Java Development Kit, which makes and runs JARs: install Debian's openjdk-17-jdk-headless")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), javac, "--release", "8", "-Xlint:-options", "-d", dir, filepath.Join("testdata", "Hello.java")).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v: %s", err, out)
	}
	class, err := os.ReadFile(filepath.Join(dir, "Hello.class"))
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.Create("Hello.class")
	if err == nil {
		_, err = w.Write(class)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}

func TestJars(t *testing.T) {
	t.Parallel()
	jar := compiled(t)
	d := start(t)
	c := connect(t, with(target(d, "dbfs:/zaffre"), map[string]any{"cluster": nil, "newCluster": map[string]any{"spark_version": "15.4.x-scala2.12", "node_type_id": "n"}}))
	upload(t, d, "/hello.jar", jar)
	j := withOptions(drivertest.NewJob("Hello", "two words", ""), map[string]any{"task": "jar", "libraries.jar": []any{"dbfs:/hello.jar"}})
	j.Env = map[string]string{"GREETING": "hi", "ZAFFRE_RUN_ID": "r"}
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Errorf("the JAR is %+v", st)
	}
	if got := drivertest.Log(t, c, h, 0); got != "hi [two words, ]\n" {
		t.Errorf("its log is %q", got)
	}
}

func upload(t *testing.T, d *rig.Databricks, path string, b []byte) {
	t.Helper()
	post(t, d, "/api/2.0/dbfs/put", fmt.Sprintf(`{"path": %q, "contents": %q}`, path, base64.StdEncoding.EncodeToString(b)))
}

func TestWhatAnEnvironmentBecomes(t *testing.T) {
	t.Parallel()
	d := start(t)
	builder := connect(t, target(d, "dbfs:/zaffre")).(driver.EnvBuilder)
	definition := driver.Definition{
		Conda: []byte("dependencies: [python=3.10, scikit-learn=1.5, ffmpeg, {pip: [azureml-core, '--extra-index-url https://u:canary@h/', './local', 'x @ https://h/x.whl']}]"),
		Pip:   []string{"requests[socks]>=2 ; python_version > '3'", "# a comment", "-r more.txt"},
	}
	const digest = "d1"
	if err := builder.Build(t.Context(), digest, definition); err != nil {
		t.Fatal(err)
	}
	st, err := builder.BuildStatus(t.Context(), digest)
	if err != nil || st.State != driver.BuildDone {
		t.Fatalf("the build is %+v, %v", st, err)
	}
	warnings := strings.Join(st.Warnings, "\n")
	for _, want := range []string{"Python 3.10 is not installed", "ffmpeg is left out", "--extra-index-url is left out", "./local is left out", "-r is left out"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning says %q:\n%s", want, warnings)
		}
	}
	r, err := builder.BuildLog(t.Context(), digest, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	log := string(b)
	for _, want := range []string{"  scikit-learn==1.5.*\n", "  azureml-core\n", "  x @ https://h/x.whl\n", "  requests[socks]>=2 ; python_version > '3'\n"} {
		if err != nil || !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %v\n%s", want, err, log)
		}
	}
	if strings.Contains(log, "  pip\n") || strings.Contains(log, "setuptools") {
		t.Errorf("a cluster's own tools are installed again:\n%s", log)
	}
	if strings.Contains(log+warnings, "canary") {
		t.Errorf("a password of an index is shown:\n%s", log)
	}
	for _, d := range []driver.Definition{{Dockerfile: []byte("FROM x")}, {BaseImage: "x"}, {Exact: true, Python: "3.10"}} {
		drivertest.WantReason(t, builder.Build(t.Context(), "d2", d), fault.Invalid, "EnvironmentUnsupported")
	}
}
