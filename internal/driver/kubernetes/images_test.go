package kubernetes_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/kubernetes"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/image/imagetest"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// listen serves a registry where the node reaches it, which is told how: without TLS, or by
// whose certificate.
func listen(t *testing.T, h http.Handler, secure bool) string {
	t.Helper()
	host, _, err := net.SplitHostPort(os.Getenv("TEST_KUBERNETES_REGISTRY"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s, at := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}, l.Addr().String()
	hosts := filepath.Join(os.Getenv("TEST_KUBERNETES_CERTS"), at)
	trust := fmt.Sprintf("server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", "http://"+at, "http://"+at)
	t.Cleanup(func() { s.Close(); os.RemoveAll(hosts) })
	if err := os.MkdirAll(hosts, 0o755); err != nil {
		t.Fatal(err)
	}
	if secure {
		ca := filepath.Join(hosts, "ca.pem")
		trust = "[host.\"https://" + at + "\"]\n  ca = \"" + ca + "\"\n"
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate(t, host, ca)}}
		go func() { _ = s.ServeTLS(l, "", "") }()
	} else {
		go func() { _ = s.Serve(l) }()
	}
	if err := os.WriteFile(filepath.Join(hosts, "hosts.toml"), []byte(trust), 0o644); err != nil {
		t.Fatal(err)
	}
	return at
}

