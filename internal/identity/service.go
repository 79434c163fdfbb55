package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Config is what a Service stands on.
type Config struct {
	Tokens     TokenStore
	Principals PrincipalStore
	// HasWorkspace fails with fault.NotFound if there is no such workspace.
	HasWorkspace func(ctx context.Context, name string) error
	// RunOwner returns who submitted a run. It fails with fault.NotFound once the run's token is over.
	RunOwner func(ctx context.Context, r RunRef) (string, error)
}

// Service makes tokens and service principals, and knows callers by them. Its methods may be called from several goroutines.
type Service struct {
	Config
	tokens     cache[Token]
	principals cache[Principal]
	runs       cache[string] // owners
}

// New returns a Service.
func New(c Config) *Service { return &Service{Config: c} }

// TokenRequest asks for a token. Expires zero is never.
type TokenRequest struct {
	Name, Workspace string
	Role            Role
	Expires         time.Time
}

// CreateToken makes a token and returns it with the bearer string, which is kept nowhere. It takes an
// Owner of the token's workspace, and of all of them for AllWorkspaces.
func (s *Service) CreateToken(ctx context.Context, q TokenRequest) (t Token, bearer string, err error) {
	const what = "cannot create the token"
	if err := s.check(ctx, q); err != nil {
		return t, "", fault.Doing(what, err)
	}
	bearer = NewBearer()
	if t, err = newToken(ctx, bearer, q); err == nil {
		err = s.Tokens.Insert(ctx, t, t.emit(ctx, "token.created"))
	}
	if err != nil {
		return Token{}, "", fault.Doing(what, err)
	}
	return t, bearer, nil
}

// NewBearer returns a bearer string that nobody has: an ID and 130 random bits.
func NewBearer() string { return prefix + id.New() + "_" + rand.Text() }

func newToken(ctx context.Context, bearer string, q TokenRequest) (Token, error) {
	tokenID, secret, ok := split(bearer)
	if !ok {
		return Token{}, refuse("TokenInvalid", "it is no token of zaffre")
	}
	return Token{
		ID: tokenID, Hash: hash(secret), Name: q.Name, Workspace: q.Workspace, Role: q.Role,
		CreatedBy: From(ctx).Name, Created: time.Now(), Expires: q.Expires,
	}, nil
}

// Ensure makes the token of a bearer string that the caller has written down, if it is not known. A
// known one stays as it is, revoked too.
func (s *Service) Ensure(ctx context.Context, bearer string, q TokenRequest) error {
	const what = "cannot create the token"
	if err := s.check(ctx, q); err != nil {
		return fault.Doing(what, err)
	}
	t, err := newToken(ctx, bearer, q)
	if err != nil {
		return fault.Doing(what, err)
	}
	err = s.Tokens.Insert(ctx, t, t.emit(ctx, "token.created"))
	if fault.CodeOf(err) == fault.Exists {
		return nil
	}
	return fault.Doing(what, err)
}

func (s *Service) check(ctx context.Context, q TokenRequest) error {
	if err := id.CheckName("name", q.Name); err != nil {
		return err
	}
	if !q.Role.Valid() {
		return &fault.Error{
			Code: fault.Invalid, Reason: "RoleUnknown", What: fmt.Sprintf("there is no role %q", q.Role),
			Why: "the roles are Reader, Contributor and Owner", Fix: "choose one; run: zaffre token create --role Reader NAME", Field: "role",
		}
	}
	if !q.Expires.IsZero() && q.Expires.Before(time.Now()) {
		return &fault.Error{
			Code: fault.Invalid, Reason: "TokenExpired", What: "the token would be of no use",
			Why: "it would have expired already", Fix: "give a time in the future, or none", Field: "expires",
		}
	}
	if err := Require(ctx, q.Workspace, Owner); err != nil {
		return err
	}
	if q.Workspace == AllWorkspaces {
		return nil
	}
	return s.HasWorkspace(ctx, q.Workspace)
}

