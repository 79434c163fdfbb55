package workspace

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Secret is a value that a workspace's users keep for their runs: a password, a key. Its value is sealed for
// the place "vault/<workspace>/<name>".
type Secret struct {
	Workspace, Name string
	Sealed          []byte
	ContentType     string // what kind of value it is, in its owner's words
	CreatedBy       string
	Created         time.Time
	Updated         time.Time
}

// Key returns the record's key.
func (s Secret) Key() store.Key { return store.Key{Workspace: s.Workspace, Name: s.Name} }

func (s Secret) place() string { return "vault/" + s.Workspace + "/" + s.Name }

func (s Secret) emit(ctx context.Context, what string) store.Effect {
	return store.Emit{Workspace: s.Workspace, Subject: "secret/" + s.Name, Type: what, Actor: identity.From(ctx).Name}
}

// SecretFilter selects secrets.
type SecretFilter struct{ Workspace string }

// SecretStore keeps secrets, in the order of their names.
type SecretStore = store.Repo[Secret, SecretFilter]

// Vault keeps the secrets of workspaces. Values go out to those who may run code, and to runs; never in
// lists, logs, errors or events. Its methods may be called from several goroutines.
type Vault struct {
	secrets SecretStore
	box     secret.Box
}

// NewVault returns a Vault.
func NewVault(secrets SecretStore, box secret.Box) *Vault { return &Vault{secrets, box} }

// maxSecret is the largest value, in bytes. Azure Key Vault takes 25 kB.
const maxSecret = 64 << 10

// Set stores a value under a name, or puts it in the place of the one that is there: created says which. It
// takes a Contributor. contentType "" leaves the one that there is.
func (v *Vault) Set(ctx context.Context, k store.Key, value []byte, contentType string) (_ Secret, created bool, err error) {
	const what = "cannot set the secret"
	if err := checkSecret(k.Name, value); err != nil {
		return Secret{}, false, fault.Doing(what, err)
	}
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return Secret{}, false, fault.Doing(what, err)
	}
	now := time.Now()
	s := Secret{Workspace: k.Workspace, Name: k.Name, ContentType: contentType, CreatedBy: identity.From(ctx).Name, Created: now, Updated: now}
	if s.Sealed, err = v.box.Seal(ctx, value, s.place()); err != nil {
		return Secret{}, false, err
	}
	err = v.secrets.Insert(ctx, s, s.emit(ctx, "secret.created"))
	if fault.CodeOf(err) != fault.Exists {
		return s, err == nil, fault.Doing(what, err)
	}
	s, err = v.secrets.Update(ctx, k, func(old *Secret) ([]store.Effect, error) {
		old.Sealed, old.Updated = s.Sealed, now
		if contentType != "" {
			old.ContentType = contentType
		}
		return []store.Effect{s.emit(ctx, "secret.updated")}, nil
	})
	return s, false, fault.Doing(what, err)
}

// Get returns a secret with its value; fault.NotFound, Reason "SecretNotFound". It takes a Tracker: what a
// run's own token is. A Reader does not get it.
func (v *Vault) Get(ctx context.Context, k store.Key) (Secret, []byte, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Secret{}, nil, fault.Doing("cannot read the secret", err)
	}
	s, err := v.secrets.Get(ctx, k)
	if fault.CodeOf(err) == fault.NotFound {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "SecretNotFound", What: fmt.Sprintf("there is no secret %q", k.Name),
			Why: "nobody set it in workspace " + k.Workspace, Fix: "run: zaffre secret list", Field: "name",
		}
	}
	if err != nil {
		return Secret{}, nil, err
	}
	value, err := v.box.Open(ctx, s.Sealed, s.place())
	return s, value, err
}

// List returns secrets without their values.
func (v *Vault) List(ctx context.Context, workspace string, p store.Page) ([]Secret, string, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	list, next, err := v.secrets.List(ctx, SecretFilter{Workspace: workspace}, p)
	for i := range list {
		list[i].Sealed = nil
	}
	return list, next, err
}

// Delete forgets a secret. One that is not there is no error. It takes a Contributor.
func (v *Vault) Delete(ctx context.Context, k store.Key) error {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return fault.Doing("cannot delete the secret", err)
	}
	return v.secrets.Delete(ctx, k, Secret{Workspace: k.Workspace, Name: k.Name}.emit(ctx, "secret.deleted"))
}

// checkSecret takes the names that Azure Key Vault takes, and underscores and dots.
func checkSecret(name string, value []byte) error {
	odd := strings.ContainsFunc(name, func(r rune) bool {
		return r > 127 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	})
	if name == "" || len(name) > 127 || odd || strings.Trim(name, ".") == "" {
		return &fault.Error{
			Code: fault.Invalid, Reason: "SecretNameInvalid", What: "the secret cannot be called so",
			Why: "a name has 1 to 127 letters, digits, hyphens, underscores and dots", Fix: "choose a name such as db-password", Field: "name",
		}
	}
	if len(value) > maxSecret {
		return &fault.Error{
			Code: fault.Invalid, Reason: "SecretTooLarge", What: "the secret cannot be kept",
			Why: fmt.Sprintf("its value is larger than %d bytes", maxSecret), Fix: "keep a key to it as the secret, and the rest elsewhere", Field: "value",
		}
	}
	return nil
}
