package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Principal is a program that calls by a client ID and a secret, as Azure's service principals do. Its
// secret is kept as a hash, never itself.
type Principal struct {
	AppID     string // UUID: the client ID
	ObjectID  string // UUID: what tokens call it
	Name      string // of the caller
	Workspace string // or AllWorkspaces
	Role      Role
	Hash      string // SHA-256 of the secret, hex
	CreatedBy string
	Created   time.Time
	Rotated   time.Time // when the secret was made
	Expires   time.Time // of the secret; zero: never
}

// Key returns the record's key: principals live in no workspace.
func (p Principal) Key() store.Key { return store.Key{Name: p.AppID} }

// Caller returns whom requests of the principal come from.
func (p Principal) Caller() Caller {
	return Caller{Name: p.Name, Roles: map[string]Role{p.Workspace: p.Role}}
}

// PrincipalFilter selects principals.
type PrincipalFilter struct{ Workspace string }

// PrincipalStore keeps principals, in the order of their client IDs.
type PrincipalStore = store.Repo[Principal, PrincipalFilter]

// secretPrefix starts every client secret, so that scanners for secrets find them.
const secretPrefix = "zafs_"

// CreatePrincipal makes a principal and returns it with its secret, which is kept nowhere. It takes an
// Owner of the principal's workspace, and of all of them for AllWorkspaces.
func (s *Service) CreatePrincipal(ctx context.Context, q TokenRequest) (p Principal, secret string, err error) {
	const what = "cannot create the service principal"
	if err := s.check(ctx, q); err != nil {
		return p, "", fault.Doing(what, err)
	}
	now := time.Now()
	secret = secretPrefix + rand.Text()
	p = Principal{
		AppID: uuid.NewString(), ObjectID: uuid.NewString(), Name: q.Name, Workspace: q.Workspace, Role: q.Role,
		Hash: hash(secret), CreatedBy: From(ctx).Name, Created: now, Rotated: now, Expires: q.Expires,
	}
	if err := s.Principals.Insert(ctx, p, p.emit(ctx, "principal.created")); err != nil {
		return Principal{}, "", fault.Doing(what, err)
	}
	return p, secret, nil
}

// RotatePrincipal gives a principal a new secret and returns it; the old one ends at once, and with it
// every token that was had by it. expires zero is never. It takes an Owner of its workspace.
func (s *Service) RotatePrincipal(ctx context.Context, appID string, expires time.Time) (Principal, string, error) {
	const what = "cannot rotate the secret of the service principal"
	if _, err := s.GetPrincipal(ctx, appID); err != nil {
		return Principal{}, "", fault.Doing(what, err)
	}
	defer s.principals.forget(appID)
	secret := secretPrefix + rand.Text()
	p, err := s.Principals.Update(ctx, store.Key{Name: appID}, func(p *Principal) ([]store.Effect, error) {
		p.Hash, p.Rotated, p.Expires = hash(secret), time.Now(), expires
		return []store.Effect{p.emit(ctx, "principal.rotated")}, nil
	})
	return p, secret, fault.Doing(what, err)
}

// GetPrincipal returns a principal; fault.NotFound, Reason "PrincipalNotFound". It takes an Owner of its
// workspace.
func (s *Service) GetPrincipal(ctx context.Context, appID string) (Principal, error) {
	p, err := s.Principals.Get(ctx, store.Key{Name: appID})
	if fault.CodeOf(err) == fault.NotFound {
		return p, noPrincipal(appID)
	}
	if err == nil {
		err = Require(ctx, p.Workspace, Owner)
	}
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// ListPrincipals returns the principals of a workspace; "" is all that the caller owns. It takes an
// Owner.
func (s *Service) ListPrincipals(ctx context.Context, workspace string, p store.Page) ([]Principal, string, error) {
	if workspace == "" {
		workspace = From(ctx).owned()
	}
	if err := Require(ctx, workspace, Owner); err != nil {
		return nil, "", fault.Doing("cannot list service principals", err)
	}
	f := PrincipalFilter{Workspace: workspace}
	if workspace == AllWorkspaces {
		f.Workspace = ""
	}
	return s.Principals.List(ctx, f, p)
}

// DeletePrincipal ends a principal's life at once, in this process. One that is not there is no error.
// It takes an Owner of its workspace.
func (s *Service) DeletePrincipal(ctx context.Context, appID string) error {
	p, err := s.GetPrincipal(ctx, appID)
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return fault.Doing("cannot delete the service principal", err)
	}
	defer s.principals.forget(appID)
	return s.Principals.Delete(ctx, p.Key(), p.emit(ctx, "principal.deleted"))
}

