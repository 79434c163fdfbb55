package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// runLabel names the run on its containers, beside envbuild.TargetLabel.
const runLabel = "zaffre.run"

// dockerPause is between two questions to an Engine that does not answer.
const dockerPause = time.Second

// container is the job's process where its environment is an image. The container has the job's ID for its name:
// the Engine itself keeps two of one job apart, and tells any supervisor how it stands. It writes into the job's
// log by itself, so that no program of ours need live while it runs.
type container struct {
	name  string
	state containerState // once it has ended
}

// containerState is what the Engine says of a container.
type containerState struct {
	Status    string // "created", "running", "exited", …; "": there is none
	ExitCode  int
	OOMKilled bool
	Error     string
}

// ask asks the Engine how the container stands.
func (c *container) ask() (st containerState, err error) {
	out, err := envbuild.Docker(context.Background(), "container", "inspect", "--format", "{{json .State}}", c.name)
	if fault.ReasonOf(err) == "DockerRefused" {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &st)
	}
	return st, err
}

// asked is ask, for as long as it takes the Engine to answer.
func (c *container) asked() containerState {
	for {
		st, err := c.ask()
		if err == nil {
			return st
		}
		time.Sleep(dockerPause)
	}
}

// signal sends a signal to the container's program. A container that is gone needs none.
func (c *container) signal(sig syscall.Signal) {
	_, _ = envbuild.Docker(context.Background(), "container", "kill", "--signal", strconv.Itoa(int(sig)), c.name)
}

// remove removes the container, running or not.
func (c *container) remove() error {
	_, err := envbuild.Docker(context.Background(), "container", "rm", "--force", "--volumes", c.name)
	if refused(err, "No such container") {
		return nil
	}
	return err
}

// wait waits for the container's end, whatever becomes of the Engine and of its command line meanwhile.
func (c *container) wait() <-chan ended {
	done := make(chan ended, 1)
	go func() {
		runtime.LockOSThread() // the child is to end with us, which the kernel takes for this thread
		for {
			cmd := exec.Command("docker", "container", "wait", c.name)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			err := cmd.Run()
			switch c.state = c.asked(); c.state.Status {
			case "":
				done <- ended{}
				return
			case "exited", "dead":
				done <- ended{known: true, status: waitStatus(c.state.ExitCode)}
				return
			}
			if err != nil {
				time.Sleep(dockerPause)
			}
		}
	}()
	return done
}

// waitStatus reads a container's exit code: its first process ends with 128 and the number of the signal that ended
// the program. Only of signals that end programs is that taken for one.
func waitStatus(code int) syscall.WaitStatus {
	switch sig := syscall.Signal(code - 128); sig {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE,
		syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGPIPE, syscall.SIGTERM:
		return syscall.WaitStatus(sig)
	}
	return syscall.WaitStatus(code << 8)
}

// contain runs the job in a container, or goes on with the one that a supervisor before us made.
func (s *supervisor) contain() error {
	s.box = &container{name: filepath.Base(s.dir)}
	name := filepath.Join(s.dir, procFile)
	begun, err := readJSON(name, &s.proc)
	if err != nil {
		return err
	}
	if !begun {
		if s.canceled() {
			return s.finish(wire.Status{State: wire.JobCanceled, Message: "canceled before it started"})
		}
		if err := s.create(); err != nil {
			_ = s.box.remove()
			return s.finish(wire.Status{State: wire.JobFailed, Reason: "NotStarted", Message: notStarted(err)})
		}
		s.proc = process{BootID: s.spec.BootID, Started: time.Now().UTC()}
		if err := writeJSON(name, s.proc); err != nil {
			return err
		}
	}
	// One that was started is never started again: the Engine knows which that is.
	if s.box.asked().Status == "created" {
		if _, err := envbuild.Docker(context.Background(), "container", "start", s.box.name); err != nil && s.box.asked().Status == "created" {
			_ = s.box.remove()
			return s.finish(wire.Status{State: wire.JobFailed, Reason: "NotStarted", Message: notStarted(err)})
		}
	}
	tell(rootOf(s.dir), filepath.Base(s.dir))
	if err := s.finish(s.watch(s.box.wait())); err != nil {
		return err
	}
	_ = s.box.remove() // else releasing the job does
	return nil
}

// notStarted says why a container did not start, in the user's terms.
func notStarted(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Why + "; " + f.Fix
	}
	return err.Error()
}

// create lays the code and makes the container; one that was made and not started is made anew.
func (s *supervisor) create() error {
	if err := s.box.remove(); err != nil {
		return err
	}
	if err := s.layCode(); err != nil {
		return fmt.Errorf("the code cannot be laid out: %w", err)
	}
	cwd := filepath.Join(s.dir, codeDir, filepath.FromSlash(s.spec.Job.Dir))
	if fi, err := os.Stat(cwd); err != nil || !fi.IsDir() {
		return fmt.Errorf("the folder %q is not in the code of the run", s.spec.Job.Dir)
	}
	if len(s.spec.Job.Command) == 0 {
		return errors.New("the command is empty")
	}
	if s.spec.Job.Command[0] == "python" {
		if why := missingScript(s.spec.Job.Command, cwd); why != "" {
			return errors.New(why)
		}
	}
	e, err := askEngine()
	if err != nil {
		return err
	}
	defer os.Remove(filepath.Join(s.dir, variablesFile))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for err = s.tryCreate(ctx, cwd, e); refused(err, "Conflict.") && ctx.Err() == nil; err = s.tryCreate(ctx, cwd, e) {
		// The Engine was still making the container of a supervisor that died, which is no container yet to remove.
		time.Sleep(dockerPause / 10)
		if err := s.box.remove(); err != nil {
			return err
		}
	}
	if refused(err, "No such image") {
		return fmt.Errorf("the image %q is not on the machine; build the environment again", s.spec.Job.Image)
	}
	return err
}

func (s *supervisor) tryCreate(ctx context.Context, cwd string, e engine) error {
	cmd, err := s.createCommand(cwd, e)
	if err != nil {
		return err
	}
	_, err = envbuild.RunDocker(ctx, cmd)
	return err
}

// refused reports whether the Engine refused something with these words.
func refused(err error, words string) bool {
	return fault.ReasonOf(err) == "DockerRefused" && strings.Contains(err.Error(), words)
}

// engine is what the Engine can do.
type engine struct {
	SecurityOptions []string
	Runtimes        map[string]any
}

func askEngine() (e engine, err error) {
	out, err := envbuild.Docker(context.Background(), "info", "--format", `{"SecurityOptions":{{json .SecurityOptions}},"Runtimes":{{json .Runtimes}}}`)
	if err == nil {
		err = json.Unmarshal([]byte(out), &e)
	}
	return e, err
}

// user returns who runs the code in a container: we ourselves, which an Engine without root calls root.
func (e engine) user() string {
	for _, o := range e.SecurityOptions {
		if strings.Contains(o, "name=rootless") {
			return "0:0"
		}
	}
	return strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())
}
