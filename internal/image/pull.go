package image

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// The login of a target's nodes is kept nowhere: it follows from the target, ends when that is detached, and opens the
// images of its workspace for reading, nothing else.

// pullPrefix starts such a login, so that scanners for secrets find it.
const pullPrefix = "zafp_"

// PullUser is the user's name that goes with it.
const PullUser = "zaffre"

// pullToken returns the login of a target.
func (s *Service) pullToken(workspace, target string) string {
	return pullPrefix + workspace + "_" + target + "_" + s.mac(workspace, target)
}

func (s *Service) mac(workspace, target string) string {
	h := hmac.New(sha256.New, s.Key)
	h.Write([]byte(workspace + "/" + target))
	return hex.EncodeToString(h.Sum(nil))
}

// IsPullToken reports whether a password is one of a target's login.
func IsPullToken(password string) bool { return strings.HasPrefix(password, pullPrefix) }

// PullCaller returns whom requests with the login of a target come from: a Reader of its workspace, for images alone. It
// fails with fault.Unauthorized, Reason "TokenInvalid".
func (s *Service) PullCaller(ctx context.Context, token string) (identity.Caller, error) {
	parts := strings.Split(strings.TrimPrefix(token, pullPrefix), "_")
	if len(parts) != 3 || subtle.ConstantTimeCompare([]byte(parts[2]), []byte(s.mac(parts[0], parts[1]))) != 1 {
		return identity.Caller{}, pullRefused("this server does not know it", nil)
	}
	err := s.Attached(identity.System(ctx), parts[0], parts[1])
	if fault.CodeOf(err) == fault.NotFound {
		return identity.Caller{}, pullRefused("its compute target was detached", err)
	}
	return identity.Caller{Name: "pull/" + parts[1], Roles: map[string]identity.Role{parts[0]: identity.Reader}}, err
}

func pullRefused(why string, err error) error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: "TokenInvalid", What: "the login is not accepted", Why: why, Fix: "start a run on the target: that renews the login of its nodes", Err: err,
	}
}
