package envbuild_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// cacheVariable names a folder in which the tests may keep uv and its cache between runs.
const cacheVariable = "TEST_UV_CACHE"

// absent skips the test, or fails it where TEST_REQUIRE wants what it needs.
func absent(t *testing.T, what, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), what) {
		t.Fatalf("%s is required: %s", what, why)
	}
	t.Skipf("needs %s: %s", what, why)
}

// uvFolder returns the folder bin/uv is in, made once if TEST_UV_CACHE names a place for it.
var uvFolder = sync.OnceValues(func() (folder, why string) {
	if uv, err := exec.LookPath("uv"); err == nil {
		if uv, err = filepath.EvalSymlinks(uv); err == nil {
			return filepath.Dir(filepath.Dir(uv)), ""
		}
	}
	cache := os.Getenv(cacheVariable)
	if cache == "" {
		return "", "uv is not on the PATH, and " + cacheVariable + " names no folder to install it into"
	}
	if r := envbuild.Run(context.Background(), cache, wire.Build{Digest: "tools"}, io.Discard); r.State != wire.BuildDone {
		return "", r.Message
	}
	return filepath.Join(cache, "tools", "uv"), ""
})

// online says why the package index cannot be used, "" if it can.
var online = sync.OnceValue(func() string {
	folder, why := uvFolder()
	if why != "" {
		return why
	}
	root, err := os.MkdirTemp("", "envbuild")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(root)
	if err := linkUV(root, folder); err != nil {
		return err.Error()
	}
	r := envbuild.Run(context.Background(), root, wire.Build{Digest: "six", PipOnly: []string{"six"}}, io.Discard)
	if r.State != wire.BuildDone {
		return "the package index does not answer: " + r.Message
	}
	return ""
})

func linkUV(root, folder string) error {
	if err := os.MkdirAll(filepath.Join(root, "tools"), 0o755); err != nil {
		return err
	}
	if cache := os.Getenv(cacheVariable); cache != "" {
		if err := os.MkdirAll(filepath.Join(cache, "uv-cache"), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join(cache, "uv-cache"), filepath.Join(root, "uv-cache")); err != nil {
			return err
		}
	}
	return os.Symlink(folder, filepath.Join(root, "tools", "uv"))
}

// withUV returns a root that has uv; the test is skipped without one, or without an index.
func withUV(t *testing.T) string {
	t.Helper()
	folder, why := uvFolder()
	if why == "" {
		why = online()
	}
	if why != "" {
		absent(t, "uv", why)
	}
	root := t.TempDir()
	if err := linkUV(root, folder); err != nil {
		t.Fatal(err)
	}
	return root
}

// build runs a build and returns its log.
func build(t *testing.T, root string, b wire.Build) (wire.BuildResult, string) {
	t.Helper()
	var log bytes.Buffer
	r := envbuild.Run(t.Context(), root, b, &log)
	if strings.ContainsAny(log.String(), "\x1b\r") {
		t.Errorf("the log has terminal codes: %q", log.String())
	}
	return r, log.String()
}

func mustBuild(t *testing.T, root string, b wire.Build) (wire.BuildResult, string) {
	t.Helper()
	r, log := build(t, root, b)
	if r.State != wire.BuildDone {
		t.Fatalf("build ended %s, %s: %s\n%s", r.State, r.Reason, r.Message, log)
	}
	return r, log
}

func wantFailure(t *testing.T, r wire.BuildResult, log, reason, message string) {
	t.Helper()
	if r.State != wire.BuildFailed || r.Reason != reason || !strings.Contains(r.Message, message) || r.Fix == "" {
		t.Fatalf("build ended %s, %s: %s (fix: %s)\nwant %s with %q in the message; log:\n%s",
			r.State, r.Reason, r.Message, r.Fix, reason, message, log)
	}
	if !strings.Contains(log, r.Fix) {
		t.Errorf("the log does not say what to do:\n%s", log)
	}
}

func python(t *testing.T, r wire.BuildResult, code string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), r.Python, "-c", code).CombinedOutput()
	if err != nil {
		t.Fatalf("%s -c %q: %v\n%s", r.Python, code, err, out)
	}
	return strings.TrimSpace(string(out))
}
