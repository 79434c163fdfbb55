package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/test/rig"
)

// reaperVerb makes this program the parent of a server: the processes that the server leaves behind
// become its children, so that their CPU time is counted when they end.
const reaperVerb = "reap"

// reap runs argv[1:] as a child, and answers each connection to the socket argv[0] with the CPU time
// of the children that ended, and the child's process ID. SIGTERM ends the child, and then it ends.
func reap(argv []string) int {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	path, err := exec.LookPath(argv[1])
	if err != nil {
		return 1
	}
	pid, err := syscall.ForkExec(path, argv[1:], &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var spent atomic.Int64
	go answer(argv[0], pid, &spent)
	go passOn(pid)
	for {
		var use syscall.Rusage
		got, err := syscall.Wait4(-1, nil, 0, &use)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || got == pid {
			return 0
		}
		spent.Add(use.Utime.Nano() + use.Stime.Nano())
	}
}

func passOn(pid int) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	for range c {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

// ledger is what the reaper answers.
type ledger struct {
	PID   int           `json:"pid"`
	Spent time.Duration `json:"spent"`
}

func answer(socket string, pid int, spent *atomic.Int64) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = json.NewEncoder(c).Encode(ledger{PID: pid, Spent: time.Duration(spent.Load())})
		c.Close()
	}
}

// costs is CPU time since the start, by whose it is.
type costs struct {
	server time.Duration // the server itself
	agent  time.Duration // the agent that serves it
	jobs   time.Duration // supervisors and the commands of the runs, once they have ended
}

func (c costs) since(o costs) costs {
	return costs{c.server - o.server, c.agent - o.agent, c.jobs - o.jobs}
}

func (c costs) all() time.Duration { return c.server + c.agent + c.jobs }

// spent asks the reaper and the kernel.
func spent(socket string) (costs, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return costs{}, err
	}
	defer c.Close()
	var l ledger
	if err := json.NewDecoder(bufio.NewReader(c)).Decode(&l); err != nil {
		return costs{}, err
	}
	server, ok := rig.Look(l.PID)
	if !ok {
		return costs{}, fmt.Errorf("the server %d is gone", l.PID)
	}
	out := costs{server: server.Own, jobs: server.Reaped + l.Spent}
	for _, a := range rig.Agents(l.PID) {
		out.agent += a.Own
		out.jobs += a.Reaped
	}
	return out, nil
}

// bareCommand returns the CPU time of starting a command and waiting for it, without zaffre.
func bareCommand(name string, n int) (time.Duration, error) {
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &before)
	for range n {
		if err := exec.Command(name).Run(); err != nil {
			return 0, err
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &after)
	d := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	return time.Duration(d / int64(n)), nil
}
