// Package clients_test runs the real clients of Azure against a real server.
package clients_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/server"
)

// absent skips a test, or fails it where TEST_REQUIRE names "clients".
func absent(t testing.TB, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "clients") {
		t.Fatalf("clients are required: %s", why)
	}
	t.Skip("needs the real clients: " + why)
}

// vmKind is the fake kind as a virtual machine: the password "wrong" is refused.
func vmKind(w *fake.World) driver.Kind {
	k := fake.Kind(w)
	k.Name, k.Attached = "vm", true
	k.ComputeTypes, k.ResourceTypes = []string{"VirtualMachine"}, []string{"Microsoft.Compute/virtualMachines"}
	k.Options = append(k.Options,
		driver.Option{Path: "resourceId", Type: driver.String, Help: "which machine it is"},
		driver.Option{Path: "address", Type: driver.String, Help: "where the machine is"},
		driver.Option{Path: "sshPort", Type: driver.Int, Default: int64(22), Help: "its port"},
		driver.Option{Path: "administratorAccount.username", Type: driver.String, Required: true, Help: "who logs in"},
		driver.Option{Path: "administratorAccount.password", Type: driver.String, Secret: true, Help: "and with what"},
		driver.Option{Path: "administratorAccount.privateKeyData", Type: driver.String, Secret: true, Help: "or with what key"},
	)
	k.Document = func(v driver.View) map[string]any {
		return map[string]any{"address": v.Options["address"], "sshPort": v.Options["sshPort"], "virtualMachineSize": nil}
	}
	connect := k.Connect
	k.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		t.Secrets["password"] = t.Secrets["administratorAccount.password"]
		return connect(ctx, t)
	}
	return k
}

