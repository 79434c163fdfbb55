package compute

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Shell runs argv, or the user's login shell if there is none, on a target's machine until it ends. begin
// is called once, when all that could refuse it has not, and gives what it reads and writes. It takes a
// Contributor: who submits runs can do there what a shell can. The implicit target gives none.
func (s *Service) Shell(ctx context.Context, k store.Key, argv []string, begin func() (driver.Stdio, error)) (exit int, err error) {
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
		run, err := shellOn(c, argv)
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

func shellOn(c driver.Conn, argv []string) (func(context.Context, driver.Stdio) (int, error), error) {
	if len(argv) == 0 {
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
	return func(ctx context.Context, std driver.Stdio) (int, error) { return host.Exec(ctx, argv, std) }, nil
}
