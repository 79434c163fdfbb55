package clients_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// computer is a machine behind a real OpenSSH server.
type computer struct {
	address, port, user, password string
	key, encrypted, passphrase    string // files with private keys, and the passphrase of the second
}

// realMachine returns vm1 of test/engines/sshd.sh.
func realMachine(t testing.TB) computer {
	t.Helper()
	if os.Getenv("TEST_SSHD") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "sshd") {
			t.Fatal(`TEST_SSHD is not set; run: eval "$(test/engines/sshd.sh env)"`)
		}
		t.Skip(`needs real sshd: test/engines/sshd.sh up; eval "$(test/engines/sshd.sh env)"`)
	}
	host, port, err := net.SplitHostPort(os.Getenv("ENGINES_VM1"))
	if err != nil {
		t.Fatal(err)
	}
	return computer{
		address: host, port: port, user: os.Getenv("ENGINES_VM_USER"), password: os.Getenv("ENGINES_VM_PASSWORD"),
		key: os.Getenv("ENGINES_VM_KEY"), encrypted: os.Getenv("ENGINES_VM_KEY_ENCRYPTED"), passphrase: os.Getenv("ENGINES_VM_PASSPHRASE"),
	}
}

// variables are what the scripts of testdata know the machine by.
func (c computer) variables() []string {
	return []string{
		"VM_ADDRESS=" + c.address, "VM_PORT=" + c.port, "VM_USER=" + c.user, "VM_PASSWORD=" + c.password,
		"VM_KEY=" + c.key, "VM_KEY_ENCRYPTED=" + c.encrypted, "VM_PASSPHRASE=" + c.passphrase,
	}
}

// secrets are texts that may stand nowhere.
func (c computer) secrets(t testing.TB) []string {
	t.Helper()
	out := []string{c.password, c.passphrase, "wr0ng-canary"}
	for _, file := range []string{c.key, c.encrypted} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
		out = append(out, lines[len(lines)/2])
	}
	return out
}

// logFile is the log of a server in another process.
type logFile string

func (f logFile) String() string {
	b, _ := os.ReadFile(string(f))
	return string(b)
}

// binaries holds zaffre, built once.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	root, err := rig.Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bin", "zaffre")
	build := exec.Command("go", "build", "-o", bin, "./cmd/zaffre")
	build.Dir, build.Stderr = root, os.Stderr
	return bin, build.Run()
})

// serve runs the server as users do: the program, in another process, with the kinds that it has, and with more variables.
func serve(t testing.TB, env ...string) *box {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal("build zaffre:", err)
	}
	port, err := rig.Port()
	if err != nil {
		t.Fatal(err)
	}
	b := &box{dir: t.TempDir()}
	b.log = logFile(filepath.Join(b.dir, "data.log"))
	s, err := rig.Start(t.Context(), rig.Options{Bin: bin, Data: filepath.Join(b.dir, "data"), Port: port, Env: append([]string{"ZAFFRE_LOG_LEVEL=debug"}, env...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(); s.Sweep() })
	b.Client = s.C
	if b.profile, err = client.Load(filepath.Join(b.dir, "data")); err != nil {
		t.Fatal(err)
	}
	b.bundle(t)
	return b
}

// sealed fails if a secret of the machine was printed, logged or stored.
func (b *box) sealed(t testing.TB, c computer, printed string) {
	t.Helper()
	for _, secret := range c.secrets(t) {
		if strings.Contains(printed, secret) || strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
			t.Errorf("a secret of %d letters was printed, logged or stored", len(secret))
		}
	}
}

// TestV1AttachesARealMachine attaches a machine in every way that azureml-core has.
func TestV1AttachesARealMachine(t *testing.T) {
	t.Parallel()
	c := realMachine(t)
	for _, python := range []string{"3.10", "3.11"} {
		t.Run(python, func(t *testing.T) {
			t.Parallel()
			interpreter := v1(t, python)
			b := serve(t)
			b.keep(t, virtualMachine("gpu"), c.address)
			out := b.must(t, script{python: interpreter, file: "v1_machine.py", env: append(c.variables(), "VM_ID="+virtualMachine("gpu"))})
			t.Log(out)
			holds(t, out,
				"by-password RemoteCompute Succeeded None None "+c.address+" 22",
				"got by-password Succeeded", "refreshed Succeeded", "listed [('by-password', 'RemoteCompute')]",
				"serialized by-password VirtualMachine Succeeded None "+c.address+" True",
				"again Succeeded", "by-key Succeeded", "by-encrypted-key Succeeded",
				"REFUSED wrong-password [PasswordRefused]", "REFUSED wrong-passphrase [PassphraseWrong]", "REFUSED no-passphrase [PassphraseMissing]",
				"REFUSED refused-port [ConnectionRefused]", "REFUSED unknown-id [ResourceUnknown]", "REFUSED twice [SameComputer]",
				"kept Succeeded", "by-id Succeeded None "+virtualMachine("gpu"), "by-parts [ResourceUnknown]", "left []",
			)
			b.sealed(t, c, out)
		})
	}
}