// RevokeToken ends a token's life at once, in this process, and returns it. Revoking twice is the same
// as once. It takes an Owner of the token's workspace.
func (s *Service) RevokeToken(ctx context.Context, tokenID string) (Token, error) {
	const what = "cannot revoke the token"
	t, err := s.Tokens.Get(ctx, store.Key{Name: tokenID})
	if fault.CodeOf(err) == fault.NotFound {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "TokenNotFound", What: "there is no such token",
			Why: fmt.Sprintf("no token has the ID %q", tokenID), Fix: "run: zaffre token list",
		}
	}
	if err == nil {
		err = Require(ctx, t.Workspace, Owner)
	}
	if err != nil {
		return Token{}, fault.Doing(what, err)
	}
	defer s.tokens.forget(tokenID)
	t, err = s.Tokens.Update(ctx, t.Key(), func(t *Token) ([]store.Effect, error) {
		if !t.Revoked.IsZero() {
			return nil, nil
		}
		t.Revoked = time.Now()
		return []store.Effect{t.emit(ctx, "token.revoked")}, nil
	})
	return t, fault.Doing(what, err)
}

// ListTokens returns the tokens of a workspace, the newest first; "" is all that the caller owns. It
// takes an Owner.
func (s *Service) ListTokens(ctx context.Context, workspace string, p store.Page) ([]Token, string, error) {
	if workspace == "" {
		workspace = From(ctx).owned()
	}
	if err := Require(ctx, workspace, Owner); err != nil {
		return nil, "", fault.Doing("cannot list tokens", err)
	}
	f := TokenFilter{Workspace: workspace}
	if workspace == AllWorkspaces {
		f.Workspace = ""
	}
	return s.Tokens.List(ctx, f, p)
}

// owned returns the workspace whose tokens a caller means who names none.
func (c Caller) owned() string {
	if c.RoleIn(AllWorkspaces) != Owner {
		for ws, r := range c.Roles {
			if r == Owner {
				return ws
			}
		}
	}
	return AllWorkspaces
}

func (t Token) emit(ctx context.Context, typ string) store.Effect {
	ws := t.Workspace
	if ws == AllWorkspaces {
		ws = store.Global
	}
	return store.Emit{
		Workspace: ws, Subject: "token/" + t.ID, Type: typ, Actor: From(ctx).Name,
		Data: map[string]string{"name": t.Name, "role": string(t.Role)},
	}
}

// prefix starts every bearer token, so that scanners for secrets find them.
const prefix = "zaf_"

func hash(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

// Authenticate returns whose token bearer is. It fails with fault.Unauthorized, Reason
// "TokenInvalid", "TokenExpired" or "TokenRevoked". A token that another process revoked is good for
// cacheFor at most.
func (s *Service) Authenticate(ctx context.Context, bearer string) (Caller, error) {
	tokenID, secret, ok := split(bearer)
	if !ok {
		return Caller{}, refuse("TokenInvalid", "it is no token of zaffre")
	}
	t, err := s.lookup(ctx, tokenID)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return Caller{}, err
	}
	// An unknown ID is compared too: its answer takes as long and says the same.
	if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash(secret))) != 1 || err != nil {
		return Caller{}, refuse("TokenInvalid", "this server does not know it")
	}
	if err := t.alive(); err != nil {
		return Caller{}, err
	}
	return t.Caller(), nil
}

// Caller returns whom requests with the token come from.
func (t Token) Caller() Caller {
	return Caller{Name: t.Name, Roles: map[string]Role{t.Workspace: t.Role}}
}

func (t Token) alive() error {
	switch {
	case !t.Revoked.IsZero():
		return refuse("TokenRevoked", "it was revoked")
	case !t.Expires.IsZero() && time.Now().After(t.Expires):
		return refuse("TokenExpired", "its time is over")
	}
	return nil
}

func split(bearer string) (tokenID, secret string, ok bool) {
	rest, ok := strings.CutPrefix(bearer, prefix)
	if !ok || len(bearer) > 128 {
		return "", "", false
	}
	tokenID, secret, ok = strings.Cut(rest, "_")
	return tokenID, secret, ok && len(tokenID) == 26 && secret != ""
}

func refuse(reason, why string) error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: reason, What: "the token is not accepted",
		Why: why, Fix: "ask an owner for a token, then run: zaffre login URL",
	}
}