// box is a running server.
type box struct {
	*client.Client
	profile client.Profile
	dir     string
	ca      string // CA bundle for the clients
	log     fmt.Stringer
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *buffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *buffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs a server with the fake kind as a virtual machine.
func start(t testing.TB) *box {
	t.Helper()
	return startWith(t, vmKind(fake.NewWorld()))
}

// TestMain makes the test binary the agent where it is started as one: a server in it carries it to machines.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

// startWith runs a server with these kinds.
func startWith(t testing.TB, kinds ...driver.Kind) *box {
	t.Helper()
	log := &buffer{}
	b := &box{dir: t.TempDir(), log: log}
	data := filepath.Join(b.dir, "data")
	cfg, err := config.Load(config.Sources{Env: map[string]string{"HOME": b.dir}, Flags: map[string]string{
		"data": data, "listen": "127.0.0.1:0", "log.level": "debug", "grace": "2s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, done := &buffer{}, make(chan error, 1)
	go func() {
		logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		done <- server.RunWith(ctx, cfg, out, logger, server.Options{Kinds: kinds})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server failed: %v", err)
		}
	})
	eventually(t, "the server to start", func() bool { return strings.Contains(out.String(), "zaffre is ready at") })
	if b.profile, err = client.Load(data); err != nil {
		t.Fatal(err)
	}
	if b.Client, err = b.profile.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	eventually(t, "the server to be ready", func() bool { return b.Ready(t.Context()) == nil })
	b.bundle(t)
	return b
}

// bundle writes the CAs of the system and of the server into one file, as zaffre env does.
func (b *box) bundle(t testing.TB) {
	t.Helper()
	own, err := os.ReadFile(b.profile.CA)
	if err != nil {
		t.Fatal(err)
	}
	system, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // elsewhere the server's is enough here
	b.ca = filepath.Join(b.dir, "bundle.pem")
	if err := os.WriteFile(b.ca, slices.Concat(system, []byte("\n"), own), 0o600); err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// variables are those of zaffre env, and what keeps a client inside of its own folder.
func (b *box) variables(t testing.TB, home string) []string {
	t.Helper()
	vars, err := b.ClientEnv(t.Context(), "default", client.EnvOptions{Bundle: b.ca, ConfigDir: filepath.Join(home, "azure")})
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "PYTHONUNBUFFERED=1", "PYTHONWARNINGS=ignore", "AZURE_CORE_COLLECT_TELEMETRY=0"}
	for _, v := range vars {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}

// virtualMachine is the resource ID of a machine that somebody had in Azure.
func virtualMachine(name string) string {
	return "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/" + name
}

// keep adds an entry to the inventory: the machine behind a resource ID has this address.
func (b *box) keep(t testing.TB, resourceID, address string) {
	t.Helper()
	_, err := b.AddInventoryEntry(t.Context(), "default", client.InventoryEntry{ResourceID: resourceID, Settings: map[string]string{"address": address}})
	if err != nil {
		t.Fatal(err)
	}
}

// writeConfig writes the config.json of zaffre workspace config.
func (b *box) writeConfig(t testing.TB, dir string) client.WorkspaceConfig {
	t.Helper()
	c, err := b.WorkspaceConfig(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// script is one run of Python.
type script struct {
	python string   // of a virtual environment
	text   string   // or
	file   string   // of testdata
	env    []string // beside the variables
	plain  bool     // without the variables
}

const scriptWithin = 10 * time.Minute

// run runs a script in a folder of its own with a config.json and returns what it printed, and whether it
// ended well.
func (b *box) run(t testing.TB, s script) (string, error) {
	t.Helper()
	home := t.TempDir()
	b.writeConfig(t, home)
	if s.file != "" {
		raw, err := os.ReadFile(filepath.Join("testdata", s.file))
		if err != nil {
			t.Fatal(err)
		}
		s.text = string(raw)
	}
	name := filepath.Join(home, "script.py")
	if err := os.WriteFile(name, []byte(s.text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.python, name)
	cmd.Dir, cmd.WaitDelay = home, 2*time.Second
	if s.plain {
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	} else {
		cmd.Env = b.variables(t, home)
	}
	cmd.Env = append(cmd.Env, s.env...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not end within %v: %w", scriptWithin, err)
	}
	return string(out), err
}

// must is run of a script that ends well.
func (b *box) must(t testing.TB, s script) string {
	t.Helper()
	start := time.Now()
	out, err := b.run(t, s)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, lastLines(b.log.String(), 40))
	}
	t.Logf("took %v", time.Since(start).Round(10*time.Millisecond))
	return out
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// holds fails unless out holds every text.
func holds(t testing.TB, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("%q is missing in:\n%s", w, out)
		}
	}
}

// cacheDir is where virtual environments stay between runs.
func cacheDir() (string, error) {
	if dir := os.Getenv("ZAFFRE_CLIENTS_CACHE"); dir != "" {
		return dir, os.MkdirAll(dir, 0o755)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "zaffre-clients")
	return dir, os.MkdirAll(dir, 0o755)
}

var errNoPython = errors.New("no Python to start from")

// uv returns the uv of the PATH, or one in the cache, which it installs with pip.
var uv = sync.OnceValues(func() (string, error) {
	if p, err := exec.LookPath("uv"); err == nil && exec.Command(p, "--version").Run() == nil {
		return p, nil
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "uv", "bin", "uv")
	if exec.Command(bin, "--version").Run() == nil {
		return bin, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errNoPython
	}
	if out, err := exec.Command(python, "-m", "venv", filepath.Join(dir, "uv")).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a virtual environment for uv: %w: %s", err, out)
	}
	if out, err := exec.Command(filepath.Join(dir, "uv", "bin", "pip"), "install", "-q", "uv").CombinedOutput(); err != nil {
		return "", fmt.Errorf("install uv: %w: %s", err, out)
	}
	return bin, nil
})

// interpreter returns a Python of a version that uv would not find: pyenv's. Else uv looks for itself.
func interpreter(version string) string {
	home, _ := os.UserHomeDir()
	root := cmp.Or(os.Getenv("PYENV_ROOT"), filepath.Join(home, ".pyenv"))
	found, _ := filepath.Glob(filepath.Join(root, "versions", version+".*", "bin", "python"))
	if len(found) > 0 {
		return found[len(found)-1]
	}
	return version
}

var venvs sync.Map // sync.Mutex by name

// venv returns the Python of a virtual environment of the cache, made anew when its packages changed.
func venv(t testing.TB, name, version string, packages ...string) string {
	t.Helper()
	lock, _ := venvs.LoadOrStore(name, new(sync.Mutex))
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	tool, err := uv()
	if err != nil {
		absent(t, err.Error())
	}
	base, err := cacheDir()
	if err != nil {
		absent(t, err.Error())
	}
	dir := filepath.Join(base, name)
	python, mark := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "zaffre.txt")
	want := version + "\n" + strings.Join(packages, "\n")
	if had, err := os.ReadFile(mark); err == nil && string(had) == want && exec.Command(python, "-c", "0").Run() == nil {
		return python
	}
	if out, err := exec.Command(tool, "venv", "-q", "--clear", "--python", interpreter(version), dir).CombinedOutput(); err != nil {
		absent(t, "no Python "+version+": "+string(out))
	}
	args := append([]string{"pip", "install", "-q", "--python", python}, packages...)
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		absent(t, "the package index does not answer: "+string(out))
	}
	if err := os.WriteFile(mark, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}

// The environments of the tests. Versions are pinned: an upgrade is a change that somebody makes.
func v1(t testing.TB, python string) string {
	return venv(t, "v1-"+python, python, "azureml-core==1.61.0.post4", "setuptools<81")
}

func v2(t testing.TB) string {
	return venv(t, "v2-3.11", "3.11", "azure-ai-ml==1.35.2", "azure-identity==1.27.0")
}
