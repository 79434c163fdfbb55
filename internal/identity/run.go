package identity

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// RunRef names a run to whom its token opens: workspace, name and ULID.
type RunRef struct{ Workspace, Name, ID string }

// RunCaller returns whom requests with the token of a run come from: its owner, as a Tracker of its workspace
// alone. It fails with fault.Unauthorized, Reason "RunTokenEnded", when the run has ended or is not there. What
// it knows may be ten seconds old.
func (s *Service) RunCaller(ctx context.Context, r RunRef) (Caller, error) {
	key := r.Workspace + "/" + r.ID
	owner, epoch, ok := s.runs.get(key)
	if !ok {
		var err error
		if s.RunOwner == nil {
			return Caller{}, runEnded()
		}
		owner, err = s.RunOwner(ctx, r)
		if fault.CodeOf(err) == fault.NotFound {
			err = runEnded()
		}
		if err != nil {
			return Caller{}, err
		}
		s.runs.put(key, owner, epoch)
	}
	return Caller{Name: owner, Roles: map[string]Role{r.Workspace: Tracker}, Run: r}, nil
}

func runEnded() error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: "RunTokenEnded", What: "the run's token is not accepted any more",
		Why: "the run has ended", Fix: "log from within the run, or with a token of your own; run: zaffre token create NAME",
	}
}
