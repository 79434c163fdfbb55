package zoo_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

const (
	six     = "2001:db8:beef::2" // of vm1; no ULA, which resolvers put behind IPv4
	sixDead = "2001:db8:beef::dead"
)

// numbered gives both ends of the way to vm1 IPv6 addresses.
func (l *lab) numbered(t *testing.T) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(i net.Interface) bool {
		addrs, _ := i.Addrs()
		return slices.ContainsFunc(addrs, func(a net.Addr) bool { return strings.HasPrefix(a.String(), l.here+"/") })
	})
	if i < 0 {
		t.Fatal("nothing leads to vm1")
	}
	l.sudo(t, "ip -6 addr replace "+six+"/64 dev eth0 nodad")
	if out, err := exec.CommandContext(t.Context(), "ip", "-6", "addr", "replace", "2001:db8:beef::1/64", "dev", all[i].Name, "nodad").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "-6", "addr", "del", "2001:db8:beef::1/64", "dev", all[i].Name).Run() })
}

// TestIPv6 attaches by an IPv6 address, and by a name of which one address is dead.
func TestIPv6(t *testing.T) {
	l := open(t)
	if os.Getenv("ZOO_HOSTS") == "" {
		l.numbered(t)
	}
	p := l.sshd(t, "")
	o, err := connect(t, l.target(t, settings{address: six, port: p})).Observe(t.Context())
	if err != nil || !o.Ready {
		t.Errorf("at %s: %v: %+v", six, err, o.Checks)
	}
	if os.Getenv("ZOO_HOSTS") == "" {
		l.alone(t)
		return
	}
	for name, want := range map[string][]string{
		"dual":  {fmt.Sprintf("%s:%d", l.host, p), fmt.Sprintf("tried [%s]:%d: silent", sixDead, p)},
		"sixth": {fmt.Sprintf("[%s]:%d", six, p)},
	} {
		begin := time.Now()
		o, err := connect(t, l.target(t, settings{address: name + ".zoo.test", port: p})).Observe(t.Context())
		if err != nil || !o.Ready {
			t.Fatalf("%s: %v: %+v", name, err, o.Checks)
		}
		if took := time.Since(begin); took > slow*2*time.Second {
			t.Errorf("%s took %v: the dead address was waited for", name, took)
		}
		if got := tcpEvidence(o); !slices.Equal(got, want) {
			t.Errorf("%s: the check says %q, want %q", name, got, want)
		}
	}
	begin := time.Now()
	o, err = connect(t, l.target(t, settings{address: "dead.zoo.test", port: int64(1)})).Observe(t.Context())
	took, said := time.Since(begin), strings.Join(tcpEvidence(o), "; ")
	if err == nil || took > slow*5*time.Second || !strings.Contains(err.Error(), "refuses connections on port 1") ||
		!strings.Contains(said, "tried ["+sixDead) || !strings.Contains(said, "tried "+l.host+":1: refused") {
		t.Errorf("after %v: %v, the check says %q", took, err, said)
	}
}

func tcpEvidence(o driver.Observation) []string {
	for _, c := range o.Checks {
		if c.Name == "tcp" {
			return c.Evidence
		}
	}
	return nil
}

// alone runs this test once more, where the names are known: in a mount namespace with its own /etc/hosts.
func (l *lab) alone(t *testing.T) {
	t.Helper()
	hosts := filepath.Join(t.TempDir(), "hosts")
	text := fmt.Sprintf("127.0.0.1 localhost\n%[1]s dual.zoo.test dead.zoo.test\n%[2]s dual.zoo.test dead.zoo.test\n%[3]s sixth.zoo.test\n", sixDead, l.host, six)
	if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/hosts && exec "$2" -test.run '^TestIPv6$' -test.v`, "sh", hosts, os.Args[0])
	cmd.Env = append(os.Environ(), "ZOO_HOSTS="+hosts, "GODEBUG=netdns=go")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestIPv6") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestServerFaults are faults that no machine has alone: one computer twice, and a resource ID that nobody knows.
func TestServerFaults(t *testing.T) {
	l := open(t)
	d := sit(t, l)
	args := func(name string, target driver.Target) []string {
		return append([]string{"compute", "attach", "sshvm", name}, d.flags(t, name, target)[1:]...) // not shared
	}
	if s := d.zaffre(args("first", l.target(t, nil))...); s.exit != 0 {
		t.Fatalf("%+v", s)
	}
	s := d.zaffre(args("again", l.target(t, settings{port: l.sshd(t, "")}))...)
	if s.exit != 1 || !strings.Contains(s.first(), `it is the same computer as compute target "first"`) {
		t.Errorf("%+v", s)
	}
	d.followed(t, s)
	if s := d.zaffre("compute", "check", "again"); s.exit != 0 {
		t.Errorf("after the fix: %+v", s)
	}
	id := "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/zoo"
	s = d.zaffre("compute", "attach", "sshvm", "known", "--resource-id", id, "--shared", "--user", "azureuser",
		"--key-file", os.Getenv("ENGINES_VM_KEY"))
	if s.exit != 1 || !strings.Contains(s.first(), "the inventory of workspace") {
		t.Errorf("%+v", s)
	}
	d.followed(t, s, "ADDRESS", l.host)
	if s := d.zaffre("compute", "attach", "sshvm", "known", "--resource-id", id, "--shared", "--user", "azureuser",
		"--key-file", os.Getenv("ENGINES_VM_KEY")); s.exit != 0 {
		t.Errorf("after the fix: %+v", s)
	}
}

// followed runs the command that an error tells to run.
func (d *desk) followed(t *testing.T, s said, fill ...string) {
	t.Helper()
	_, line, ok := strings.Cut(s.errs, "run: ")
	line, _, _ = strings.Cut(line, "\n")
	if !ok {
		t.Fatalf("no command is told: %+v", s)
	}
	if s := d.zaffre(strings.Fields(strings.NewReplacer(fill...).Replace(line))[1:]...); s.exit != 0 {
		t.Fatalf("%s: %+v", line, s)
	}
}
