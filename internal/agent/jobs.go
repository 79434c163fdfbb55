package agent

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// startingFor is for how long a call waits for another that starts the same job.
const startingFor = 5 * time.Second

func (s *server) jobDir(job string) (string, error) {
	if !validName(job) {
		return "", invalid(`"` + strconv.Quote(job) + `" is no job's ID`)
	}
	return filepath.Join(s.root, jobsDir, job), nil
}

// start starts a job, or finds it. The lock is taken before anything is written and handed to the
// supervisor, so two calls at once start one.
func (s *server) start(j wire.Job) (out wire.Empty, err error) {
	dir, err := s.jobDir(j.ID)
	if err != nil {
		return out, err
	}
	if err := s.fence(j); err != nil {
		return out, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return out, diskFault("start the job", err)
	}
	name := filepath.Join(dir, specFile)
	lock, err := startLock(dir)
	if err != nil || lock == nil { // nil: it has a supervisor
		return out, err
	}
	defer lock.Close()
	if exists(filepath.Join(dir, exitFile)) {
		return out, nil
	}
	var before spec
	ok, err := readJSON(name, &before)
	if err != nil {
		return out, diskFault("start the job", err)
	}
	if ok && before.BootID != s.boot {
		return out, nil // lost: the machine was restarted
	}
	if !ok {
		if err := s.writeSpec(name, j); err != nil {
			return out, err
		}
	}
	if j.Elsewhere {
		return out, nil
	}
	return out, s.supervise(dir, lock)
}

// startLock is lockOf for a call that starts a job. Another call may hold the lock that has not written the job down yet:
// it is waited for, since who took the job for started would find no record of it.
func startLock(dir string) (*os.File, error) {
	for end := time.Now().Add(startingFor); ; time.Sleep(startingFor / 1000) {
		lock, err := lockOf(dir)
		switch {
		case err != nil || lock != nil || exists(filepath.Join(dir, specFile)):
			return lock, err
		case time.Now().After(end):
			return nil, startingFault()
		}
	}
}

// startingFault says that another call is slow to write the job down, or stuck.
func startingFault() error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "JobStarting", What: "the job cannot be started twice",
		Why: "an earlier call is starting it at this moment", Fix: "nothing: it is tried again",
	}
}

func (s *server) writeSpec(name string, j wire.Job) error {
	if err := s.checkCode(j.Manifest); err != nil {
		return err
	}
	if err := s.useRuntime(j); err != nil {
		return err
	}
	sp := spec{Job: j, BootID: s.boot, Time: time.Now().UTC()}
	if j.Elsewhere {
		if j.Token != "" {
			if err := s.door(); err != nil {
				return startFault(err)
			}
		}
		if err := layElsewhere(filepath.Dir(name), j); err != nil {
			return err
		}
		sp.BootID = ""
	}
	if j.Prefix == "" && j.Python == "" && len(j.Command) > 0 && j.Command[0] == "python" {
		sp.Python = s.python().Path
	}
	if err := writeJSON(name, sp); err != nil {
		return diskFault("start the job", err)
	}
	return nil
}

// useRuntime notes that the job's environment is used, and refuses a job whose environment is gone.
func (s *server) useRuntime(j wire.Job) error {
	gone := j.Prefix != "" && !exists(filepath.Join(j.Prefix, "bin", "python"))
	if j.Image != "" {
		there, err := envbuild.ImageThere(context.Background(), j.Image)
		gone = err == nil && !there
	}
	if gone {
		return &fault.Error{
			Code: fault.Precondition, Reason: "EnvironmentMissing", What: "the job cannot be started",
			Why: "its environment is no longer on the machine", Fix: "build it again",
		}
	}
	if j.Prefix != "" {
		envbuild.Touch(s.root, filepath.Base(filepath.Dir(j.Prefix)))
	}
	return nil
}

