package local_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// openDocker is open on a machine whose Docker Engine is that of TEST_DOCKER.
func openDocker(t *testing.T) (b *bench, image string) {
	t.Helper()
	host := os.Getenv("TEST_DOCKER")
	if host == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "docker") {
			t.Fatal("TEST_REQUIRE names docker, and TEST_DOCKER is not set")
		}
		t.Skip("needs a Docker Engine: TEST_DOCKER is not set")
	}
	t.Setenv("DOCKER_HOST", host)
	b = open(t, "same")
	b.Cleanup(func() { _, _ = b.Clean(context.WithoutCancel(b.ctx), false) })
	return b, cmp.Or(os.Getenv("TEST_DOCKER_IMAGE"), "zaffre-test/python:3.11")
}

// docker asks the Engine directly.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// build builds a definition under a digest of its own, and returns how that ended and its log.
func (b *bench) build(d driver.Definition) (digest string, st driver.BuildStatus, log string) {
	b.Helper()
	sum := sha256.Sum256([]byte(id.New()))
	digest = hex.EncodeToString(sum[:])
	if err := b.Build(b.ctx, digest, d); err != nil {
		b.Fatalf("Build: %v", err)
	}
	st = b.built(digest)
	return digest, st, b.buildLog(digest)
}

func (b *bench) buildLog(digest string) string {
	b.Helper()
	r, err := b.BuildLog(b.ctx, digest, 0)
	if err != nil {
		b.Fatalf("BuildLog: %v", err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

func (b *bench) built(digest string) driver.BuildStatus {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := b.BuildStatus(b.ctx, digest)
		if err != nil {
			b.Fatalf("BuildStatus: %v", err)
		}
		if st.State != driver.BuildRunning {
			return st
		}
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.Fatalf("the build does not end:\n%s", b.buildLog(digest))
		}
	}
}

// plain returns the runtime of an image without packages.
func (b *bench) plain(image string) driver.Runtime {
	b.Helper()
	_, st, log := b.build(driver.Definition{BaseImage: image})
	if st.State != driver.BuildDone || st.Way != "image" || st.Runtime.Image == "" || !strings.HasPrefix(st.Python, "3.") {
		b.Fatalf("the build is %+v\n%s", st, log)
	}
	return st.Runtime
}

// noContainer waits until the container is gone: that comes after the job's end is written down.
func (b *bench) noContainer(name string) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for docker(b.T, "ps", "--all", "--quiet", "--filter", "name="+name) != "" {
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.Fatalf("the container of %s is still there", name)
		}
	}
}

// TestDockerRun: a script in an image has its code, variables, user, working folder and outputs, and its packages.
func TestDockerRun(t *testing.T) {
	b, image := openDocker(t)
	_, st, log := b.build(driver.Definition{BaseImage: image, Pip: []string{"six==1.16.0"}, Python: "3.11"})
	if st.State != driver.BuildDone || st.Way != "image" || !strings.HasPrefix(st.Python, "3.11.") || len(st.Warnings) > 0 {
		t.Fatalf("the build is %+v\n%s", st, log)
	}
	j := newJob("python", "-c", `import os, six, pathlib
print(six.__version__, os.getuid(), os.environ["MINE"] == "two\nlines, 'and' \"quotes\"", os.environ["PATH"].startswith("/opt/zaffre/env/bin"), os.environ.get("GO_ON"))
pathlib.Path("outputs/x.txt").write_text("made inside")
print(pathlib.Path("/etc/debian_version").exists(), os.getcwd().endswith("/code"), sorted(os.listdir(".")))`)
	j.Runtime, j.Env = st.Runtime, map[string]string{"MINE": "two\nlines, 'and' \"quotes\"", "GO_ON": "for Docker's own eyes"}
	h, end, said := b.run(j)
	want := "1.16.0 " + strconv.Itoa(os.Getuid()) + " True True for Docker's own eyes\nTrue True ['logs', 'outputs']\n"
	if end.State != driver.JobDone || said != want {
		t.Fatalf("the job is %+v and said %q, want %q", end, said, want)
	}
	files, err := b.ListOutputs(b.ctx, h)
	if err != nil || len(files) != 1 || files[0].Path != "outputs/x.txt" {
		t.Errorf("the outputs are %+v, %v", files, err)
	}
	b.noContainer(j.ID)
}

