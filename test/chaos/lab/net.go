package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

const (
	here      = "lab0" // our end of the cable
	hereAddr  = "10.99.0.1"
	cableMask = "/16"
)

// Net is the network of the machines: one namespace at the other end of a cable, with an address for each machine.
type Net struct {
	holder *exec.Cmd // keeps the namespace
	pid    string
}

// OpenNet lays the cable. It must be called once, Inside.
func OpenNet() (*Net, error) {
	n := &Net{holder: exec.Command("sleep", "infinity")}
	n.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := n.holder.Start(); err != nil {
		return nil, err
	}
	n.pid = strconv.Itoa(n.holder.Process.Pid)
	for _, line := range []string{
		"ip link add " + here + " type veth peer name eth0 netns " + n.pid,
		"ip addr add " + hereAddr + cableMask + " dev " + here,
		"ip link set " + here + " up",
		n.there("ip link set lo up"),
		n.there("ip link set eth0 up"),
	} {
		if err := n.line(line); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// there is a command line at the other end.
func (n *Net) there(line string) string { return "nsenter --net=/proc/" + n.pid + "/ns/net " + line }

func (n *Net) line(s string) error {
	f := strings.Fields(s)
	return command(f[0], f[1:]...)
}

// Close takes the network away.
func (n *Net) Close() {
	_ = n.holder.Process.Kill()
	_ = n.holder.Wait()
}

// address returns the i-th address, and has it answer.
func (n *Net) address(i int) (string, error) {
	a := fmt.Sprintf("10.99.%d.%d", 1+i/200, 1+i%200)
	return a, n.line(n.there("ip addr add " + a + cableMask + " dev eth0"))
}

// Fault is something that is wrong with the link to a machine.
type Fault struct {
	rules [][]string // of iptables, without the verb
	down  bool       // the cable is out
}

// All stands for every machine.
const All = hereAddr + cableMask

// Drop loses all packets to and from an address without a word.
func Drop(addr string) Fault {
	return Fault{rules: [][]string{{"INPUT", "-s", addr, "-j", "DROP"}, {"OUTPUT", "-d", addr, "-j", "DROP"}}}
}

// Refuse resets connections to an address, and loses what it sends.
func Refuse(addr string) Fault {
	return Fault{rules: [][]string{
		{"INPUT", "-s", addr, "-j", "DROP"}, {"OUTPUT", "-d", addr, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"},
	}}
}

// Lose loses a part of the packets that an address sends.
func Lose(addr string, part float64) Fault {
	p := strconv.FormatFloat(part, 'f', -1, 64)
	return Fault{rules: [][]string{{"INPUT", "-s", addr, "-m", "statistic", "--mode", "random", "--probability", p, "-j", "DROP"}}}
}

// Unplug takes the cable out, for all machines.
func Unplug() Fault { return Fault{down: true} }

// Begin has a fault begin.
func (f Fault) Begin() error { return f.set("-I", "down") }

// End has it end.
func (f Fault) End() error { return f.set("-D", "up") }

func (f Fault) set(verb, state string) error {
	if f.down {
		return command("ip", "link", "set", here, state)
	}
	for _, r := range f.rules {
		if err := command("iptables", append([]string{"-w", verb}, r...)...); err != nil {
			return err
		}
	}
	return nil
}

// Dialled returns how many TCP connections were begun from this end since it is there.
func Dialled() (int, error) {
	b, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if f[0] != "Tcp:" {
			continue
		}
		for i, name := range names {
			if name == "ActiveOpens" {
				return strconv.Atoi(f[i])
			}
		}
		names = f
	}
	return 0, fmt.Errorf("the kernel does not count connections")
}
