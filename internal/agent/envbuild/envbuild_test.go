package envbuild_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/conda"
)

// The definition that azureml-core 1.60 sends for CondaDependencies.create(conda_packages=
// ["scikit-learn"]), with a host that nobody has instead of the index's old one.
const sdkSpec = `{"name": "project_environment", "dependencies": ["python=VERSION", {"pip": [
"--find-links https://pypi.python.example/simple/index.html", "--extra-index-url https://pypi.python.example/simple",
"azureml-defaults"]}, "scikit-learn"], "channels": ["anaconda", "conda-forge"]}`

func translated(t *testing.T, digest, spec string) wire.Build {
	t.Helper()
	p, err := conda.Translate([]byte(spec), nil)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Build{
		Digest: digest, Python: p.Python, Exact: true, Requirements: p.Requirements, PipOnly: p.Pip,
		Conda: p.Conda, ChannelOnly: p.ChannelOnly, Notes: p.Notes,
	}
}

func TestDefinitionOfTheSDK(t *testing.T) {
	root := withUV(t)
	all := envbuild.Interpreters(t.Context(), root, nil)
	for _, minor := range []string{"3.8", "3.9", "3.10", "3.11", "3.12"} {
		t.Run(minor, func(t *testing.T) {
			has := false
			for _, p := range all {
				has = has || strings.HasPrefix(p.Version, minor+".")
			}
			if !has {
				t.Skipf("this machine has no Python %s", minor)
			}
			b := translated(t, "sdk-"+strings.ReplaceAll(minor, ".", ""), strings.ReplaceAll(sdkSpec, "VERSION", minor+".18"))
			r, log := mustBuild(t, root, b)
			if r.Way != envbuild.WayUV || !strings.HasPrefix(r.Version, minor+".") || len(r.Warnings) > 0 {
				t.Errorf("result = %+v, want way uv, Python %s and no warnings", r, minor)
			}
			if !strings.Contains(log, "any Python "+minor+" serves") || !strings.Contains(log, "default option --find-links is dropped") {
				t.Errorf("the log lacks the notes:\n%s", log)
			}
			got := python(t, r, `import warnings; warnings.simplefilter("ignore")
import azureml.core, sklearn, pkg_resources, setuptools, importlib.util, sys
print(sys.version_info[1], int(setuptools.__version__.split(".")[0]) < 81, all(map(importlib.util.find_spec, ["pip", "wheel"])))`)
			if want := strings.TrimPrefix(minor, "3.") + " True True"; got != want {
				t.Errorf("python printed %q, want %q", got, want)
			}
			if err := os.RemoveAll(r.Prefix); err != nil { // they are large
				t.Error(err)
			}
		})
	}
}

func TestPackageNotFound(t *testing.T) {
	root := withUV(t)
	r, log := build(t, root, wire.Build{Digest: "d", PipOnly: []string{"zaffre-no-such-package-x1"}})
	wantFailure(t, r, log, "PackageNotFound", `"zaffre-no-such-package-x1"`)
	if _, ok := envbuild.Built(root, "d"); ok {
		t.Error("a failed build counts as built")
	}
	mustBuild(t, root, wire.Build{Digest: "d", PipOnly: []string{"six"}}) // over what the failure left
}

func TestUnsolvable(t *testing.T) {
	root := withUV(t)
	r, log := build(t, root, wire.Build{Digest: "d", PipOnly: []string{"requests==2.31.0", "urllib3==1.20"}})
	wantFailure(t, r, log, "ResolutionFailed", "urllib3")
	r, log = build(t, root, wire.Build{Digest: "e", PipOnly: []string{"six==99"}})
	wantFailure(t, r, log, "ResolutionFailed", "six==99")
}