// TestDockerBuiltOnce: runs that need an environment at once have it built once, and what is built is found.
func TestDockerBuiltOnce(t *testing.T) {
	b, image := openDocker(t)
	sum := sha256.Sum256([]byte(id.New()))
	digest := hex.EncodeToString(sum[:])
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := b.Build(b.ctx, digest, driver.Definition{Dockerfile: []byte("FROM " + image + "\nRUN date +%s%N >/stamp\nENV STAMPED=yes")}); err != nil {
				t.Errorf("Build: %v", err)
			}
		})
	}
	wg.Wait()
	first := b.built(digest)
	if first.State != driver.BuildDone {
		t.Fatalf("the build is %+v\n%s", first, b.buildLog(digest))
	}
	if n := strings.Count(b.buildLog(digest), "Building the Dockerfile"); n != 1 {
		t.Errorf("it was built %d times", n)
	}
	j := newJob("sh", "-c", `test -s /stamp && echo "$STAMPED"`)
	j.Runtime = first.Runtime
	if _, st, log := b.run(j); st.State != driver.JobDone || log != "yes\n" {
		t.Errorf("a job in it is %+v and said %q", st, log)
	}
	b.noContainer(j.ID)
	docker(t, "image", "rm", first.Runtime.Image)
	if st, err := b.BuildStatus(b.ctx, digest); err != nil || st.State != driver.BuildMissing {
		t.Errorf("the build whose image was removed is %+v, %v, want it missing", st, err)
	}
}

// TestDockerEnds: however a container ends, its job says so as one without Docker does.
func TestDockerEnds(t *testing.T) {
	b, image := openDocker(t)
	runtime := b.plain(image)
	for _, c := range []struct {
		name   string
		argv   []string
		change func(*driver.Job)
		want   driver.JobStatus
		said   string
	}{
		{"exit code", []string{"python", "-c", "print('so far'); raise SystemExit(3)"}, nil, driver.JobStatus{State: driver.JobFailed, Reason: "ExitCode", ExitCode: 3}, "so far"},
		{"signal", []string{"sh", "-c", "kill -SEGV $$"}, nil, driver.JobStatus{State: driver.JobFailed, Reason: "Signaled", Signal: 11}, ""},
		{"memory", []string{"python", "-c", "b = bytearray(400 << 20)"}, func(j *driver.Job) { j.Memory = 64 << 20 }, driver.JobStatus{State: driver.JobFailed, Reason: "OutOfMemory", Signal: 9}, ""},
		{"time", []string{"sleep", "60"}, func(j *driver.Job) { j.Timeout, j.Grace = 4*time.Second, time.Minute }, driver.JobStatus{State: driver.JobFailed, Reason: "TimedOut", Signal: 15}, ""},
		{"no program", []string{"no-such-program"}, nil, driver.JobStatus{State: driver.JobFailed, Reason: "ExitCode", ExitCode: 127}, "no-such-program"},
		{"no script", []string{"python", "gone.py"}, nil, driver.JobStatus{State: driver.JobFailed, Reason: "NotStarted"}, ""},
		{"a bad name", []string{"true"}, func(j *driver.Job) { j.Env = map[string]string{"DOCKER_X": "a\nb"} }, driver.JobStatus{State: driver.JobFailed, Reason: "NotStarted"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJob(c.argv...)
			j.Runtime = runtime
			if c.change != nil {
				c.change(&j)
			}
			h, err := b.Start(b.ctx, j)
			if err != nil {
				t.Fatal(err)
			}
			got := wait(b.ctx, t, b, h)
			if c.want.Reason != "" && got.Message == "" {
				t.Error("it has no message")
			}
			t.Logf("%s", got.Message)
			got.Message, got.Started, got.Ended = "", time.Time{}, time.Time{}
			if got.State != c.want.State || got.Reason != c.want.Reason || got.ExitCode != c.want.ExitCode || got.Signal != c.want.Signal {
				t.Errorf("it is %+v, want %+v", got, c.want)
			}
			log, _ := os.ReadFile(filepath.Join(b.target.Options["workDirectory"].(string), "jobs", j.ID, "log"))
			if !strings.Contains(string(log), c.said) {
				t.Errorf("its log is %q, want %q in it", log, c.said)
			}
			b.noContainer(j.ID)
		})
	}
	gone := newJob("true")
	gone.Runtime.Image = "zaffre/env:none"
	if _, err := b.Start(b.ctx, gone); fault.ReasonOf(err) != "EnvironmentMissing" {
		t.Errorf("in an image that is gone the job is started: %v", err)
	}
}

