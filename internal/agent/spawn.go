package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// maxDeaths is how many supervisors of one job may die before only a poll makes another.
const maxDeaths = 5

// supervise starts the supervisor of a job, detached, and gives it the lock.
func (s *server) supervise(dir string, lock *os.File) error { return s.spawn("supervise", dir, lock) }

func (s *server) spawn(verb, dir string, lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return diskFault("start the job", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return startFault(err)
	}
	defer null.Close()
	pid, err := syscall.ForkExec(self, []string{"zaffre-agent", Verb, verb, dir}, &syscall.ProcAttr{
		Dir: s.root, Env: spawnEnv(verb), Files: []uintptr{null.Fd(), null.Fd(), s.log.Fd(), lock.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return startFault(err)
	}
	s.mu.Lock()
	s.live[dir] = true
	s.mu.Unlock()
	go s.follow(pid, verb, dir)
	return nil
}

// spawnEnv returns a supervisor's environment. It mostly waits: one thread that runs Go code will do,
// and starts sooner.
func spawnEnv(verb string) []string {
	if verb == "build" {
		return os.Environ()
	}
	return append([]string{"GOMAXPROCS=1"}, os.Environ()...)
}

// follow waits for a supervisor. One that died before its time is replaced.
func (s *server) follow(pid int, verb, dir string) {
	waitFor(pid)
	s.mu.Lock()
	delete(s.live, dir)
	s.mu.Unlock()
	s.hub.publish(filepath.Base(dir))
	if done(verb, dir) {
		s.mu.Lock()
		delete(s.deaths, dir)
		s.mu.Unlock()
		if verb == "supervise" {
			s.sendRestsOf(dir)
		}
		return
	}
	if verb == "supervise" {
		s.bury(dir)
	}
	s.mu.Lock()
	s.deaths[dir]++
	n := s.deaths[dir]
	s.mu.Unlock()
	if n <= maxDeaths {
		time.Sleep(time.Duration(n-1) * 200 * time.Millisecond)
		s.ensureVerb(verb, dir)
	}
}

// done reports whether a supervisor has nothing left to do in dir.
func done(verb, dir string) bool {
	if verb == "build" {
		return !exists(filepath.Join(dir, buildFile)) || exists(filepath.Join(dir, resultFile))
	}
	return !exists(filepath.Join(dir, specFile)) || exists(filepath.Join(dir, exitFile))
}

// bury has how the process of a job ends whose supervisor was killed, and which is our child by then, written down for
// the next supervisor. That one learns at once whether somebody will: see witness.
func (s *server) bury(dir string) {
	var p process
	if ok, _ := readJSON(filepath.Join(dir, procFile), &p); !ok || p.BootID != s.boot || p.PID == 0 { // 0: a container
		return
	}
	var ws syscall.WaitStatus
	switch pid, err := wait4(p.PID, &ws, syscall.WNOHANG); {
	case err != nil: // it is no child of ours
	case pid == p.PID:
		_ = writeJSON(filepath.Join(dir, reapFile), uint32(ws))
	default:
		_ = writeJSON(filepath.Join(dir, oweFile), os.Getpid())
		go func() {
			if ws, ok := waitFor(p.PID); ok {
				_ = writeJSON(filepath.Join(dir, reapFile), uint32(ws))
			}
		}()
	}
}

func wait4(pid int, ws *syscall.WaitStatus, options int) (got int, err error) {
	for {
		if got, err = syscall.Wait4(pid, ws, options, nil); err != syscall.EINTR {
			return got, err
		}
	}
}

// waitFor waits for a child.
func waitFor(pid int) (ws syscall.WaitStatus, ok bool) {
	_, err := wait4(pid, &ws, 0)
	return ws, err == nil
}

// ensure gives a job a supervisor if it has none and is not done, and reports whether it did.
func (s *server) ensure(dir string) bool { return s.ensureVerb("supervise", dir) }

func (s *server) ensureVerb(verb, dir string) bool {
	s.mu.Lock()
	live := s.live[dir]
	s.mu.Unlock()
	if live || done(verb, dir) {
		return false
	}
	lock, err := lockOf(dir)
	if err != nil || lock == nil {
		return false
	}
	defer lock.Close()
	return !done(verb, dir) && s.ofThisBoot(verb, dir) && s.spawn(verb, dir, lock) == nil
}

// wakeSupervisor signals whoever holds the lock. The pid in it is the holder's own: it was emptied
// before the lock was handed over.
func wakeSupervisor(dir string) {
	b, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil {
		return
	}
	free, err := lockOf(dir)
	if err != nil || free != nil {
		if free != nil {
			free.Close()
		}
		return // nobody holds it: the pid is of one that is gone
	}
	if pid, err := strconv.Atoi(string(b)); err == nil && pid > 1 {
		_ = syscall.Kill(pid, wakeSignal)
	}
}

// ofThisBoot reports whether what dir holds was started in this boot. A build may go on in another.
func (s *server) ofThisBoot(verb, dir string) bool {
	if verb == "build" {
		return true
	}
	var sp spec
	ok, _ := readJSON(filepath.Join(dir, specFile), &sp)
	return ok && sp.BootID == s.boot
}

func startFault(err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "NoProcess", What: "the job cannot be started",
		Why: "the machine starts no more processes", Fix: "free memory or processes on the machine", Err: err,
		Evidence: []string{err.Error()},
	}
}
