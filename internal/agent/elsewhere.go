package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// beatEvery is how often the supervisor of a job that runs elsewhere says that it is there.
const beatEvery = 10 * time.Second

// attendFor is for how long a second copy sees no word of the first until it takes it for dead.
const attendFor = 2*beatEvery + 5*time.Second

// runMain supervises the job in dir, which a scheduler started on this machine. A second copy only waits for the first:
// no scheduler promises to start a job once, and one that did it twice under one number ends both with either.
func runMain(dir string) int {
	first, err := claim(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "begin the job:", err)
		return 1
	}
	if !first {
		fmt.Fprintln(os.Stderr, "the job was begun before: its end is waited for")
		if !attend(dir) {
			return 0
		}
		return endOf(dir)
	}
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	s := &supervisor{dir: dir, wake: make(chan struct{}, 1), oom: oomKills()}
	if err := s.runHere(); err != nil {
		fmt.Fprintln(os.Stderr, "supervise", filepath.Base(dir), err)
		return 1
	}
	return endOf(dir)
}

// attend waits until a job has ended that another copy began, or nothing is heard of it any more.
func attend(dir string) (ended bool) {
	heard, at := beatOf(dir), time.Now()
	for time.Since(at) < attendFor && exists(dir) {
		if exists(filepath.Join(dir, exitFile)) {
			return true
		}
		time.Sleep(beatEvery / 50)
		if now := beatOf(dir); !now.Equal(heard) {
			heard, at = now, time.Now()
		}
	}
	return false
}

// beatOf is when a job last said that it is there, or was begun, by the clock of its file system; zero: it was not.
func beatOf(dir string) time.Time {
	for _, name := range []string{beatFile, claimDir} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return fi.ModTime()
		}
	}
	return time.Time{}
}

// claim begins a job, or a task, once. A task makes its folder, where the job is still there and has not ended.
func claim(dir string) (first bool, err error) {
	if job := jobOf(dir); job != dir {
		if exists(filepath.Join(job, exitFile)) {
			return false, nil
		}
		_ = os.Mkdir(filepath.Join(job, claimDir), 0o700) // it was begun by one of its tasks
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
			return false, err
		}
	}
	err = os.Mkdir(filepath.Join(dir, claimDir), 0o700)
	if os.IsExist(err) {
		return false, nil
	}
	return err == nil, err
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
	_ = lock(f) // not every shared file system has locks: the claim is what counts
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
	if a, err := s.arrayOf(dir); a != nil || err != nil {
		return s.readArray(a, err)
	}
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
		st.Silent = silence(dir, s.now())
	}
	return st, nil
}

// now returns the time by the clock of the file system that jobs elsewhere share with us; zero where it does not say.
func (s *server) now() (t time.Time) {
	name := filepath.Join(s.root, nowFile)
	_ = os.WriteFile(name, []byte("."), 0o600)
	if fi, err := os.Stat(name); err == nil {
		t = fi.ModTime()
	}
	return t
}

// silence returns for how long a job has said nothing at a time of that clock.
func silence(dir string, now time.Time) time.Duration {
	beat := beatOf(dir)
	if beat.IsZero() {
		return 0
	}
	return max(0, now.Sub(beat))
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