// TestDockerCancel: cancelling ends the container; its program hears TERM first.
func TestDockerCancel(t *testing.T) {
	b, image := openDocker(t)
	j := newJob("sh", "-c", `trap 'echo heard; exit 0' TERM; echo up; while :; do sleep 0.1; done`)
	j.Runtime = b.plain(image)
	h, err := b.Start(b.ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	b.lines(h, "up")
	if labels := docker(t, "inspect", "--format", `{{index .Config.Labels "zaffre.run"}}`, j.ID); labels != j.Run {
		t.Errorf("the container's run is %q", labels)
	}
	if err := b.Cancel(b.ctx, h); err != nil {
		t.Fatal(err)
	}
	if st := wait(b.ctx, t, b, h); st.State != driver.JobCanceled {
		t.Errorf("the job is %+v, want it canceled", st)
	}
	if log := read(t, filepath.Join(b.target.Options["workDirectory"].(string), "jobs", j.ID, "log")); !strings.HasSuffix(log, "heard\n") {
		t.Errorf("the log is %q", log)
	}
	b.noContainer(j.ID)
}

// TestDockerAdopted kills the supervisor, alone and with the agent, as soon as each of its files is there: the
// command runs once, its output comes once, and its exit code is known.
func TestDockerAdopted(t *testing.T) {
	b, image := openDocker(t)
	runtime := b.plain(image)
	for file, lasts := range map[string]string{"lock": "0.5", "code": "0.5", "log": "0.5", "variables": "0.5", "proc.json": "2", "code/outputs/began": "2"} {
		for _, both := range []bool{false, true} {
			t.Run(file+map[bool]string{true: " and agent"}[both], func(t *testing.T) {
				j := newJob("sh", "-c", `echo hello; echo ran >>outputs/began; sleep `+lasts+`; echo bye; exit 3`)
				j.Runtime = runtime
				dir := filepath.Join(b.target.Options["workDirectory"].(string), "jobs", j.ID)
				killed := make(chan error, 1)
				go func() { killed <- killSupervisor(b.ctx, dir, file) }()
				h, err := b.Start(b.ctx, j)
				if err != nil {
					t.Fatal(err)
				}
				if err := <-killed; err != nil {
					t.Fatal(err)
				}
				if both {
					crash(t, b.conn)
				}
				if st := wait(b.ctx, t, b, h); st.State != driver.JobFailed || st.Reason != "ExitCode" || st.ExitCode != 3 {
					t.Errorf("the job is %+v, want it failed with code 3", st)
				}
				if got := read(t, filepath.Join(dir, "log")); got != "hello\nbye\n" {
					t.Errorf("the log is %q", got)
				}
				if got := read(t, filepath.Join(dir, "code/outputs/began")); got != "ran\n" {
					t.Errorf("the command ran %q", got)
				}
			})
		}
	}
}

// TestDockerRelay: a script in a container reaches the server at its loopback, trusts it by the file that it is
// told, and loads our hook.
func TestDockerRelay(t *testing.T) {
	b, image := openDocker(t)
	runtime := b.plain(image)
	b.target.Home = office(t)
	b.reconnect()
	j := newJob("python", "-c", `import os, ssl, sys, urllib.request
c = ssl.create_default_context(cafile=os.environ["CA"])
q = urllib.request.Request(os.environ["HOME_URL"] + "/hello", headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
print(urllib.request.urlopen(q, context=c).read().decode().split()[0], "sitecustomize" in sys.modules)`)
	j.Runtime, j.Token = runtime, runToken
	j.Env = map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA, "TOKEN": runToken}
	if _, st, log := b.run(j); st.State != driver.JobDone || log != "GET True\n" {
		t.Errorf("the job is %+v and said %q", st, log)
	}
}