// What conda's part and pip's part cannot have together, pip's part gets, as with conda.
func TestTwoSteps(t *testing.T) {
	root := withUV(t)
	r, log := mustBuild(t, root, wire.Build{Digest: "d", Requirements: []string{"urllib3==1.20"}, PipOnly: []string{"requests==2.31.0", "urllib3>=1.26"}})
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "urllib3 1.20 by ") || !strings.Contains(log, r.Warnings[0]) {
		t.Errorf("warnings = %q, want one of urllib3 1.20, in the log too:\n%s", r.Warnings, log)
	}
	if got := python(t, r, "import requests, urllib3; print(requests.__version__)"); got != "2.31.0" {
		t.Errorf("requests is %s", got)
	}
}

func TestPythonMissing(t *testing.T) {
	t.Setenv("UV_PYTHON_DOWNLOADS", "never")
	root := withUV(t)
	all := envbuild.Interpreters(t.Context(), root, nil)
	r, log := build(t, root, wire.Build{Digest: "d", Python: "3.1", Exact: true})
	wantFailure(t, r, log, "PythonMissing", all[len(all)-1].Version)
	r, log = build(t, root, wire.Build{Digest: "d", Python: "3.99"}) // none is newer
	wantFailure(t, r, log, "PythonMissing", "Python 3.99")
}

// A machine that has only a newer Python uses it, and says so, unless that is forbidden.
func TestNearestNewer(t *testing.T) {
	root := withUV(t)
	newest := envbuild.Interpreters(t.Context(), root, nil)[0]
	t.Setenv("UV_PYTHON_DOWNLOADS", "never")
	for _, name := range []string{"PATH", "HOME", "PYENV_ROOT"} {
		t.Setenv(name, t.TempDir())
	}
	there := envbuild.Interpreters(t.Context(), root, []string{newest.Path})
	number, _ := strconv.Atoi(strings.Split(newest.Version, ".")[1])
	missing := ""
	for n := 8; n < number && missing == ""; n++ {
		minor := "3." + strconv.Itoa(n)
		if !slices.ContainsFunc(there, func(p wire.Python) bool { return strings.HasPrefix(p.Version, minor+".") }) {
			missing = minor
		}
	}
	if missing == "" {
		t.Skip("no Python older than the newest is missing")
	}
	b := wire.Build{Digest: "d", Python: missing, Interpreters: []string{newest.Path}}
	r, log := mustBuild(t, root, b)
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "Python "+missing+" is asked for") || !strings.Contains(log, r.Warnings[0]) {
		t.Errorf("warnings = %q, want one that Python %s is not there, in the log too:\n%s", r.Warnings, missing, log)
	}
	b.Digest, b.Exact = "e", true
	r, log = build(t, root, b)
	wantFailure(t, r, log, "PythonMissing", "Python "+missing)
}

func TestEmptyDefinition(t *testing.T) {
	root := withUV(t)
	r, _ := mustBuild(t, root, wire.Build{Digest: "d"})
	if got := python(t, r, "import sys; print(sys.prefix)"); got != r.Prefix || r.Prefix != envbuild.Prefix(root, "d") {
		t.Errorf("sys.prefix = %s, want %s", got, envbuild.Prefix(root, "d"))
	}
}

func TestAgainIsTheSame(t *testing.T) {
	root := withUV(t)
	b := wire.Build{Digest: "d", PipOnly: []string{"six"}}
	first, _ := mustBuild(t, root, b)
	second, log := mustBuild(t, root, b)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second build (-first +second):\n%s", diff)
	}
	if !strings.Contains(log, "built already") {
		t.Errorf("log = %q, want that it is built already", log)
	}
}

func TestTwoAtOnce(t *testing.T) {
	root := withUV(t)
	b := wire.Build{Digest: "d", PipOnly: []string{"six"}}
	var wg sync.WaitGroup
	results := make([]wire.BuildResult, 4)
	for i := range results {
		wg.Go(func() { results[i] = envbuild.Run(t.Context(), root, b, nil) })
	}
	wg.Wait()
	for _, r := range results {
		if diff := cmp.Diff(results[0], r); diff != "" || r.State != wire.BuildDone {
			t.Errorf("one of them (-first +other):\n%s%s", diff, r.Message)
		}
	}
	python(t, results[0], "import six")
}

