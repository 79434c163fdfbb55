// Package lab makes machines with real sshd for the faults of test/chaos, in Linux namespaces that end with the
// program: whatever becomes of it, no process, address, rule or mount is left on the machine that it runs on. It takes
// root, and Debian's packages openssh-server, iptables, iproute2 and util-linux.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// insideMark is the variable by which the program knows that it is in the namespaces.
const insideMark = "ZAFFRE_CHAOS_INSIDE"

// Missing says what this machine lacks for a lab; "": nothing.
func Missing() string {
	if os.Getuid() != 0 {
		return "root, to make network namespaces"
	}
	for _, p := range []string{sshd, "iptables", "ip", "nsenter", "unshare", "mount", "python3"} {
		if _, err := exec.LookPath(p); err != nil {
			return p
		}
	}
	return ""
}

// Inside reports whether this process is in the namespaces, and makes them its own if so. The root of them ends with
// this process, and with it all that was started.
func Inside() (bool, error) {
	if os.Getenv(insideMark) == "" {
		return false, nil
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return true, fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return true, fmt.Errorf("mount /proc: %w", err)
	}
	return true, command("ip", "link", "set", "lo", "up")
}

// Enter runs this program again, with other arguments, in namespaces of its own, and returns its exit code. It passes
// on what asks it to end.
func Enter(ctx context.Context, args ...string) (int, error) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideMark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL, Setpgid: true,
	}
	runtime.LockOSThread() // whose end is what the kernel tells of as the parent's
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("make namespaces: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	err := cmd.Wait()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(1, ended.ExitCode()), nil
	}
	return 0, err
}

// command runs a program, whose words are the error.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