// certificate makes one for an address, and writes it to a file.
func certificate(t *testing.T, host, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(host)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err == nil {
		err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// python brings the node's own image, which stands in no registry, into one, by its own tools. It is another image there:
// who fetched the same one by a login has the node ask everybody for that.
func python(t *testing.T, ref, token string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "python.tar")
	out, err := exec.CommandContext(t.Context(), "ctr", "-a", filepath.Join(filepath.Dir(filepath.Dir(admin(t))), "containerd.sock"), "-n", "k8s.io", "images", "export", file, "docker.io/"+os.Getenv("TEST_KUBERNETES_IMAGE")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	img, err := tarball.ImageFromPath(file, nil)
	if err == nil {
		img, err = mutate.CreatedAt(img, v1.Time{Time: time.Unix(1, 0)})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := imagetest.Push(t, ref, img, imagetest.By(token)); err != nil {
		t.Fatal(err)
	}
}

// imaged is a target whose environments are images.
func imaged(t *testing.T, l *imagetest.Lab, base string, more map[string]any) (using, driver.Target, string) {
	t.Helper()
	_, target, namespace := fresh(t)
	target.Images, target.Options, target.Secrets = l.For(imagetest.Workspace, target.ID), maps.Clone(target.Options), maps.Clone(target.Secrets)
	target.Options["image"] = base
	for path, v := range more {
		target.Options[path] = v
	}
	if more["registryUser"] != nil {
		target.Secrets["registryPassword"] = imagetest.Writer
	}
	return using{t, connect(t, target)}, target, namespace
}

// asks is a program that says which interpreter it is run by, and that a package is there.
const asks = "import sys, six; print(sys.prefix, six.__version__)"

func (u using) runsImage(st driver.BuildStatus) {
	u.Helper()
	j := drivertest.NewJob("python", "-c", asks)
	j.Runtime = st.Runtime
	h := u.start(j)
	if end := u.end(j, h); end.State != driver.JobDone {
		u.Fatalf("the job is %+v\n%s", end, u.log(h))
	}
	if got := u.log(h); got != "/opt/environment 1.16.0\n" {
		u.Errorf("the job says %q", got)
	}
	if err := u.Release(u.Context(), h); err != nil {
		u.Error(err)
	}
}

func (u using) buildLog(digest string) string {
	u.Helper()
	in, err := u.Runner.(driver.EnvBuilder).BuildLog(u.Context(), digest, 0)
	if err != nil {
		u.Fatal(err)
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		u.Error(err)
	}
	return string(b)
}

// TestOwnRegistry: an environment is an image of the server's registry, which the node fetches by the target's login.
func TestOwnRegistry(t *testing.T) {
	t.Parallel()
	admin(t)
	l := imagetest.New(t, t.TempDir(), uvx.New(tools(t)))
	at := listen(t, l.Handler, true)
	own, stop, err := l.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	python(t, own+"/ws/python:3.11", imagetest.Writer)
	u, target, namespace := imaged(t, l, at+"/ws/python:3.11", map[string]any{"registry": "own:" + at})
	checks, _ := u.observed()
	u.wantCheck(checks, "image", "", at+"/ws/python:3.11") // which the node has by a login
	digest := digestOf(t)
	u.build(digest, uv)
	st := u.built(digest)
	if st.State != driver.BuildDone || st.Way != "image" || st.Python != "3.11" || !strings.HasPrefix(st.Runtime.Image, at+"/ws/environment@sha256:") {
		t.Fatalf("the build is %+v\n%s", st, u.buildLog(digest))
	}
	if log := u.buildLog(digest); !strings.Contains(log, "Installing the environment for Python 3.11 (/usr/bin/python3.11)") || !strings.Contains(log, "six==1.16.0") {
		t.Errorf("the log is %s", log)
	}
	u.runsImage(st)
	secret := kubectl(t, "", "-n", namespace, "get", "secrets", "-l", "zaffre/target="+target.ID, "-o", "jsonpath={.items[*].type} {.items[*].metadata.ownerReferences[*].kind}")
	if secret != "kubernetes.io/dockerconfigjson ConfigMap" {
		t.Errorf("the secret is %q", secret)
	}
	if err := l.Delete(imagetest.As(t.Context()), imagetest.Workspace, "environment", digest); err != nil {
		t.Fatal(err)
	}
	j := drivertest.NewJob("true")
	j.Runtime = st.Runtime
	if _, err := u.Start(t.Context(), j); fault.ReasonOf(err) != "EnvironmentMissing" {
		t.Errorf("a run of a deleted image: %v", err)
	}
	if _, err := u.Runner.(driver.Cleaner).Clean(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if left := kubectl(t, "", "-n", namespace, "get", "secrets", "-o", "name"); left != "" {
		t.Errorf("left are %q", left)
	}
}

// guarded is a registry behind a password, which may change.
type guarded struct {
	http.Handler
	password atomic.Value
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "ann" || password != g.password.Load() {
		w.Header().Set("WWW-Authenticate", `Basic realm="guarded"`)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"ann is not who she says"}]}`)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

// TestOtherRegistry: an environment's image is pushed to another registry, and fetched from it, by its password. With
// another password a build fails with what the registry says, and a run waits with that.
func TestOtherRegistry(t *testing.T) {
	t.Parallel()
	admin(t)
	g := &guarded{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	g.password.Store(imagetest.Writer)
	at := listen(t, g, false)
	l := imagetest.New(t, t.TempDir(), uvx.New(tools(t)))
	own, stop, err := l.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	python(t, own+"/ws/python:3.11", imagetest.Writer)
	u, _, namespace := imaged(t, l, "python:3.11", map[string]any{"registry": at + "/ml", "registryUser": "ann"})
	digest := digestOf(t)
	u.build(digest, uv)
	st := u.built(digest)
	if st.State != driver.BuildDone || !strings.HasPrefix(st.Runtime.Image, at+"/ml/environment@sha256:") {
		t.Fatalf("the build is %+v\n%s", st, u.buildLog(digest))
	}
	u.runsImage(st)

	g.password.Store("another")
	u.build(digest+"2", uv)
	if bad := u.built(digest + "2"); bad.Reason != "RegistryDenied" || !strings.Contains(bad.Message, "Unauthorized") || strings.Contains(bad.Message+u.buildLog(digest+"2"), imagetest.Writer) {
		t.Errorf("with a wrong password the build is %+v", bad)
	}
	absent(t, st.Runtime.Image)
	j := drivertest.NewJob("true")
	j.Runtime = st.Runtime
	h := u.start(j)
	u.says(j, h, "401")
	if err := u.Cancel(t.Context(), h); err != nil {
		t.Error(err)
	}
	u.end(j, h)
	for _, text := range []string{kubectl(t, "", "-n", namespace, "get", "jobs,pods,configmaps,events", "-o", "yaml"), string(h.Data)} {
		if strings.Contains(text, imagetest.Writer) {
			t.Error("the password can be read")
		}
	}
}

// absent has the node forget an image.
func absent(t *testing.T, image string) {
	t.Helper()
	socket := filepath.Join(filepath.Dir(filepath.Dir(admin(t))), "containerd.sock")
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "ctr", "-a", socket, "-n", "k8s.io", "images", "ls", "-q").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, digest, _ := strings.Cut(image, "@")
	for name := range strings.FieldsSeq(string(out)) {
		if strings.Contains(name, digest) || name == image {
			if said, err := exec.CommandContext(t.Context(), "ctr", "-a", socket, "-n", "k8s.io", "images", "rm", "--sync", name).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}
	}
}

// TestRegistryOptions: what cannot be a registry is refused when the target is attached.
func TestRegistryOptions(t *testing.T) {
	t.Parallel()
	l := imagetest.New(t, t.TempDir(), nil)
	for text, ok := range map[string]bool{
		"own:10.0.0.1:8444": true, "registry.example/ml": true, "10.0.0.1:5000/a/b/": true, "": true,
		"own:10.0.0.1": false, "own:10.0.0.1:8444/x": false, "https://registry.example/ml": false, "registry.example": false, "ml/team": false,
	} {
		target := driver.Target{ID: "t", Images: l.For("ws", "t"), Secrets: map[string]string{"token": "x"}, Options: map[string]any{"server": "https://127.0.0.1:1", "namespace": "n", "registry": text}}
		if err := attaches(t, target); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	target := driver.Target{ID: "t", Images: l.For("ws", "t"), Secrets: map[string]string{"token": "x"}, Options: map[string]any{"server": "https://127.0.0.1:1", "namespace": "n", "registry": "registry.example/ml", "registryUser": "ann"}}
	if err := attaches(t, target); fault.ReasonOf(err) != "OptionInvalid" {
		t.Errorf("a user without a password: %v", err)
	}
}

func attaches(t *testing.T, target driver.Target) error {
	t.Helper()
	c, err := kubernetes.Kind().Connect(t.Context(), target)
	if err == nil {
		err = c.Close()
	}
	return err
}
