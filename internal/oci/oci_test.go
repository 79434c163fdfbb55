package oci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/oci"
)

// baseOf makes an image whose layers have files of these names and contents.
func baseOf(t *testing.T, env []string, layers ...map[string]string) v1.Image {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{Env: env}})
	for _, files := range layers {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, text := range files {
			if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o755}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		l, layerErr := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
		if layerErr != nil {
			t.Fatal(layerErr)
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestLookInto(t *testing.T) {
	t.Parallel()
	glibc := map[string]string{"usr/lib/x86_64-linux-gnu/libc.so.6": "\x7fELF\x00GNU C Library (Debian GLIBC 2.36-9+deb12u4) stable release version 2.36.\x00"}
	for name, c := range map[string]struct {
		img  v1.Image
		want oci.Base
	}{
		"Debian": {
			baseOf(t, nil, glibc, map[string]string{"usr/bin/python3.11": ""}),
			oci.Base{Arch: "amd64", Libc: "glibc 2.36", Pythons: []oci.Python{{Version: "3.11", Path: "/usr/bin/python3.11"}}},
		},
		"official, over Debian's own": {
			baseOf(t, []string{"PATH=/usr/local/bin:/usr/bin", "PYTHON_VERSION=3.12.4"}, map[string]string{"usr/bin/python3.11": "", "usr/local/bin/python3.12": "", "opt/python3.9": ""}),
			oci.Base{Arch: "amd64", Pythons: []oci.Python{{Version: "3.12.4", Path: "/usr/local/bin/python3.12"}, {Version: "3.11", Path: "/usr/bin/python3.11"}}},
		},
		"one that a later layer takes away, and musl": {
			baseOf(t, nil, map[string]string{"usr/bin/python3.9": "", "lib/ld-musl-x86_64.so.1": ""}, map[string]string{"usr/bin/.wh.python3.9": "", "usr/bin/python3.10": ""}),
			oci.Base{Arch: "amd64", Libc: "musl", Pythons: []oci.Python{{Version: "3.10", Path: "/usr/bin/python3.10"}}},
		},
		"an old C library, and no Python": {
			baseOf(t, nil, map[string]string{"lib/x86_64-linux-gnu/libc-2.31.so": ""}), oci.Base{Arch: "amd64", Libc: "glibc 2.31"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oci.LookInto(c.img)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	base := oci.Base{Arch: "amd64", Libc: "glibc 2.34", Pythons: []oci.Python{{Version: "3.11", Path: "/a"}, {Version: "3.12.4", Path: "/b"}}}
	for name, c := range map[string]struct {
		d              driver.Definition
		base           oci.Base
		path, platform string
		warnings       int
		reason         string
	}{
		"any Python":           {driver.Definition{Pip: []string{"six"}}, base, "/a", "x86_64-manylinux_2_34", 0, ""},
		"one that is there":    {driver.Definition{Python: "3.12"}, base, "/b", "x86_64-manylinux_2_34", 0, ""},
		"a newer one":          {driver.Definition{Python: "3.9"}, base, "/a", "x86_64-manylinux_2_34", 1, ""},
		"none but that":        {driver.Definition{Python: "3.9", Exact: true}, base, "", "", 0, "PythonMissing"},
		"none so new":          {driver.Definition{Python: "3.13"}, base, "", "", 0, "PythonMissing"},
		"an image without":     {driver.Definition{}, oci.Base{Arch: "amd64"}, "", "", 0, "PythonMissing"},
		"conda's own words":    {driver.Definition{Conda: []byte("dependencies: [python=3.12, pip: [six]]")}, oci.Base{Arch: "arm64", Libc: "musl", Pythons: base.Pythons}, "/b", "aarch64-unknown-linux-musl", 0, ""},
		"only a channel's":     {driver.Definition{Conda: []byte("dependencies: [ffmpeg]")}, base, "", "", 0, "PackageNeedsConda"},
		"an old C library":     {driver.Definition{}, oci.Base{Arch: "amd64", Libc: "glibc 2.30", Pythons: base.Pythons}, "/a", "x86_64-manylinux_2_28", 0, ""},
		"one that nobody said": {driver.Definition{}, oci.Base{Arch: "amd64", Pythons: base.Pythons}, "/a", "x86_64-manylinux_2_17", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := oci.PlanFor(c.d, c.base)
			if fault.ReasonOf(err) != c.reason {
				t.Fatalf("it returned %v, want %q", err, c.reason)
			}
			if c.reason == "" && (p.Python.Path != c.path || p.Platform != c.platform || len(p.Warnings) != c.warnings) {
				t.Errorf("the plan is %+v", p)
			}
		})
	}
}

// notUv is uv as far as it says something, and installs two files.
type notUv struct{ says, makes string }

func (u notUv) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	script := `while [ $# -gt 0 ]; do [ "$1" = --target ] && to=$2; shift; done; mkdir -p "$to"; cd "$to" && ` + u.makes + "; printf '%s\\n' \"$SAYS\" >&2; case $SAYS in error*) exit 1;; esac"
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "SAYS="+u.says)
	return cmd, nil
}

func plan(t *testing.T, pip ...string) oci.Plan {
	t.Helper()
	p, err := oci.PlanFor(driver.Definition{Pip: pip}, oci.Base{Arch: "amd64", Libc: "glibc 2.36", Pythons: []oci.Python{{Version: "3.11", Path: "/usr/bin/python3.11"}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestInstallFails(t *testing.T) {
	t.Parallel()
	for says, reason := range map[string]string{
		"error: No solution found\n  cause: Because docopt==0.6.2 has no usable wheels":                             "WheelMissing",
		"error: Building source distributions for `x` is disabled":                                                  "WheelMissing",
		"error: No solution found\n  cause: Because zz was not found in the package registry":                       "PackageNotFound",
		"error: No solution found\n  cause: Because you require a==1 and a==2, your requirements are unsatisfiable": "ResolutionFailed",
		"error: error sending request for url (https://x)":                                                          "NetworkUnreachable",
		"error: failed to write: No space left on device (os error 28)":                                             "DiskFull",
		"error: odd": "BuildFailed",
		"":           "",
	} {
		err := plan(t, "six").Install(t.Context(), notUv{says: says, makes: "true"}, t.TempDir(), t.Logf)
		if fault.ReasonOf(err) != reason {
			t.Errorf("%q is %v, want %q", says, err, reason)
		}
		if f := fault.From(err); reason == "WheelMissing" && !strings.Contains(f.Fix, "in pods") {
			t.Errorf("the fix is %q", f.Fix)
		}
	}
}

// TestLinesOfPip: what could have code run, or files read, on the server is refused.
func TestLinesOfPip(t *testing.T) {
	t.Parallel()
	for line, ok := range map[string]bool{
		"six": true, "six==1.16.0": true, "uvicorn[standard]>=0.2,<1; python_version > '3.8'": true, "six @ https://x/six-1-py3-none-any.whl": true,
		"--extra-index-url https://x/simple": true, "--index-url=https://x/simple": true, "--pre": true, "six==1.16.0 --hash=sha256:00": true,
		"-e .": false, "-e /srv/x": false, "./x": false, "/srv/x.whl": false, "-r /etc/passwd": false, "-c x.txt": false, "git+https://x/y.git": false,
		"six @ git+https://x/y.git": false, "six @ file:///x-1-py3-none-any.whl": false, "x/y": false, "--find-links /srv": false, "https://x/six.tar.gz": false,
		"six @ https://x/six.tar.gz": false, "--index-url file:///srv": false, "--python /bin/sh": false, "six\n-e /srv": false,
	} {
		err := plan(t, line).Install(t.Context(), notUv{makes: "true"}, t.TempDir(), t.Logf)
		if (err == nil) != ok {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// written returns a layer's digest, and its entries by name: mode, link or contents.
func written(t *testing.T, write func(io.Writer) (oci.Layer, error)) (oci.Layer, map[string]string) {
	t.Helper()
	var b bytes.Buffer
	l, err := write(&b)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	if l.Digest != "sha256:"+hex.EncodeToString(sum[:]) || l.Size != int64(b.Len()) {
		t.Errorf("the layer is %+v, its bytes %x", l, sum)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	if d, err := layer.DiffID(); err != nil || d.String() != l.DiffID {
		t.Errorf("its tar is %v, %v, want %s", d, err, l.DiffID)
	}
	in, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	out, last := map[string]string{}, ""
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return l, out
		}
		text, readErr := io.ReadAll(r)
		if err != nil || readErr != nil || h.Name < last || !h.ModTime.Equal(time.Unix(0, 0)) || h.Uid != 0 || !h.AccessTime.IsZero() {
			t.Fatalf("%v, %v: %+v after %q", err, readErr, h, last)
		}
		last = h.Name
		out[h.Name] = h.Linkname + string(text)
		if h.Mode&0o111 != 0 && h.Typeflag == tar.TypeReg {
			out[h.Name] = "x " + out[h.Name]
		}
	}
}

// TestEnvironment: what uv lays out flat is an environment in the image, and the same each time.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	makes := `mkdir -p bin share/doc six-1.dist-info etc && : >.lock && printf '#!/root/python\nimport six\n' >bin/six && printf '\177ELF' >bin/tool && echo d >share/doc/x &&
echo pkg >etc/__init__.py && echo code >six.py && printf 'bin/six,sha256=x,9\nshare/doc/x,sha256=y,2\nsix.py,sha256=z,5\nsix-1.dist-info/RECORD,,\n' >six-1.dist-info/RECORD`
	var digests []string
	var files map[string]string
	for range 2 {
		p, dir := plan(t, "six"), t.TempDir()
		if err := p.Install(t.Context(), notUv{makes: makes}, dir, t.Logf); err != nil {
			t.Fatal(err)
		}
		var l oci.Layer
		l, files = written(t, func(w io.Writer) (oci.Layer, error) { return p.Write(t.Context(), w, dir) })
		digests = append(digests, l.Digest)
		if err := os.Chtimes(filepath.Join(dir, "site", "six.py"), time.Now(), time.Unix(77, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("the same environment is %v", digests)
	}
	const root, site = "opt/environment/", "opt/environment/lib/python3.11/site-packages/"
	script := "#!/opt/environment/bin/python\nimport six\n"
	sum := sha256.Sum256([]byte(script))
	for name, want := range map[string]string{
		root + "bin/six": "x " + script, root + "bin/tool": "x \x7fELF", root + "share/doc/x": "d\n", site + "etc/__init__.py": "pkg\n", site + "six.py": "code\n",
		root + "bin/python": "/usr/bin/python3.11", root + "bin/python3": "python", root + "bin/python3.11": "python",
		root + "pyvenv.cfg":             "home = /usr/bin\nimplementation = CPython\nversion_info = 3.11\ninclude-system-site-packages = false\n",
		site + "six-1.dist-info/RECORD": "../../../bin/six,sha256=" + b64(sum[:]) + ",41\n../../../share/doc/x,sha256=y,2\nsix.py,sha256=z,5\nsix-1.dist-info/RECORD,,\n",
	} {
		if files[name] != want {
			t.Errorf("%s is %q, want %q", name, files[name], want)
		}
	}
	if _, there := files[site+".lock"]; there || len(files) != 20 {
		t.Errorf("it has %d entries: %v", len(files), slices.Sorted(keys(files)))
	}
}

// TestUnreachable: what registries refuse is told in their words, and no password is.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	for ref, reason := range map[string]string{
		host + "/none:1": "ImageNotFound", "127.0.0.1:1/none:1": "RegistryUnreachable", "UPPER": "ImageNameInvalid",
	} {
		if _, err := oci.Digest(t.Context(), ref, oci.Login{Host: host, User: "u", Password: "hunter2"}); fault.ReasonOf(err) != reason || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s is %v, want %s", ref, err, reason)
		}
	}
	img := baseOf(t, nil, map[string]string{"a": "b"})
	if err := oci.Push(t.Context(), host+"/a:1", img); err != nil {
		t.Fatal(err)
	}
	want, _ := img.Digest()
	if got, err := oci.Digest(t.Context(), host+"/a:1"); err != nil || got != want.String() {
		t.Errorf("it is %s, %v, want %s", got, err, want)
	}
}
