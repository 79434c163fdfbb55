package identity

import (
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// Token is a bearer token as it is kept: its hash, never itself.
type Token struct {
	ID        string // ULID; the part of the token that may be shown
	Hash      string // SHA-256 of the secret part, hex
	Name      string // of the caller
	Workspace string // or AllWorkspaces
	Role      Role
	CreatedBy string
	Created   time.Time
	Expires   time.Time // zero: never
	Revoked   time.Time // zero: not
}

// Key returns the record's key: tokens live in no workspace.
func (t Token) Key() store.Key { return store.Key{Name: t.ID} }

// TokenFilter selects tokens.
type TokenFilter struct{ Workspace string }

// TokenStore keeps tokens, the newest first.
type TokenStore = store.Repo[Token, TokenFilter]
