package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in /proc: USER_HZ, 100 on every Linux that Go runs on.
const tick = time.Second / 100

// Process is what the kernel tells of a process.
type Process struct {
	PID, Parent int
	State       string        // "Z" is a zombie
	Own, Reaped time.Duration // CPU time, of itself and of the children it waited for
	Args        []string
}

// Look returns a process; false if there is none.
func Look(pid int) (Process, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, false
	}
	// The name, in brackets, may hold anything: the fields start after the last bracket.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 15 {
		return Process{}, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(f[i]); return v }
	p := Process{PID: pid, State: f[0], Parent: n(1)}
	p.Own = time.Duration(n(11)+n(12)) * tick
	p.Reaped = time.Duration(n(13)+n(14)) * tick
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	p.Args = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	return p, true
}

// Processes returns all processes that are not zombies.
func Processes() []Process {
	var out []Process
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		pid, _ := strconv.Atoi(filepath.Base(name))
		if p, ok := Look(pid); ok && p.State != "Z" {
			out = append(out, p)
		}
	}
	return out
}

// Agents returns the agents that serve the server with a process ID.
func Agents(server int) []Process {
	var out []Process
	for _, p := range Processes() {
		if p.Parent == server && p.root() != "" {
			out = append(out, p)
		}
	}
	return out
}

// root returns the folder that an agent serves; "" if p is no such agent.
func (p Process) root() string {
	n := len(p.Args)
	if n >= 3 && p.Args[n-3] == "serve" && p.Args[n-2] == "--root" {
		return p.Args[n-1]
	}
	return ""
}

// Of returns the processes that have to do with a folder: by an argument, by their working folder,
// or by a variable. "" has none.
func Of(dir string) []Process {
	if dir == "" {
		return nil
	}
	var out []Process
	for _, p := range Processes() {
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.PID))
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
		if p.PID != os.Getpid() && (strings.Contains(strings.Join(p.Args, "\x00"), dir) || strings.HasPrefix(cwd, dir) || bytes.Contains(env, []byte(dir))) {
			out = append(out, p)
		}
	}
	return out
}

// Sweep kills what is left of a scratch folder's processes, and removes the folder. "" is no folder.
func Sweep(dir string) {
	if dir == "" {
		return
	}
	for _, p := range Of(dir) {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	_ = os.RemoveAll(dir)
}

// RSS returns the memory of a process, in bytes.
func RSS(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