// What a crash leaves is a folder without its marker.
func TestCrashHalfWay(t *testing.T) {
	root := withUV(t)
	prefix := envbuild.Prefix(root, "d")
	b := wire.Build{Digest: "d", PipOnly: []string{"six"}}
	mustBuild(t, root, b)
	if err := os.Remove(filepath.Join(prefix, "zaffre.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(prefix, "bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(prefix, "half"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r, _ := mustBuild(t, root, b)
	python(t, r, "import six")
	if _, err := os.Stat(filepath.Join(prefix, "half")); err == nil {
		t.Error("the half environment was not replaced")
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(prefix), "env.trash-*"))
	if len(left) > 0 {
		t.Errorf("%q stays", left)
	}
}

func TestCanceled(t *testing.T) {
	root := withUV(t)
	ctx, cancel := context.WithCancel(t.Context())
	log := &onLine{word: "Interpreter:", do: cancel}
	r := envbuild.Run(ctx, root, wire.Build{Digest: "d", PipOnly: []string{"six"}}, log)
	wantFailure(t, r, log.String(), "BuildCanceled", "stopped")
	mustBuild(t, root, wire.Build{Digest: "d", PipOnly: []string{"six"}})
}

// onLine calls do when a line with the word is written.
type onLine struct {
	bytes.Buffer
	word string
	do   func()
}

func (o *onLine) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(o.word)) {
		o.do()
	}
	return o.Buffer.Write(p)
}

func TestRequirementLines(t *testing.T) {
	root := withUV(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "setup.py"), "from setuptools import setup\nsetup(name='zaffre-sample', version='1.0', py_modules=['zaffre_sample'])\n")
	write(t, filepath.Join(folder, "zaffre_sample.py"), "value = 7\n")
	write(t, filepath.Join(folder, "more.txt"), "iniconfig\n")
	r, log := mustBuild(t, root, wire.Build{Digest: "d", PipOnly: []string{
		"--pre", "--prefer-binary", "six ; python_version >= '3.0'", folder, "-r " + filepath.Join(folder, "more.txt"), "idna>=2  # names",
	}})
	if got := python(t, r, "import six, iniconfig, idna, zaffre_sample; print(zaffre_sample.value)"); got != "7" {
		t.Errorf("value = %s\n%s", got, log)
	}
	for _, c := range []struct{ line, reason string }{
		{"-r requirements.txt", "PathNotFound"},
		{"-e .", "PathNotFound"},
		{"./library", "PathNotFound"},
		{"/no/such/folder", "PathNotFound"},
		{"six == = 1", "RequirementInvalid"},
		{"--unheard-of option", "RequirementInvalid"},
	} {
		r, log := build(t, root, wire.Build{Digest: "e", PipOnly: []string{c.line}})
		wantFailure(t, r, log, c.reason, "")
	}
}

func TestPackageThatDoesNotBuild(t *testing.T) {
	root := withUV(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "setup.py"), "raise SystemExit('no compiler here')\n")
	r, log := build(t, root, wire.Build{Digest: "d", PipOnly: []string{folder}})
	wantFailure(t, r, log, "BuildFailed", "no compiler here")
}

func TestNoNetwork(t *testing.T) {
	root := withUV(t)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:9")
	t.Setenv("UV_HTTP_RETRIES", "0")
	t.Setenv("UV_CACHE_DIR", t.TempDir())
	r, log := build(t, root, wire.Build{Digest: "d", PipOnly: []string{"six"}})
	wantFailure(t, r, log, "NetworkUnreachable", "cannot reach the package index")
}

// A job may edit its environment; other environments of the same packages do not change.
func TestCacheIsNotShared(t *testing.T) {
	root := withUV(t)
	first, _ := mustBuild(t, root, wire.Build{Digest: "d", PipOnly: []string{"six"}})
	python(t, first, `import six
try:
    open(six.__file__, "a").write("\nchanged = 1\n")
except PermissionError:
    pass`)
	second, _ := mustBuild(t, root, wire.Build{Digest: "e", PipOnly: []string{"six"}})
	if got := python(t, second, "import six; print(hasattr(six, 'changed'))"); got != "False" {
		t.Error("an edit in one environment reached another")
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
