// Package identity knows who calls, and what they may do.
package identity

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Role is what a caller may do in a workspace. Each role includes the ones before it.
type Role string

const (
	Reader      Role = "Reader"      // sees everything but secrets
	Tracker     Role = "Tracker"     // logs runs, metrics, files and models: what a run itself may do
	Contributor Role = "Contributor" // submits runs, attaches computes, builds environments
	Owner       Role = "Owner"       // hands out roles and tokens, deletes the workspace
)

var rank = map[Role]int{Reader: 1, Tracker: 2, Contributor: 3, Owner: 4}

// Includes reports whether who has role r may do what needs role other.
func (r Role) Includes(other Role) bool { return rank[r] >= rank[other] && rank[other] > 0 }

// Valid reports whether r is one of the roles that tokens are made with. Tracker is not: the server gives it
// to runs.
func (r Role) Valid() bool { return rank[r] > 0 && r != Tracker }

// AllWorkspaces as a workspace in Caller.Roles means every one of them.
const AllWorkspaces = "*"

// Caller is who makes a request.
type Caller struct {
	Name  string          // "admin", "ci", "system"
	Roles map[string]Role // by workspace; AllWorkspaces for all
	Run   RunRef          // the run whose token it is; zero: none
}

// RoleIn returns the caller's role in a workspace, "" for none.
func (c Caller) RoleIn(workspace string) Role {
	r, all := c.Roles[workspace], c.Roles[AllWorkspaces]
	if rank[all] > rank[r] {
		return all
	}
	return r
}

type callerKey struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// System returns a context for work that the server does of its own accord.
func System(ctx context.Context) context.Context {
	return With(ctx, Caller{Name: "system", Roles: map[string]Role{AllWorkspaces: Owner}})
}

// From returns the caller in a context; the zero Caller, who may do nothing, if there is none.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Require fails with fault.Denied, Reason "RoleMissing", unless the caller has the role in the
// workspace.
func Require(ctx context.Context, workspace string, need Role) error {
	c := From(ctx)
	if c.RoleIn(workspace).Includes(need) {
		return nil
	}
	if need == Tracker {
		need = Contributor // what people have
	}
	have := "no role"
	if r := c.RoleIn(workspace); r != "" {
		have = "the role " + string(r)
	}
	return &fault.Error{
		Code: fault.Denied, Reason: "RoleMissing", What: fmt.Sprintf("%q may not do this in workspace %q", c.Name, workspace),
		Why: fmt.Sprintf("it needs the role %s and has %s", need, have),
		Fix: "ask an owner for a token; they run: zaffre token create --role " + string(need) + " --workspace " + workspace + " NAME",
	}
}
