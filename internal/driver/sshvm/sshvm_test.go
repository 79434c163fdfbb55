package sshvm_test

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// vm returns the machine vm1 of test/engines/sshd.sh, whose environment TEST_SSHD stands for.
func vm(t testing.TB) driver.Target {
	t.Helper()
	if os.Getenv("TEST_SSHD") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "sshd") {
			t.Fatal(`TEST_SSHD is not set; run: eval "$(test/engines/sshd.sh env)"`)
		}
		t.Skip(`needs real sshd: test/engines/sshd.sh up; eval "$(test/engines/sshd.sh env)"`)
	}
	key, err := os.ReadFile(os.Getenv("ENGINES_VM_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	target := at(t, os.Getenv("ENGINES_VM1"))
	target.Secrets["administratorAccount.privateKeyData"] = string(key)
	return target
}

// at returns a target at an address without credentials.
func at(t testing.TB, addr string) driver.Target {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Target{
		ID: "t1", Secrets: map[string]string{}, On: map[string][]driver.Conn{},
		Options: map[string]any{
			"address": host, "sshPort": n, "administratorAccount.username": "azureuser", "connectTimeout": 5 * time.Second, "slots": int64(0),
		},
	}
}

// fingerprint returns that of a host key of vm1 with a type.
func fingerprint(t testing.TB, keyType string) string {
	t.Helper()
	known, err := os.ReadFile(os.Getenv("ENGINES_VM_KNOWN_HOSTS"))
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := net.SplitHostPort(os.Getenv("ENGINES_VM1"))
	for line := range strings.Lines(string(known)) {
		_, hosts, k, _, _, err := ssh.ParseKnownHosts([]byte(line))
		if err == nil && slices.Contains(hosts, host) && k.Type() == keyType {
			return ssh.FingerprintSHA256(k)
		}
	}
	t.Fatalf("vm1 has no key of type %s", keyType)
	return ""
}

func connect(t testing.TB, target driver.Target) driver.Conn {
	t.Helper()
	c, err := sshvm.Kind().Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Harness {
		good, alias := own(t, vm(t)), own(t, vm(t))
		alias.Options["hostKey"] = fingerprint(t, "ssh-rsa") // whichever of its keys is asked for, it is the same machine
		alias.Secrets = map[string]string{"administratorAccount.password": os.Getenv("ENGINES_VM_PASSWORD")}
		wrong := at(t, os.Getenv("ENGINES_VM1"))
		wrong.Secrets["administratorAccount.password"] = "wrong"
		closed := vm(t)
		closed.Options["sshPort"] = int64(1)
		bare := at(t, os.Getenv("ENGINES_VM1"))
		nowhere := vm(t)
		delete(nowhere.Options, "address")
		port := vm(t)
		port.Options["sshPort"] = int64(70000)
		return drivertest.Harness{
			Kind: sshvm.Kind(), Target: good, Alias: &alias,
			Script: drivertest.POSIX,
			Crash:  func(t *testing.T, c driver.Conn) { crash(t, c, good) },
			Refusals: []drivertest.Refusal{
				{Name: "WrongPassword", Target: wrong, Check: "authentication", Code: fault.Unauthorized, Reason: "PasswordRefused"},
				{Name: "ClosedPort", Target: closed, Check: "tcp", Code: fault.Unavailable, Reason: "ConnectionRefused"},
				{Name: "NoCredentials", Target: bare, Check: "credentials", Code: fault.Invalid, Reason: "CredentialsMissing"},
				{Name: "NoAddress", Target: nowhere, Check: "address", Code: fault.Precondition, Reason: "AddressUnknown"},
				{Name: "NoSuchPort", Target: port, Code: fault.Invalid, Reason: "OptionInvalid"},
			},
			BlackHole: blackHole(t),
			Definition: func(what string) *driver.Definition {
				if what == "tiny" {
					return &driver.Definition{UserManaged: true, Interpreter: "python3"}
				}
				return &driver.Definition{UserManaged: true, Interpreter: "/no/such/python"}
			},
		}
	})
}

// TestMain makes the test binary the agent where it is started as one: it carries itself to the machine.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		syscall.Exit(agent.Main(os.Args[1:])) // not os.Exit: the race detector makes that one sleep
	}
	os.Exit(m.Run())
}

// own gives a target an ID of its own, and takes what it leaves on the machine away.
func own(t *testing.T, target driver.Target) driver.Target {
	target.ID = strings.ToLower(id.New())
	target.Options["workDirectory"] = ".zaffre-test"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		c, err := sshvm.Kind().Connect(ctx, target)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.(driver.Cleaner).Clean(ctx, false); err != nil {
			t.Errorf("it cannot be cleaned: %v", err)
		}
	})
	return target
}

// crash kills the target's agent.
func crash(t *testing.T, c driver.Conn, target driver.Target) {
	t.Helper()
	exit, err := c.(driver.Host).Exec(t.Context(), []string{"pkill", "-KILL", "-f", "agent serve --root .*/" + target.ID}, driver.Stdio{})
	if err != nil || exit > 1 {
		t.Errorf("killing the agent: exit %d, %v", exit, err)
	}
}

// blackHole takes connections and says nothing.
func blackHole(t *testing.T) *driver.Target {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	target := at(t, l.Addr().String())
	target.Secrets["administratorAccount.password"] = "unheard"
	return &target
}

func TestObserve(t *testing.T) {
	t.Parallel()
	c := connect(t, vm(t))
	begin := time.Now()
	o, err := c.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v: %s, %s, %+v, %v", time.Since(begin), o.Identity, o.Lasting, o.Machines, o.Facts)
	if took := time.Since(begin); took > 2*time.Minute {
		t.Errorf("a good host took %v", took)
	}
	var names []string
	for _, c := range o.Checks {
		t.Logf("%+v", c)
		names = append(names, c.Name)
	}
	want := strings.Fields("address credentials dns tcp banner key-exchange host-key authentication shell system home work-directory disk clock lingering python uv docker gpus")
	if !slices.Equal(names, want) {
		t.Errorf("checks %v, want %v", names, want)
	}
	if o.Pin[sshvm.PinHostKey] == "" || o.Facts["host-key"] == "" || o.Lasting == "" {
		t.Errorf("pin %v, facts %v, lasting %q", o.Pin, o.Facts, o.Lasting)
	}
}

// TestPinned: a host that shows another key than the pinned one is not spoken to.
func TestPinned(t *testing.T) {
	t.Parallel()
	target := vm(t)
	o, err := connect(t, target).Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target.Pinned = o.Pin
	if _, err := connect(t, target).Observe(t.Context()); err != nil {
		t.Errorf("with its own key: %v", err)
	}
	target.Pinned = map[string]string{sshvm.PinHostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}
	seen, err := connect(t, target).Observe(t.Context())
	if fault.ReasonOf(err) != "HostKeyChanged" || seen.Pin[sshvm.PinHostKey] != o.Pin[sshvm.PinHostKey] {
		t.Errorf("with another key pinned: %v, pin %v", err, seen.Pin)
	}
	if _, err := connect(t, target).(driver.Host).Exec(context.Background(), []string{"true"}, driver.Stdio{}); fault.ReasonOf(err) != "HostKeyChanged" {
		t.Errorf("a command with another key pinned: %v", err)
	}
}
