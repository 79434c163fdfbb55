package image_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/image/imagetest"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// counting is uv as far as it installs a file, and counts.
type counting struct {
	n    atomic.Int32
	says string
}

func (u *counting) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	u.n.Add(1)
	script := `while [ $# -gt 0 ]; do [ "$1" = --target ] && to=$2; shift; done; mkdir -p "$to" && echo code >"$to/six.py"; printf '%s\n' "$SAYS" >&2; [ -z "$SAYS" ]`
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "SAYS="+u.says)
	return cmd, nil
}

// code is files of one text.
type code string

func (c code) Manifest(context.Context) ([]driver.File, error) {
	return []driver.File{{Path: "pkg/train.py", Mode: 0o644, Size: int64(len(c)), Hash: "h"}}, nil
}

func (c code) OpenHash(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(c))), nil
}

// withPython is a registry elsewhere that has a base image, and its name.
func withPython(t *testing.T, wrap func(http.Handler) http.Handler) (ref string, s *httptest.Server) {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	open := httptest.NewServer(h)
	t.Cleanup(open.Close)
	img := imagetest.Image(t, map[string]string{"usr/bin/python3.11": "", "lib/ld-musl-x86_64.so.1": ""})
	if err := imagetest.Push(t, strings.TrimPrefix(open.URL, "http://")+"/py:1", img); err != nil {
		t.Fatal(err)
	}
	s = httptest.NewServer(wrap(h))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://") + "/py:1", s
}

func plain(h http.Handler) http.Handler { return h }

// request asks for an image; the code is part of its build's ID.
func request(base string, d driver.Definition, c code) image.Request {
	return image.Request{Workspace: imagetest.Workspace, Name: "train:1", Base: base, Digest: "env", Environment: d, Code: c, ID: string(c)}
}

// built has an image made and waits for the end.
func built(t *testing.T, l *imagetest.Lab, q image.Request) image.Building {
	t.Helper()
	ctx := imagetest.As(t.Context())
	if err := l.Build(ctx, q); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Minute); ; <-time.After(5 * time.Millisecond) {
		b, err := l.Look(ctx, q.Workspace, q.ID, 0)
		if err != nil || time.Now().After(end) {
			t.Fatalf("the build is %+v, %v", b, err)
		}
		if b.Status.State != driver.BuildRunning {
			return b
		}
	}
}

var six = driver.Definition{Pip: []string{"six"}, Env: map[string]string{"A": "b"}}

// TestSameAgain: the same input makes the same image, on another server too; a layer is made once; another code changes
// that layer alone.
func TestSameAgain(t *testing.T) {
	t.Parallel()
	base, _ := withPython(t, plain)
	dir, uv := t.TempDir(), &counting{}
	l := imagetest.New(t, dir, uv)
	first := built(t, l, request(base, six, "v1"))
	if first.Status.State != driver.BuildDone || first.Status.Python != "3.11" || first.Status.Way != "image" {
		t.Fatalf("the build is %+v\n%s", first.Status, first.Log)
	}
	if again := built(t, l, request(base, six, "v1")); again.Status.Runtime != first.Status.Runtime || !strings.Contains(string(again.Log), "layer is there") {
		t.Errorf("again it is %+v, want %+v\n%s", again.Status, first.Status, again.Log)
	}
	l.Close()
	l = imagetest.New(t, dir, uv) // a later process
	changed := built(t, l, request(base, six, "v2"))
	if changed.Status.Runtime == first.Status.Runtime || uv.n.Load() != 1 {
		t.Errorf("with other code it is %+v, and the layer was made %d times", changed.Status, uv.n.Load())
	}
	ctx := imagetest.As(t.Context())
	was, err := l.Get(ctx, imagetest.Workspace, "train", strings.TrimPrefix(first.Status.Runtime.Image, "train@"))
	is, err2 := l.Get(ctx, imagetest.Workspace, "train", "1")
	if err != nil || err2 != nil || was.Blobs[0] != is.Blobs[0] || was.Blobs[1] != is.Blobs[1] || was.Blobs[2] == is.Blobs[2] {
		t.Errorf("layers of before and now: %v, %v, %v, %v", was.Blobs, is.Blobs, err, err2)
	}
	elsewhere := built(t, imagetest.New(t, t.TempDir(), &counting{}), request(base, six, "v1"))
	if elsewhere.Status.Runtime != first.Status.Runtime {
		t.Errorf("another server makes %+v, want %+v", elsewhere.Status.Runtime, first.Status.Runtime)
	}
}

// TestConfiguration: what a process of the image finds.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	base, _ := withPython(t, plain)
	l := imagetest.New(t, t.TempDir(), &counting{})
	b := built(t, l, request(base, six, "v1"))
	host, stop, err := l.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	img, err := pull(host+"/"+imagetest.Workspace+"/"+b.Status.Runtime.Image, imagetest.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Config.Env, " "); got != "PATH=/opt/environment/bin:/usr/bin:/bin VIRTUAL_ENV=/opt/environment A=b" || c.Config.WorkingDir != "/code" {
		t.Errorf("its variables are %s, and it starts in %s", got, c.Config.WorkingDir)
	}
	in := mutate.Extract(img)
	defer in.Close()
	files := names(t, in)
	for _, name := range []string{"usr/bin/python3.11", "opt/environment/lib/python3.11/site-packages/six.py", "opt/environment/bin/python", "code/pkg/train.py"} {
		if !files[name] {
			t.Errorf("it has no %s: %v", name, files)
		}
	}
}

