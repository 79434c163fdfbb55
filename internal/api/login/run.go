package login

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/identity"
)

// runFor is how long a run's token lasts if the run does.
const runFor = 365 * 24 * time.Hour

// RunToken returns the access token of a run, which is good while the run lasts. For one run and time it is
// always the same, and it is kept nowhere. It opens nothing after it expires, whatever the run does.
func (s *Service) RunToken(r identity.RunRef, made time.Time) string {
	object := uuid.NewSHA1(uuid.NameSpaceOID, []byte("zaffre/run/"+r.Workspace+"/"+r.ID)).String()
	return s.sign(claims{
		Issuer: "zaffre", Audience: "zaffre", Subject: object, Object: object, Tenant: s.Tenant, Name: r.Name, Type: "app", Version: "1.0",
		ID: r.ID, Issued: made.Unix(), NotBefore: made.Unix(), Expires: RunTokenEnd(made).Unix(), Use: useAccess,
		Source: "run/" + r.Workspace + "/" + r.ID + "/" + r.Name,
	})
}

// RunTokenEnd returns when the token of a run that was made at a time ends at the latest.
func RunTokenEnd(made time.Time) time.Time { return made.Add(runFor) }

// ofRun finds the run that a token names.
func (s *Service) ofRun(ctx context.Context, source string) (owner, error) {
	workspace, rest, _ := strings.Cut(source, "/")
	id, name, _ := strings.Cut(rest, "/")
	caller, err := s.Identity.RunCaller(ctx, identity.RunRef{Workspace: workspace, Name: name, ID: id})
	return owner{source: "run/" + source, caller: caller}, err
}
