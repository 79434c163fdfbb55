package environment_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// runsOnly is a connection that builds no environments, of a kind that does where others were chosen.
type runsOnly struct{ driver.Runner }

// TestNoEnvironmentsByThisConnection: not every connection of a kind can what the kind can.
func TestNoEnvironmentsByThisConnection(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	kind := s.Computes.Kinds[0]
	connect := kind.Connect
	kind.Name = "some"
	kind.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		c, err := connect(ctx, t)
		if err != nil || t.Options["machine"] != "bare" {
			return c, err
		}
		return runsOnly{c.(driver.Runner)}, nil
	}
	s.Computes.Kinds = append(s.Computes.Kinds, kind)
	ctx := identity.With(t.Context(), identity.Caller{Name: "ada", Roles: map[string]identity.Role{domaintest.Workspace: identity.Owner}})
	ensure := func(machine string) error {
		q := compute.AttachRequest{Workspace: domaintest.Workspace, Name: machine, Kind: "some", Options: map[string]any{"machine": machine}}
		if _, _, err := s.Computes.Attach(ctx, q); err != nil {
			t.Fatal(err)
		}
		target, err := s.Computes.Get(ctx, store.Key{Workspace: domaintest.Workspace, Name: machine})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Environments.Ensure(ctx, strings.Repeat("a", 64), driver.Definition{Pip: []string{"numpy"}}, target, time.Now())
		return err
	}
	if err := ensure("whole"); err != nil {
		t.Errorf("where environments are built: %v", err)
	}
	if err := ensure("bare"); fault.ReasonOf(err) != "EnvironmentUnsupported" || fault.CodeOf(err) != fault.Unsupported {
		t.Errorf("where none are built: %v", err)
	}
}
