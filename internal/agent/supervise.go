package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// fullPause is between two tries to write how a job ended.
const fullPause = time.Second

// lockFD is the lock that the agent took and hands to a supervisor: there is no moment in which
// a job that is being started is not locked.
const lockFD = 3

// wakeSignal tells a supervisor that there may be an order.
const wakeSignal = syscall.SIGUSR1

// leftoverGrace is between TERM and KILL for what a job's process leaves behind.
const leftoverGrace = time.Second

// supervisor is the process that watches over one job. Whenever it dies, another one can go on
// from the files in the job's folder.
type supervisor struct {
	dir   string
	spec  spec
	proc  process
	child bool          // the process is our child; otherwise it was adopted
	wake  chan struct{} // there may be an order
	box   *container    // the job runs in it, not as a process of ours; nil: it does not
	oom   int64         // times the kernel had killed in our control group, at the start
	lock  int           // the open lock file

	closeKeeper func() // ends the keeping of writes; nil: there is none
}

// superviseMain watches over the job in dir until it ended.
func superviseMain(dir string) int {
	syscall.CloseOnExec(lockFD)
	if !holdsLock(lockFD, filepath.Join(dir, lockFile)) {
		return 2
	}
	// Whatever the job leaves behind becomes our child.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	s := &supervisor{dir: dir, wake: make(chan struct{}, 1), oom: oomKills(), lock: lockFD}
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "supervise", filepath.Base(dir), err)
		return 1
	}
	return 0
}

// holdsLock reports whether fd is the lock file and locked by us.
func holdsLock(fd int, name string) bool {
	var have, want syscall.Stat_t
	return syscall.Fstat(fd, &have) == nil && syscall.Stat(name, &want) == nil &&
		have.Ino == want.Ino && have.Dev == want.Dev && syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func (s *supervisor) run() error {
	if exists(filepath.Join(s.dir, exitFile)) {
		return nil
	}
	if ok, err := readJSON(filepath.Join(jobOf(s.dir), specFile), &s.spec); err != nil || !ok {
		return fmt.Errorf("read spec: %v", err)
	}
	if s.spec.Job.Elsewhere {
		s.spec.BootID = bootID()
		if why := s.superseded(); why != "" {
			return s.finish(wire.Status{State: wire.JobFailed, Reason: "NotStarted", Message: why})
		}
	}
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.openRelay(); err != nil {
		return err
	}
	if s.spec.Job.Image != "" {
		return s.contain()
	}
	st, ended, err := s.takeOver()
	if err != nil {
		return err
	}
	if ended {
		return s.finish(st)
	}
	if s.canceled() {
		return s.finish(wire.Status{State: wire.JobCanceled, Message: "canceled before it started"})
	}
	if why := s.start(); why != "" {
		return s.finish(wire.Status{State: wire.JobFailed, Reason: "NotStarted", Message: why})
	}
	s.noteBegin()
	s.tell()
	return s.finish(s.watch(s.reap()))
}

// takeOver goes on with the process of a supervisor before us. ok is false where there is none, or
// it ended before it became the program.
func (s *supervisor) takeOver() (st wire.Status, ok bool, err error) {
	name := filepath.Join(s.dir, procFile)
	if found, err := readJSON(name, &s.proc); err != nil || !found {
		return st, false, err
	}
	st = s.watch(s.adopt())
	if mayHaveRun(name) || st.State == wire.JobCanceled {
		return st, true, nil
	}
	for _, name := range []string{oweFile, reapFile} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return st, false, err
		}
	}
	s.proc = process{}
	return st, false, os.Remove(name)
}

// mayHaveRun reports whether the gate has become the program, or tried to.
func mayHaveRun(proc string) bool {
	b, err := os.ReadFile(proc)
	return err != nil || bytes.HasSuffix(b, []byte("\n"))
}

