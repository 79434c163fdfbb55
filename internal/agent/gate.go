package agent

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gate is the process of a job before it is the job's program. It waits until the supervisor has
// written down its pid, then ends that file with a newline and becomes the program. So a process
// whose pid nobody knows has done nothing, and ends when its supervisor dies; and a process that has
// ended without the newline never was the program, so that the job may be started again.
//
// It is a fork of the supervisor that only makes system calls, as the standard library's own does:
// that one cannot wait between fork and exec, and another start of this binary to do the waiting
// would double what a job costs.
type gate struct {
	program, dir, proc string // proc is the file that names the process
	argv, env          []string
	stdin, out, pair   int // file descriptors; pair is the gate's end of a socket pair
	far                int // the supervisor's end
}

// gateArgs is what the fork needs, as the kernel takes it.
type gateArgs struct {
	program, dir, proc *byte
	argv, env          **byte
	stdin, out         uintptr
	pair, far          uintptr
	mask               unix.Sigset_t // to be restored before exec
	limit              unix.Rlimit
}

// maxFiles bounds the job's soft limit of open files, which Go raised to the hard one: some
// programs walk over all descriptors that could be open.
const maxFiles = 1 << 16

// start forks. The gate waits for one byte on the pair.
func (g *gate) start() (pid int, err error) {
	var a gateArgs
	if a.program, err = syscall.BytePtrFromString(g.program); err != nil {
		return 0, err
	}
	if a.dir, err = syscall.BytePtrFromString(g.dir); err != nil {
		return 0, err
	}
	if a.proc, err = syscall.BytePtrFromString(g.proc); err != nil {
		return 0, err
	}
	argv, err := syscall.SlicePtrFromStrings(g.argv)
	if err != nil {
		return 0, err
	}
	env, err := syscall.SlicePtrFromStrings(g.env)
	if err != nil {
		return 0, err
	}
	a.argv, a.env = &argv[0], &env[0]
	a.stdin, a.out, a.pair, a.far = uintptr(g.stdin), uintptr(g.out), uintptr(g.pair), uintptr(g.far)
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &a.limit); err != nil {
		return 0, err
	}
	a.limit.Cur = min(a.limit.Cur, maxFiles)
	pid, errno := fork(&a)
	runtime.KeepAlive(argv)
	runtime.KeepAlive(env)
	if errno != 0 {
		return 0, os.NewSyscallError("fork", errno)
	}
	return pid, nil
}

// fork forks with all signals blocked, so that no handler of Go runs in the child. Nobody else may
// be between opening a file and marking it close-on-exec: ForkLock.
func fork(a *gateArgs) (pid int, errno syscall.Errno) {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all := unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&a.mask)), 8, 0, 0); e != 0 {
		return 0, e
	}
	pid, errno = forkGate(a)
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&a.mask)), 0, 8, 0, 0)
	return pid, errno
}

// forkGate must not grow the stack, allocate, or call anything but system calls: in the child this
// is the only thread, and the runtime's others are gone.
//
//go:norace
//go:nosplit
//go:noinline
func forkGate(a *gateArgs) (pid int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || r != 0 {
		return int(r), errno
	}
	gateChild(a)
	return 0, 0 // never
}

// gateChild is what the child does. Every handler that Go has set becomes the default at exec.
//
//go:norace
//go:nosplit
func gateChild(a *gateArgs) {
	var b [4]byte
	var errno syscall.Errno
	var fd uintptr
	buf := uintptr(unsafe.Pointer(&b[0]))
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
	// Without these the supervisor's death would neither be seen here nor free its lock.
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, a.far, 0, 0)
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, lockFD, 0, 0)
	for {
		r, _, e := syscall.RawSyscall(syscall.SYS_READ, a.pair, buf, 1)
		if e == syscall.EINTR {
			continue
		}
		if r != 1 {
			exitGate(1)
		}
		break
	}
	if _, _, errno = syscall.RawSyscall(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(a.dir)), 0, 0); errno != 0 {
		goto failed
	}
	if _, _, errno = syscall.RawSyscall(syscall.SYS_DUP3, a.stdin, 0, 0); errno != 0 {
		goto failed
	}
	if _, _, errno = syscall.RawSyscall(syscall.SYS_DUP3, a.out, 1, 0); errno != 0 {
		goto failed
	}
	if _, _, errno = syscall.RawSyscall(syscall.SYS_DUP3, a.out, 2, 0); errno != 0 {
		goto failed
	}
	if _, _, errno = syscall.RawSyscall6(syscall.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE,
		uintptr(unsafe.Pointer(&a.limit)), 0, 0, 0); errno != 0 {
		goto failed
	}
	fd, _, errno = syscall.RawSyscall6(syscall.SYS_OPENAT, atCWD, uintptr(unsafe.Pointer(a.proc)),
		syscall.O_WRONLY|syscall.O_APPEND|syscall.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		goto failed
	}
	b[0] = '\n'
	if _, _, errno = syscall.RawSyscall(syscall.SYS_WRITE, fd, buf, 1); errno != 0 {
		goto failed
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
	_, _, errno = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&a.mask)), 0, 8, 0, 0)
	if errno != 0 {
		goto failed
	}
	_, _, errno = syscall.RawSyscall(syscall.SYS_EXECVE,
		uintptr(unsafe.Pointer(a.program)), uintptr(unsafe.Pointer(a.argv)), uintptr(unsafe.Pointer(a.env)))
failed:
	b[0], b[1] = byte(errno), byte(errno>>8)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, a.pair, buf, 2)
	exitGate(127)
}

// atCWD is AT_FDCWD, -100.
const atCWD = ^uintptr(99)

//go:norace
//go:nosplit
func exitGate(code uintptr) {
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, code, 0, 0)
	}
}