// TestV2AttachesARealMachine attaches by azure-ai-ml, which knows machines by resource ID alone.
func TestV2AttachesARealMachine(t *testing.T) {
	t.Parallel()
	c := realMachine(t)
	interpreter := v2(t)
	b := serve(t)
	for _, name := range []string{"gpu", "bad"} {
		b.keep(t, virtualMachine(name), c.address)
	}
	out := b.must(t, script{python: interpreter, file: "v2_machine.py", env: append(c.variables(), "VM_ID="+virtualMachine("gpu"), "BAD_ID="+virtualMachine("bad"))})
	t.Log(out)
	holds(t, out,
		"attached Succeeded virtualmachine 22 "+c.user+" None "+virtualMachine("gpu"), "got Succeeded None mine {'team': 'x'}",
		"REFUSED bad True", "REFUSED unknown True", "REFUSED twice True",
		"by key Succeeded", "updated {'team': 'y'}", "listed [('bad', 'Failed'), ('by-key', 'Succeeded'), ('twice', 'Failed'), ('unknown', 'Failed')]", "detached True", "left []",
	)
	b.sealed(t, c, out)
}

// TestGoClientAttachesARealMachine runs the program of the module armgo.
func TestGoClientAttachesARealMachine(t *testing.T) {
	t.Parallel()
	c := realMachine(t)
	b := serve(t)
	out := b.armgo(t, c)
	t.Log(out)
	holds(t, out, "workspace default local", "REFUSED bad-vm PasswordRefused", "TAKEN my-vm Succeeded "+c.address+" 22 true",
		"list [bad-vm my-vm]", "gone true")
	b.sealed(t, c, out)
}

// TestAzureCLIAttachesARealMachine puts, reads and detaches by az rest.
func TestAzureCLIAttachesARealMachine(t *testing.T) {
	t.Parallel()
	c := realMachine(t)
	az := newAz(t, serve(t))
	holds(t, az.do(t, "login", "--identity"), az.config.Subscription)
	all := ""
	for _, try := range []struct{ name, password, state, holds string }{
		{"bad-vm", "wr0ng-canary", "Failed", "PasswordRefused"},
		{"my-vm", c.password, "Succeeded", `"address": "` + c.address + `"`},
	} {
		put := az.do(t, "rest", "--method", "put", "--url", az.compute(try.name), "--body", vmBody(t, c.address, c.user, try.password))
		holds(t, put, `"provisioningState": "Creating"`)
		got := ""
		eventually(t, "the attach of "+try.name, func() bool {
			v, err := az.b.Compute(t.Context(), "default", try.name)
			return err == nil && v.State == try.state
		})
		got = az.do(t, "rest", "--url", az.compute(try.name))
		holds(t, got, `"provisioningState": "`+try.state+`"`, try.holds)
		all += put + got
	}
	holds(t, az.do(t, "rest", "--url", az.compute("")), `"my-vm"`, `"bad-vm"`)
	for _, name := range []string{"bad-vm", "my-vm"} {
		all += az.do(t, "rest", "--method", "delete", "--url", az.compute(name)+"&underlyingResourceAction=Detach")
	}
	eventually(t, "the detach", func() bool { return !strings.Contains(az.do(t, "rest", "--url", az.compute("")), `"name"`) })
	az.b.sealed(t, c, all)
}

// armgo builds the program of the module armgo and runs it.
func (b *box) armgo(t testing.TB, c computer, arg ...string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "armgo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = "armgo"
	if out, err := build.CombinedOutput(); err != nil {
		absent(t, "armmachinelearning cannot be built: "+string(out))
	}
	home := t.TempDir()
	b.writeConfig(t, home)
	ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, arg...)
	cmd.Dir, cmd.Env = home, append(b.variables(t, home), c.variables()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, lastLines(b.log.String(), 30))
	}
	return string(out)
}