// listen makes the agent's signal wake us, and then says where to send it.
func (s *supervisor) listen() error {
	c := make(chan os.Signal, 4)
	// What stops a whole session or service stops the job; we stay to write down how it ended.
	signal.Notify(c, wakeSignal, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for range c {
			select {
			case s.wake <- struct{}{}:
			default:
			}
		}
	}()
	_, err := syscall.Pwrite(s.lock, strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	return err
}

func (s *supervisor) canceled() bool { return exists(filepath.Join(jobOf(s.dir), cancelFile)) }

// finish writes how the job ended, once.
func (s *supervisor) finish(st wire.Status) error {
	st.Ended = time.Now().UTC()
	name := filepath.Join(s.dir, exitFile)
	for errors.Join(writeJSON(name+".new", st), s.noteEnd(st)) != nil {
		if !exists(s.dir) {
			return nil // cleaned away
		}
		time.Sleep(fullPause) // a full disk: only we know how it ended, and sending what waits makes room
	}
	if s.closeKeeper != nil {
		s.closeKeeper() // from now on the agent sends what waits
	}
	if err := os.Rename(name+".new", name); err != nil && exists(s.dir) {
		return err
	}
	<-s.tell()
	return nil
}

// tell says that the job may have changed, and returns a channel that is closed once that is said. The agent of one that
// runs elsewhere hears it by its door, or looks by itself.
func (s *supervisor) tell() <-chan struct{} {
	done := make(chan struct{})
	root, job := rootOf(s.dir), filepath.Base(jobOf(s.dir))
	if !s.spec.Job.Elsewhere {
		tell(root, job)
		close(done)
		return done
	}
	go func() {
		_ = tellDoor(root, job)
		close(done)
	}()
	return done
}

// start lays the code and starts the process; why is in the user's terms where that cannot be.
func (s *supervisor) start() (why string) {
	if err := s.layCode(); err != nil {
		return "the code cannot be laid out: " + err.Error()
	}
	cwd := filepath.Join(s.dir, codeDir, filepath.FromSlash(s.spec.Job.Dir))
	if fi, err := os.Stat(cwd); err != nil || !fi.IsDir() {
		return `the folder "` + s.spec.Job.Dir + `" is not in the code of the run`
	}
	env := environ(&s.spec.Job, rootOf(s.dir), os.Environ())
	program, argv, why := s.spec.argv(cwd, env)
	if why != "" {
		return why
	}
	log, err := os.OpenFile(filepath.Join(s.dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return "its log cannot be written: " + err.Error()
	}
	defer log.Close()
	return s.pass(log, cwd, env, program, argv)
}

// pass starts the gate, writes down which process it is, and lets it become the program.
func (s *supervisor) pass(log *os.File, cwd string, env []string, program string, argv []string) (why string) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.Error()
	}
	defer syscall.Close(pair[0])
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err.Error()
	}
	defer null.Close()
	g := gate{
		program: program, dir: cwd, proc: filepath.Join(s.dir, procFile), argv: argv, env: env,
		stdin: int(null.Fd()), out: int(log.Fd()), pair: pair[1], far: pair[0],
	}
	pid, err := g.start()
	syscall.Close(pair[1])
	if err != nil {
		return "no process can be started: " + err.Error()
	}
	st, _ := readStat(pid)
	s.child = true
	s.proc = process{PID: pid, Start: st.start, BootID: s.spec.BootID, Started: time.Now().UTC()}
	if err := writeJSON(filepath.Join(s.dir, procFile), s.proc); err != nil {
		return "its process cannot be written down: " + err.Error() // the gate ends with the pair
	}
	return s.open(pair[0], program)
}

// open lets the gate go, and returns what it says where it cannot become the program.
func (s *supervisor) open(fd int, program string) (why string) {
	if _, err := syscall.Write(fd, []byte{1}); err != nil {
		return `"` + program + `" cannot be started: ` + err.Error()
	}
	b := make([]byte, 2)
	for {
		n, err := syscall.Read(fd, b)
		if err == syscall.EINTR {
			continue
		}
		if n == 2 {
			_, _ = syscall.Wait4(s.proc.PID, nil, 0, nil)
			return `"` + program + `" cannot be started: ` + execError(syscall.Errno(b[0])|syscall.Errno(b[1])<<8)
		}
		return ""
	}
}

// execError explains why the kernel did not start a program that is there.
func execError(e syscall.Errno) string {
	switch e {
	case syscall.ENOENT:
		return "the interpreter that its first line names does not exist"
	case syscall.ENOEXEC:
		return "it is neither a program for this machine nor a script whose first line names one"
	case syscall.E2BIG:
		return "its arguments and variables are too long together"
	}
	return e.Error()
}
