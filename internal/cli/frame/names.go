package frame

import (
	"context"
	"fmt"
	"time"

	"github.com/zaffre-ml/zaffre/client"
)

// patience is how long a completion or a suggestion may ask the server.
const patience = 2 * time.Second

// ComputeNames lists the compute targets of the workspace; none where the server does not answer.
func (a *App) ComputeNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Compute], error) {
		return s.Computes(ctx, s.WS, client.Cursor{Limit: 200})
	}, func(c client.Compute) string { return c.Name })
}

// EnvironmentNames lists the environments of the workspace.
func (a *App) EnvironmentNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Environment], error) {
		return s.Environments(ctx, s.WS, "", client.Cursor{Limit: 200})
	}, func(e client.Environment) string { return e.Name })
}

// RunNames lists the newest runs of the workspace.
func (a *App) RunNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Run], error) {
		return s.Runs(ctx, s.WS, client.RunFilter{}, client.Cursor{Limit: 200})
	}, func(r client.Run) string { return r.ID })
}

// ExperimentNames lists the experiments of the workspace.
func (a *App) ExperimentNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Experiment], error) {
		return s.Experiments(ctx, s.WS, client.Cursor{Limit: 200})
	}, func(e client.Experiment) string { return e.Name })
}

// WorkspaceNames lists the workspaces.
func (a *App) WorkspaceNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Workspace], error) {
		return s.Workspaces(ctx, client.Cursor{Limit: 200})
	}, func(w client.Workspace) string { return w.Name })
}

// ResourceNames lists the resource IDs of the inventory.
func (a *App) ResourceNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.InventoryEntry], error) {
		return s.Inventory(ctx, s.WS, client.Cursor{Limit: 200})
	}, func(e client.InventoryEntry) string { return e.ResourceID })
}

// PrincipalNames lists the client IDs of service principals.
func (a *App) PrincipalNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Principal], error) {
		return s.Principals(ctx, client.Cursor{Limit: 200})
	}, func(p client.Principal) string { return p.ID })
}

// KindNames lists the kinds of compute targets.
func (a *App) KindNames() []string {
	return namesOf(a, func(ctx context.Context, s *Session) (client.Page[client.Kind], error) {
		kinds, err := s.Kinds(ctx)
		return client.Page[client.Kind]{Items: kinds}, err
	}, func(k client.Kind) string { return k.Name })
}

func namesOf[T any](a *App, list func(context.Context, *Session) (client.Page[T], error), name func(T) string) []string {
	s, err := a.Connect()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := list(ctx, s)
	if err != nil {
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for _, v := range p.Items {
		if n := name(v); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// Age says how long ago a time was, in one unit: 40s, 5m, 3h, 12d. The zero time is "".
func Age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Span(time.Since(t))
}

// Span says how long a time is, in one or two units.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Bytes says a size in the units of the International System.
func Bytes(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1000, 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", f, units[i])
}
