package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// beatEvery is how often the supervisor of a job that runs elsewhere says that it is there.
const beatEvery = 10 * time.Second

// runMain supervises the job in dir, which a scheduler started on this machine. A second copy does nothing: no
// scheduler promises to start a job once.
func runMain(dir string) int {
	if err := os.Mkdir(filepath.Join(dir, claimDir), 0o700); os.IsExist(err) {
		fmt.Fprintln(os.Stderr, "the job was begun before: nothing is done")
		return 0
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "begin the job:", err)
		return 1
	}
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	s := &supervisor{dir: dir, wake: make(chan struct{}, 1), oom: oomKills()}
	if err := s.runHere(); err != nil {
		fmt.Fprintln(os.Stderr, "supervise", filepath.Base(dir), err)
		return 1
	}
	return endOf(dir)
}

// endOf returns the exit code by which the scheduler learns how the job ended.
func endOf(dir string) int {
	var st wire.Status
	_, _ = readJSON(filepath.Join(dir, exitFile), &st)
	if st.State == wire.JobDone {
		return 0
	}
	return max(1, st.ExitCode)
}

// runHere is run for a job whose machine is told only now.
func (s *supervisor) runHere() error {
	f, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // not every shared file system has locks: the claim is what counts
	s.lock = int(f.Fd())
	stop := s.beat()
	defer stop()
	return s.run()
}

// beat says again and again that we are there.
func (s *supervisor) beat() (stop func()) {
	name := filepath.Join(s.dir, beatFile)
	_ = os.WriteFile(name, []byte("."), 0o600)
	t := time.NewTicker(beatEvery)
	go func() {
		for range t.C {
			_ = os.WriteFile(name, []byte("."), 0o600)
		}
	}()
	return t.Stop
}

// superseded says why a job that was started late may not run: a later attempt of its run was.
func (s *supervisor) superseded() (why string) {
	var f fence
	b, err := os.ReadFile(filepath.Join(rootOf(s.dir), runsDir, s.spec.Job.Run))
	if err != nil {
		return ""
	}
	_, _ = fmt.Sscan(string(b), &f.started, &f.released)
	if s.spec.Job.Attempt >= f.started {
		return ""
	}
	return fmt.Sprintf("attempt %d of the run was started meanwhile", f.started)
}

// readElsewhere reads the files of a job that runs elsewhere, or is to.
func (s *server) readElsewhere(dir string) (wire.Status, error) {
	st := wire.Status{State: wire.JobPending, Claimed: exists(filepath.Join(dir, claimDir)), Asked: exists(filepath.Join(dir, cancelFile))}
	var p process
	ok, err := readJSON(filepath.Join(dir, procFile), &p)
	if err != nil {
		return st, pollFault(err)
	}
	if ok {
		st.State, st.Started = wire.JobRunning, p.Started
	}
	if st.Claimed {
		st.Silent = s.silence(dir)
	}
	return st, nil
}

// silence returns for how long a job has said nothing, by the clock of the file system that both share.
func (s *server) silence(dir string) time.Duration {
	name := filepath.Join(s.root, nowFile)
	_ = os.WriteFile(name, []byte("."), 0o600)
	now, err := os.Stat(name)
	if err != nil {
		return 0
	}
	beat, err := os.Stat(filepath.Join(dir, beatFile))
	if err != nil {
		if beat, err = os.Stat(filepath.Join(dir, claimDir)); err != nil {
			return 0
		}
	}
	return max(0, now.ModTime().Sub(beat.ModTime()))
}

// settle writes how a job ended, unless it did so itself, and returns what stands there.
func (s *server) settle(e wire.JobEnd) (st wire.Status, err error) {
	dir, err := s.jobDir(e.Job)
	if err != nil {
		return st, err
	}
	if !exists(filepath.Join(dir, specFile)) || exists(filepath.Join(dir, exitFile)) {
		return s.read(dir)
	}
	if e.Status.Ended.IsZero() {
		e.Status.Ended = time.Now().UTC()
	}
	if err := writeJSON(filepath.Join(dir, exitFile), e.Status); err != nil {
		return st, diskFault("end the job", err)
	}
	return e.Status, nil
}
