package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/test/rig"
)

func children(pid int) (out []int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// Processes returns the machine's processes.
func (m *Machine) Processes() (out []rig.Process) {
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", m.root))
	if err != nil {
		return nil
	}
	for _, p := range rig.Processes() {
		if own, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", p.PID)); err == nil && own == space {
			out = append(out, p)
		}
	}
	return out
}

// Sessions returns the processes of sshd that serve a connection.
func (m *Machine) Sessions() []rig.Process {
	return slices.DeleteFunc(m.Processes(), func(p rig.Process) bool { return p.PID == m.root || !isSSHD(p) })
}

// Agents returns the agents that serve a connection.
func (m *Machine) Agents() []rig.Process {
	return slices.DeleteFunc(m.Processes(), func(p rig.Process) bool { return !slices.Contains(p.Args, "serve") })
}

// Others returns the processes that are neither sshd's nor an agent that serves a connection: jobs, and who watches
// over them.
func (m *Machine) Others() []rig.Process {
	return slices.DeleteFunc(m.Processes(), func(p rig.Process) bool { return isSSHD(p) || slices.Contains(p.Args, "serve") })
}

func isSSHD(p rig.Process) bool { return strings.HasPrefix(p.Args[0], "sshd") || p.Args[0] == sshd }

// Kill ends processes as a crash does, and returns how many there were.
func Kill(list []rig.Process) int {
	for _, p := range list {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	return len(list)
}

// Left returns the files in the home folder of the user, but for those of SSH.
func (m *Machine) Left() (out []string, err error) {
	list, err := os.ReadDir(m.Path("home", User))
	for _, e := range list {
		if e.Name() != ".ssh" {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// Fill takes all that is free on the machine's disk. Free gives it back.
func (m *Machine) Fill() error {
	f, err := os.Create(m.ballast())
	if err != nil {
		return err
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 1 << 12} {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		err = nil
	}
	return nil
}

// Free is the end of Fill.
func (m *Machine) Free() error { return os.Remove(m.ballast()) }

func (m *Machine) ballast() string { return m.Path("home", "ballast") }

// Ledger reads a file that a job keeps outside of the disk that Fill fills.
func (m *Machine) Ledger(name string) ([]byte, error) { return os.ReadFile(m.Path(LedgerFolder, name)) }

// Note writes such a file.
func (m *Machine) Note(name string) error {
	return os.WriteFile(m.Path(LedgerFolder, name), nil, 0o644)
}

// LedgerFolder is where jobs keep such files, on each machine.
const LedgerFolder = "/run/chaos"

// Mark returns the path of such a file, as a job sees it.
func Mark(name string) string { return filepath.Join(LedgerFolder, name) }
