package sshx

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Exec implements driver.Host. A command that a signal ended has 128 and the signal's number, as in a
// shell. What profiles and the like print is not part of its output. When ctx ends the command is
// killed. With Resize it has a terminal, and one output.
func (c *Conn) Exec(ctx context.Context, argv []string, std driver.Stdio) (exit int, err error) {
	if len(argv) == 0 {
		return 0, &fault.Error{
			Code: fault.Invalid, Reason: "CommandMissing", What: "there is no command to run on the machine",
			Why: "the list of its words is empty", Fix: "name a command",
		}
	}
	mark := rand.Text()
	gone := "command -v " + Quote(argv[0]) + " >/dev/null 2>&1 || { " + say(missing(mark)) + " >&2; exit 127; }; "
	exit, err = c.run(ctx, mark, say(mark)+"; "+gone+say(mark)+" >&2; exec "+quoteAll(argv), std)
	if fault.ReasonOf(err) == "ProgramMissing" {
		fault.From(err).Why = "there is no program " + argv[0]
	}
	return exit, err
}

// Script runs a POSIX shell script with arguments, like Exec.
func (c *Conn) Script(ctx context.Context, text string, args []string, std driver.Stdio) (exit int, err error) {
	mark := rand.Text()
	return c.run(ctx, mark, say(mark)+"; "+say(mark)+" >&2; set -- "+quoteAll(args)+"\n"+text, std)
}

// missing is what stands on the error output instead of the mark when the program is not there.
func missing(mark string) string {
	b := []byte(mark)
	slices.Reverse(b)
	return string(b)
}

// Terminal gives the user's login shell on a terminal, with all that it prints.
func (c *Conn) Terminal(ctx context.Context, std driver.Stdio) (exit int, err error) {
	err = c.with(ctx, func(l *link) error {
		exit, err = l.run(ctx, "", "", std)
		return err
	})
	return exit, err
}

func (c *Conn) run(ctx context.Context, mark, script string, std driver.Stdio) (exit int, err error) {
	err = c.with(ctx, func(l *link) error {
		exit, err = l.run(ctx, Wrap(script), mark, std)
		return err
	})
	return exit, err
}

// run runs a command line, "" for the login shell. errBroken says that it was not started.
func (l *link) run(ctx context.Context, command, mark string, std driver.Stdio) (int, error) {
	s, done, err := l.session(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	defer s.Close()
	kill := sync.OnceFunc(func() { // Close alone leaves a command that does not read or write
		go func() {
			_ = s.Signal(ssh.SIGKILL)
			s.Close()
		}()
	})
	out := &afterMark{mark: []byte(mark), to: std.Out, found: mark == "", stop: kill}
	errs := &afterMark{mark: []byte(mark), to: std.Err, found: mark == "", stop: kill}
	if std.In != nil {
		s.Stdin = std.In
	}
	s.Stdout, s.Stderr = out, errs
	defer context.AfterFunc(ctx, kill)()
	if err := l.start(s, command, std.Resize); err != nil {
		if ctx.Err() != nil {
			return 0, timeFault(ctx)
		}
		return 0, startFault(err)
	}
	err = s.Wait()
	return l.outcome(ctx, err, out, errs)
}

// start starts the command, on a terminal if somebody says how large it is.
func (l *link) start(s *ssh.Session, command string, resize <-chan [2]int) error {
	if resize != nil {
		columns, rows := 80, 24
		select {
		case size, ok := <-resize:
			if ok {
				columns, rows = size[0], size[1]
			}
		default:
		}
		if err := s.RequestPty("xterm-256color", rows, columns, ssh.TerminalModes{}); err != nil {
			return err
		}
		go func() {
			for {
				select {
				case <-l.ended:
					return
				case size, ok := <-resize:
					if !ok || s.WindowChange(size[1], size[0]) != nil {
						return
					}
				}
			}
		}()
	}
	if command == "" {
		return s.Shell()
	}
	return s.Start(command)
}

// outcome says how a command ended.
func (l *link) outcome(ctx context.Context, err error, out, errs *afterMark) (int, error) {
	if ctx.Err() != nil {
		return 0, timeFault(ctx)
	}
	if failed := errors.Join(out.failure(), errs.failure()); failed != nil {
		return 0, failed
	}
	exit, ended := 0, err == nil
	if e, ok := errors.AsType[*ssh.ExitError](err); ok {
		exit, ended = e.ExitStatus(), true
	}
	started, said := out.seen()
	_, also := errs.seen()
	switch {
	case ended && started && exit == 127 && strings.HasSuffix(also, missing(string(out.mark))):
		return 0, &fault.Error{
			Code: fault.Precondition, Reason: "ProgramMissing", What: "the command cannot be started on the machine",
			Why: "there is no such program", Fix: "install it there, or give its whole path",
		}
	case ended && started:
		return exit, nil
	case ended:
		return 0, shellFault(exit, said+"\n"+also)
	}
	return 0, lostFault()
}

func startFault(err error) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "CommandRefused", What: "the command cannot be started on the machine",
		Why: "its sshd lets this user log in, but run no commands", Fix: "take ForceCommand, and restrictions in authorized_keys, from this user",
		Evidence: []string{wording(err)},
	}
}

// shellFault says why the login shell ended without running the command.
func shellFault(exit int, said string) error {
	said = strings.TrimSpace(said)
	low := strings.ToLower(said)
	f := commandFault("ShellUnusable", "the login shell of this user ends without running it: it is /bin/false, nologin, or a forced command",
		"give the user a shell; on that machine: sudo chsh -s /bin/sh USER; or take the ForceCommand from sshd_config or authorized_keys")
	switch {
	case strings.Contains(low, "password has expired"), strings.Contains(low, "password change required"):
		f = expiredFault(f.What)
	case exit == 127 && strings.Contains(low, "/bin/sh"):
		f = commandFault("ShellMissing", "there is no /bin/sh on the machine", "install a POSIX shell as /bin/sh")
	}
	if said != "" {
		f.Evidence = []string{quoted(said)}
	}
	return f
}

func expiredFault(what string) *fault.Error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: "PasswordExpired", What: what, Why: "the password of this user has expired, and must be changed at a terminal first",
		Fix: "log in once with ssh and change it; then run: zaffre compute update NAME --password-file FILE",
	}
}

// commandFault is why no command is run.
func commandFault(reason, why, fix string) *fault.Error {
	return &fault.Error{Code: fault.Precondition, Reason: reason, What: "no command can be run on the machine", Why: why, Fix: fix}
}

// output runs a script and returns what it printed.
func (c *Conn) output(ctx context.Context, text string, args []string, in io.Reader) (exit int, out, errs string, err error) {
	var o, e bytes.Buffer
	exit, err = c.Script(ctx, text, args, driver.Stdio{In: in, Out: &o, Err: &e})
	return exit, o.String(), strings.TrimSpace(e.String()), err
}