// lockOf returns the lock of a folder, or nil where a supervisor has it.
func lockOf(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, diskFault("lock the job", err)
	}
	if lock(f) != nil {
		f.Close()
		return nil, nil
	}
	return f, nil
}

// poll reads how a job stands, and gives it a supervisor if it lost its own.
func (s *server) poll(ref wire.JobRef) (wire.Status, error) {
	dir, err := s.jobDir(ref.Job)
	if err != nil {
		return wire.Status{}, err
	}
	st, err := s.read(dir)
	if err == nil && (st.State == wire.JobPending || st.State == wire.JobRunning) {
		s.ensure(dir)
	}
	return st, err
}

// read reads a job's files.
func (s *server) read(dir string) (st wire.Status, err error) {
	if ok, err := readJSON(filepath.Join(dir, exitFile), &st); ok || err != nil {
		return st, pollFault(err)
	}
	if exists(filepath.Join(dir, elsewhereFile)) {
		return s.readElsewhere(dir)
	}
	var p process
	ok, err := readJSON(filepath.Join(dir, procFile), &p)
	if err != nil {
		return st, pollFault(err)
	}
	if ok && p.BootID == s.boot {
		return wire.Status{State: wire.JobRunning, Started: p.Started}, nil
	}
	var sp spec
	if ok, err = readJSON(filepath.Join(dir, specFile), &sp); err != nil {
		return st, pollFault(err)
	}
	switch {
	case !ok:
		return wire.Status{State: wire.JobLost, Reason: "NoRecord", Message: "the machine has no record of the job"}, nil
	case sp.BootID != s.boot:
		return wire.Status{
			State: wire.JobLost, Reason: "Restarted", Started: p.Started,
			Message: "the machine was restarted while the job was there",
		}, nil
	}
	return wire.Status{State: wire.JobPending}, nil
}

// cancel writes the order down, then wakes the supervisor.
func (s *server) cancel(ref wire.JobRef) (out wire.Empty, err error) {
	dir, err := s.jobDir(ref.Job)
	if err != nil || !exists(filepath.Join(dir, specFile)) || exists(filepath.Join(dir, exitFile)) {
		return out, err
	}
	if err := os.WriteFile(filepath.Join(dir, cancelFile), nil, 0o600); err != nil {
		return out, diskFault("cancel the job", err)
	}
	if !s.ensure(dir) && !exists(filepath.Join(dir, elsewhereFile)) {
		wakeSupervisor(dir)
	}
	return out, nil
}

// release moves the job's folder away at once; emptying it may take its time.
func (s *server) release(ref wire.JobRef) (out wire.Empty, err error) {
	dir, err := s.jobDir(ref.Job)
	if err != nil || !exists(dir) {
		return out, err
	}
	st, err := s.read(dir)
	if err != nil {
		return out, err
	}
	if st.State == wire.JobPending || st.State == wire.JobRunning {
		return out, &fault.Error{
			Code: fault.Precondition, Reason: "JobActive", What: "the job cannot be released",
			Why: "it has not ended", Fix: "cancel it, and release it when it has ended",
		}
	}
	if err := s.settled(dir); err != nil {
		return out, err
	}
	var sp spec
	if ok, err := readJSON(filepath.Join(dir, specFile), &sp); ok && err == nil {
		if err := s.retire(sp.Job); err != nil {
			return out, err
		}
	}
	s.forgetArray(dir)
	to := filepath.Join(s.root, trashDir, ref.Job+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.Rename(dir, to); err != nil && !os.IsNotExist(err) {
		return out, diskFault("release the job", err)
	}
	go func() {
		if sp.Job.Image != "" { // its supervisor may have died before it did
			_ = (&container{name: sp.Job.ID}).remove()
		}
		_ = removeAll(to)
	}()
	return out, nil
}

func invalid(why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "RequestInvalid", What: "the agent cannot do this", Why: why,
		Fix: "report it: the server should not have asked",
	}
}

func pollFault(err error) error {
	if err == nil {
		return nil
	}
	return diskFault("read the job", err)
}
