package registry_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/image/imagetest"
)

// TestDocker: Docker itself logs in, pushes, is refused, and pulls what it pushed.
func TestDocker(t *testing.T) {
	t.Parallel()
	engine := os.Getenv("TEST_DOCKER")
	if engine == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "docker") {
			t.Fatal("TEST_REQUIRE names docker, and TEST_DOCKER is not set")
		}
		t.Skip(`needs a Docker Engine: test/engines/docker.sh up; eval "$(test/engines/docker.sh env)"`)
	}
	_, at := serve(t, t.TempDir())
	ref, dir := at+"/debian/python:1", t.TempDir()
	docker := func(in string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "docker", args...)
		cmd.Env, cmd.Stdin = append(os.Environ(), "DOCKER_HOST="+engine, "DOCKER_CONFIG="+dir), strings.NewReader(in)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(in string, args ...string) string {
		t.Helper()
		out, err := docker(in, args...)
		if err != nil {
			t.Fatalf("docker %v: %v\n%s", args, err, out)
		}
		return out
	}
	host, _, _ := strings.Cut(at, "/")
	if out, err := docker("wrong", "login", "--username", "me", "--password-stdin", host); err == nil || !strings.Contains(out, "401") && !strings.Contains(out, "nobody knows it") {
		t.Errorf("a wrong login: %v, %s", err, out)
	}
	must("", "tag", os.Getenv("TEST_DOCKER_IMAGE"), ref)
	t.Cleanup(func() {
		cmd := exec.Command("docker", "rmi", ref)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+engine)
		_ = cmd.Run()
	})
	must(imagetest.Reader, "login", "--username", "me", "--password-stdin", host)
	if out, err := docker("", "push", ref); err == nil {
		t.Errorf("a reader pushed: %s", out)
	}
	must(imagetest.Writer, "login", "--username", "me", "--password-stdin", host)
	must("", "push", ref)
	id := must("", "image", "inspect", "--format", "{{.ID}}", ref)
	must("", "rmi", ref)
	must("", "pull", ref)
	if got := must("", "image", "inspect", "--format", "{{.ID}}", ref); got != id {
		t.Errorf("it came back as %s, and was %s", got, id)
	}
	if out := must("", "run", "--rm", ref, "python3", "-c", "print(6*7)"); strings.TrimSpace(out) != "42" {
		t.Errorf("it runs as %q", out)
	}
}
