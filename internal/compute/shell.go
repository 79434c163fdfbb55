package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// ShellRequest says what to run on a target's machine: the user's login shell, if it is empty.
type ShellRequest struct {
	Command []string // without a shell around it
	Dial    string   // host:port: no command, but a stream to there, as the machine sees it
}

// Shell runs what q says on a target's machine until it ends. begin is called once, when all that could refuse it has not, and gives what it reads and writes. It takes a
// Contributor: who submits runs can do there what a shell can. The implicit target gives none.
func (s *Service) Shell(ctx context.Context, k store.Key, q ShellRequest, begin func() (driver.Stdio, error)) (exit int, err error) {
	what := fmt.Sprintf("cannot open a shell on compute target %q", k.Name)
	if k == ServerKey {
		return 0, &fault.Error{
			Code: fault.Unsupported, Reason: "TargetImplicit", What: what, Why: "the server's own machine is not reached through the server",
			Fix: "log in to it, or submit a run; run: zaffre run submit --compute server -- COMMAND",
		}
	}
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return 0, fault.Doing(what, err)
	}
	t, err := s.Get(ctx, k)
	if err != nil {
		return 0, fault.Doing(what, err)
	}
	if t.Spec.Refused {
		return 0, fault.Doing(what, t.Status.Error)
	}
	err = s.Use(ctx, t, func(c driver.Conn) error {
		run, err := shellOn(ctx, c, q)
		if err != nil {
			return err
		}
		if _, err := s.Targets.Update(ctx, k, func(t *Target) ([]store.Effect, error) {
			return []store.Effect{emit(ctx, *t, "compute.shell")}, nil
		}); err != nil {
			return err
		}
		std, err := begin()
		if err == nil {
			exit, err = run(ctx, std)
		}
		return err
	})
	return exit, fault.Doing(what, err)
}

// shellOn returns what runs it. A stream is opened at once, so that one that cannot be is refused.
func shellOn(ctx context.Context, c driver.Conn, q ShellRequest) (func(context.Context, driver.Stdio) (int, error), error) {
	if len(q.Command) == 0 && q.Dial == "" {
		shell, err := driver.As[driver.Shell](c)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, std driver.Stdio) (int, error) { return shell.OpenShell(ctx, nil, std) }, nil
	}
	host, err := driver.As[driver.Host](c)
	if err != nil {
		return nil, err
	}
	if q.Dial == "" {
		return func(ctx context.Context, std driver.Stdio) (int, error) { return host.Exec(ctx, q.Command, std) }, nil
	}
	conn, err := host.Dial(ctx, "tcp", q.Dial)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, std driver.Stdio) (int, error) { return 0, relay(ctx, conn, std) }, nil
}

// relay copies both ways until the other side has no more to say.
func relay(ctx context.Context, conn net.Conn, std driver.Stdio) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() {
		_, err := io.Copy(conn, std.In)
		if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
			_ = half.CloseWrite()
			return
		}
		conn.Close()
	}()
	_, err := io.Copy(std.Out, conn)
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil // whoever wanted it has gone
	}
	return err
}
