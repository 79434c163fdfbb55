package login_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// runOwner knows one run that goes on.
func runOwner(_ context.Context, r identity.RunRef) (string, error) {
	if r == (identity.RunRef{Workspace: "ws", Name: "a/run", ID: "ulid"}) {
		return "ada", nil
	}
	return "", &fault.Error{Code: fault.NotFound, Reason: "RunNotFound", What: "no", Why: "no", Fix: "none"}
}

func TestRunTokens(t *testing.T) {
	t.Parallel()
	r, ctx := newRig(t), t.Context()
	made := r.now.Add(-time.Hour)
	ref := identity.RunRef{Workspace: "ws", Name: "a/run", ID: "ulid"}
	token := r.RunToken(ref, made)
	if token != r.RunToken(ref, made) {
		t.Error("two tokens of one run differ")
	}
	caller, err := r.Authenticate(ctx, token)
	if err != nil || caller.Name != "ada" || caller.RoleIn("ws") != identity.Tracker || caller.RoleIn("other") != "" {
		t.Errorf("%+v, %v", caller, err)
	}
	if err := identity.Require(identity.With(ctx, caller), "ws", identity.Contributor); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("a run may submit others: %v", err)
	}
	ref.ID = "another"
	for reason, c := range map[string]struct{ token, want string }{
		"of a run that ended": {r.RunToken(ref, made), "RunTokenEnded"},
		"too old":             {r.RunToken(identity.RunRef{Workspace: "ws", Name: "a/run", ID: "ulid"}, made.AddDate(-2, 0, 0)), "AccessTokenInvalid"},
		"changed":             {strings.Replace(token, ".", ".a", 1), "AccessTokenInvalid"},
	} {
		if _, err := r.Authenticate(ctx, c.token); fault.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", reason, err, c.want)
		}
	}
}
