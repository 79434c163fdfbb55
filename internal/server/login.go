package server

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// ensureLogin keeps the login of this machine's users of the data folder: the server's address, its CA
// and the admin's token. The token is written before it is good: whoever dies in between finds it in
// the file and makes it good then.
func (s *server) ensureLogin(ctx context.Context) error {
	p, err := s.oldLogin()
	if err != nil {
		return err
	}
	changed := p.URL != s.url
	p.URL = s.url
	if p.Token == "" {
		p.Token, changed = identity.NewBearer(), true
	}
	if p.CA == "" {
		p.CA, changed = "ca.pem", true
		if s.cfg.Ephemeral {
			p.CA = s.authority.file
		}
	}
	if p.Workspace == "" {
		p.Workspace, changed = workspace.Default, true
	}
	if changed {
		if err := p.Save(s.place.profile); err != nil {
			return dirFault(s.place.profile, err)
		}
	}
	return s.identity.Ensure(ctx, p.Token, identity.TokenRequest{Name: "admin", Workspace: identity.AllWorkspaces, Role: identity.Owner})
}

// oldLogin reads the login of an earlier start. That of an ephemeral server that died is of no use.
func (s *server) oldLogin() (client.Profile, error) {
	if s.cfg.Ephemeral {
		return client.Profile{}, nil
	}
	p, err := client.LoadFile(s.place.profile)
	if client.CodeOf(err) == client.CodeNotFound {
		return client.Profile{}, nil
	}
	if err != nil {
		return p, &fault.Error{
			Code: fault.Precondition, Reason: "LoginUnusable", What: "the login of this machine cannot be used",
			Why: err.Error(), Fix: "remove the file " + s.place.profile + ": the server makes a new one", Err: err,
		}
	}
	if info, err := os.Stat(s.place.profile); err == nil && info.Mode().Perm()&0o077 != 0 {
		return p, &fault.Error{
			Code: fault.Precondition, Reason: "LoginOpen", What: "the login of this machine is open to other users",
			Why: s.place.profile + " holds the admin's token, and others may read or write it",
			Fix: "run: chmod 600 " + s.place.profile + "; if others may have read it, revoke its token",
		}
	}
	return s.relativeCA(p), nil
}

// relativeCA undoes what LoadFile does, so that the folder may move.
func (s *server) relativeCA(p client.Profile) client.Profile {
	if _, err := os.Stat(p.CA); errors.Is(err, fs.ErrNotExist) || p.CA == s.authority.file {
		p.CA = "ca.pem"
	}
	return p
}