// TestDockerRefused: what cannot be had is named, with what to do.
func TestDockerRefused(t *testing.T) {
	b, image := openDocker(t)
	for _, c := range []struct {
		name, reason, word string
		d                  driver.Definition
	}{
		{"no image", "RegistryUnreachable", "registry.invalid/team/base:1", driver.Definition{BaseImage: "registry.invalid/team/base:1"}},
		{"no name", "ImageInvalid", "UPPER", driver.Definition{BaseImage: "UPPER/x"}},
		{"an option", "ImageInvalid", "--privileged", driver.Definition{BaseImage: "--privileged"}},
		{"no package", "PackageNotFound", "no-such-package-zaffre-x", driver.Definition{BaseImage: image, Pip: []string{"no-such-package-zaffre-x"}}},
		{"a bad Dockerfile", "BuildFailed", "returned a non-zero code: 7", driver.Definition{Dockerfile: []byte("FROM " + image + "\nRUN exit 7")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, st, log := b.build(c.d)
			if st.State != driver.BuildFailed || st.Reason != c.reason || !strings.Contains(st.Message, c.word) || st.Fix == "" {
				t.Errorf("the build is %+v, want %s with %q\n%s", st, c.reason, c.word, log)
			}
		})
	}
	t.Run("no Engine", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
		b := open(t, "same")
		if _, st, log := b.build(driver.Definition{BaseImage: image}); st.Reason != "DockerUnusable" {
			t.Errorf("the build is %+v, want DockerUnusable\n%s", st, log)
		}
	})
	t.Run("no Docker", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		b := open(t, "same")
		if _, st, log := b.build(driver.Definition{BaseImage: image}); st.Reason != "DockerMissing" {
			t.Errorf("the build is %+v, want DockerMissing\n%s", st, log)
		}
	})
}

// TestDockerClean: what was made in Docker is listed, and goes.
func TestDockerClean(t *testing.T) {
	b, image := openDocker(t)
	runtime := b.plain(image)
	j := newJob("sh", "-c", "echo up; exec sleep 600")
	j.Runtime = runtime
	h, err := b.Start(b.ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	b.lines(h, "up")
	want := map[string]string{j.ID: "container", runtime.Image: "image"}
	for _, dry := range []bool{true, false} {
		items, err := b.Clean(b.ctx, dry)
		if err != nil {
			t.Fatal(err)
		}
		for name, kind := range want {
			i := slices.IndexFunc(items, func(it driver.Item) bool { return it.Name == name && it.Type == kind })
			if i < 0 || items[i].Removed == dry {
				t.Errorf("Clean, dry run %v: %s %s is not in %+v as it should", dry, kind, name, items)
			}
		}
	}
	b.noContainer(j.ID)
	if left := docker(t, "image", "ls", "--quiet", runtime.Image); left != "" {
		t.Errorf("the image %s is still there", left)
	}
	docker(t, "image", "inspect", image)
}