// AuthenticateClient returns whose client ID and secret these are. It fails with fault.Unauthorized,
// Reason "ClientInvalid" or "ClientExpired".
func (s *Service) AuthenticateClient(ctx context.Context, appID, secret string) (Principal, error) {
	p, err := s.principal(ctx, appID)
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		return Principal{}, err
	}
	// An unknown ID is compared too: its answer takes as long and says the same.
	if subtle.ConstantTimeCompare([]byte(p.Hash), []byte(hash(secret))) != 1 || err != nil {
		return Principal{}, refuseClient("ClientInvalid", "this server does not know the client ID, or the secret is wrong")
	}
	return p, p.alive()
}

// Principal returns a principal whose secret is good still, for what was given out by it before the time
// since. It fails with fault.Unauthorized, Reason "ClientInvalid" or "ClientExpired".
func (s *Service) Principal(ctx context.Context, appID string, since time.Time) (Principal, error) {
	p, err := s.principal(ctx, appID)
	if fault.CodeOf(err) == fault.NotFound {
		return p, refuseClient("ClientInvalid", "the service principal was deleted")
	}
	if err != nil {
		return p, err
	}
	if since.Before(p.Rotated.Truncate(time.Second)) {
		return p, refuseClient("ClientInvalid", "its secret was rotated since")
	}
	return p, p.alive()
}

// Token returns a token that is good still, by its ID. It fails with fault.Unauthorized, Reason
// "TokenInvalid", "TokenExpired" or "TokenRevoked".
func (s *Service) Token(ctx context.Context, tokenID string) (Token, error) {
	t, err := s.lookup(ctx, tokenID)
	if fault.CodeOf(err) == fault.NotFound {
		return t, refuse("TokenInvalid", "this server does not know it")
	}
	if err != nil {
		return t, err
	}
	return t, t.alive()
}

// TokenOf returns the token of a bearer string. It fails as Authenticate does.
func (s *Service) TokenOf(ctx context.Context, bearer string) (Token, error) {
	if _, err := s.Authenticate(ctx, bearer); err != nil {
		return Token{}, err
	}
	tokenID, _, _ := split(bearer)
	return s.lookup(ctx, tokenID)
}

func (p Principal) alive() error {
	if !p.Expires.IsZero() && time.Now().After(p.Expires) {
		return refuseClient("ClientExpired", "the secret's time is over")
	}
	return nil
}

func (p Principal) emit(ctx context.Context, typ string) store.Effect {
	ws := p.Workspace
	if ws == AllWorkspaces {
		ws = store.Global
	}
	return store.Emit{
		Workspace: ws, Subject: "principal/" + p.AppID, Type: typ, Actor: From(ctx).Name,
		Data: map[string]string{"name": p.Name, "role": string(p.Role)},
	}
}

func (s *Service) principal(ctx context.Context, appID string) (Principal, error) {
	if _, err := uuid.Parse(appID); err != nil {
		return Principal{}, noPrincipal("")
	}
	p, epoch, ok := s.principals.get(appID)
	if ok {
		return p, nil
	}
	p, err := s.Principals.Get(ctx, store.Key{Name: appID})
	if err == nil {
		s.principals.put(appID, p, epoch)
	}
	return p, err
}

func noPrincipal(appID string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "PrincipalNotFound", What: "there is no such service principal",
		Why: fmt.Sprintf("none has the client ID %q", appID), Fix: "run: zaffre principal list",
	}
}

func refuseClient(reason, why string) error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: reason, What: "the client's credentials are not accepted",
		Why: why, Fix: "ask an owner for a new secret; they run: zaffre principal rotate CLIENT-ID",
	}
}