// TestOwnBase: an image of the workspace is a base by its own name, by the server's address, and where the registry of
// one that was fetched before is away.
func TestOwnBase(t *testing.T) {
	t.Parallel()
	base, away := withPython(t, plain)
	l := imagetest.New(t, t.TempDir(), &counting{})
	first := built(t, l, request(base, six, "v1"))
	away.Close()
	kept := "base/" + strings.Replace(strings.TrimSuffix(base, "/py:1"), ":", "-", 1) + "/py:1"
	for _, name := range []string{base, kept, "zaffre.example:8444/ws/" + kept} {
		q := request(name, six, "v1")
		q.Hosts = []string{"zaffre.example:8444"}
		if b := built(t, l, q); b.Status.Runtime != first.Status.Runtime {
			t.Errorf("on %s it is %+v\n%s", name, b.Status, b.Log)
		}
	}
	q := request("zaffre.example:8444/other/"+kept, six, "v1")
	q.Hosts = []string{"zaffre.example:8444"}
	if b := built(t, l, q); b.Status.Reason != "ImageNotFound" {
		t.Errorf("on an image of another workspace it is %+v", b.Status)
	}
}

// TestRefused: what cannot be made says why, and what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	base, _ := withPython(t, plain)
	closed, _ := withPython(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, password, _ := r.BasicAuth(); password != "hunter2" {
				w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	host := strings.TrimSuffix(base, "/py:1")
	for name, c := range map[string]struct {
		base, says, reason string
		d                  driver.Definition
	}{
		"no such base":        {host + "/none:1", "", "ImageNotFound", six},
		"a base that is shut": {closed, "", "RegistryDenied", six},
		"nobody there":        {"127.0.0.1:1/none:1", "", "RegistryUnreachable", six},
		"no wheel":            {base, "error: Because docopt==0.6.2 has no usable wheels", "WheelMissing", six},
		"no room":             {base, "error: No space left on device", "DiskFull", six},
		"another Python":      {base, "", "PythonMissing", driver.Definition{Pip: six.Pip, Python: "3.13"}},
		"sources":             {base, "", "RequirementUnsupported", driver.Definition{Pip: []string{"-e /srv"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := imagetest.New(t, t.TempDir(), &counting{says: c.says})
			b := built(t, l, request(c.base, c.d, "v1"))
			if b.Status.State != driver.BuildFailed || b.Status.Reason != c.reason || b.Status.Fix == "" || !strings.Contains(string(b.Log), b.Status.Fix) {
				t.Errorf("it is %+v, want %s\n%s", b.Status, c.reason, b.Log)
			}
		})
	}
	l := imagetest.New(t, t.TempDir(), &counting{})
	ctx := imagetest.As(t.Context())
	for reason, q := range map[string]image.Request{
		"BaseMissing": request("", six, "v1"), "DockerfileUnsupported": request(base, driver.Definition{Dockerfile: []byte("FROM x")}, "v1"),
		"ImageNameInvalid": {Workspace: imagetest.Workspace, Name: "UPPER:1", Base: base}, "RoleMissing": {Workspace: "other", Name: "a:1", Base: base},
	} {
		if err := l.Build(ctx, q); fault.ReasonOf(err) != reason {
			t.Errorf("%+v: %v, want %s", q, err, reason)
		}
	}
	if _, err := l.Look(ctx, imagetest.Workspace, "none", 0); fault.ReasonOf(err) != "BuildUnknown" {
		t.Error(err)
	}
}

// TestForTarget: the image of an environment for a target's nodes is pushed where they fetch it, by its login.
func TestForTarget(t *testing.T) {
	t.Parallel()
	base, _ := withPython(t, plain)
	l := imagetest.New(t, t.TempDir(), &counting{})
	d := driver.Definition{Pip: six.Pip, BaseImage: base}
	host := strings.TrimSuffix(base, "/py:1")
	f := l.For(imagetest.Workspace, "t1")
	for _, c := range []struct {
		name string
		r    driver.Registry
		want string
	}{
		{"own", driver.Registry{Own: true, Address: "zaffre.example:8444"}, "zaffre.example:8444/ws/environment@sha256:"},
		{"another", driver.Registry{Address: host, Path: "ml/team"}, host + "/ml/team/environment@sha256:"},
	} {
		if err := f.BuildImage(t.Context(), strings.Repeat("d", 64), d, c.r); err != nil {
			t.Fatal(err)
		}
		log, err := f.ImageLog(t.Context(), strings.Repeat("d", 64), c.r, 0) // to the build's end
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(log)
		st, statusErr := f.ImageStatus(t.Context(), strings.Repeat("d", 64), c.r)
		if err != nil || statusErr != nil || st.State != driver.BuildDone || !strings.HasPrefix(st.Runtime.Image, c.want) {
			t.Fatalf("%s: %+v, %v, %v\n%s", c.name, st, err, statusErr, text)
		}
		if _, err := f.PullLogin(t.Context(), c.r, st.Runtime.Image); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.r.Own {
			if _, err := pull(st.Runtime.Image, ""); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := l.Delete(imagetest.As(t.Context()), imagetest.Workspace, "environment", strings.Repeat("d", 64)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.PullLogin(t.Context(), c.r, st.Runtime.Image); fault.ReasonOf(err) != "EnvironmentMissing" {
			t.Errorf("a deleted image: %v", err)
		}
	}
	if st, err := f.ImageStatus(t.Context(), "none", driver.Registry{}); err != nil || st.State != driver.BuildMissing {
		t.Errorf("one that nobody asked for is %+v, %v", st, err)
	}
	list, _, err := l.List(imagetest.As(t.Context()), image.Filter{Workspace: imagetest.Workspace}, store.Page{})
	if err != nil || len(list) != 2 {
		t.Errorf("the workspace has %+v, %v", list, err)
	}
}
