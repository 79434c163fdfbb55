package secret

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Keyring is a Box whose keys lie in a file: AES-256-GCM keys in tink's JSON form, in clear text.
// Who can read the file can open every secret; its protection is its mode, 0600, and its place,
// which is not the database. A Keyring may be used from several goroutines.
type Keyring struct {
	path string
	box  atomic.Pointer[box]
	mu   sync.Mutex // one rotation at a time
}

var _ Box = (*Keyring)(nil)

// box is an immutable set of keys.
type box struct {
	handle *keyset.Handle
	aead   tink.AEAD
}

// OpenKeyring reads the key file at path. With create it makes one with a fresh key if there is
// none; when several do so at once, one wins and all use its key. It fails with fault.NotFound,
// Reason "KeyFileMissing", with fault.Precondition, Reason "KeyFileOpen", if others may read or
// write the file, and with fault.Invalid, Reason "KeyFileDamaged", if it is no key file.
func OpenKeyring(path string, create bool) (*Keyring, error) {
	b, err := readKeys(path)
	if create && fault.ReasonOf(err) == "KeyFileMissing" {
		if err := createKeys(path); err != nil {
			return nil, err
		}
		b, err = readKeys(path)
	}
	if err != nil {
		return nil, err
	}
	k := &Keyring{path: path}
	k.box.Store(b)
	return k, nil
}

// Seal uses the newest key.
func (k *Keyring) Seal(_ context.Context, plain []byte, place string) ([]byte, error) {
	sealed, err := k.box.Load().aead.Encrypt(plain, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("seal the secret of %q: %w", place, err)
	}
	return sealed, nil
}

// Open finds the key that sealed the value among all that the file has had.
func (k *Keyring) Open(_ context.Context, sealed []byte, place string) ([]byte, error) {
	plain, err := k.box.Load().aead.Decrypt(sealed, []byte(place))
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Denied, Reason: "SecretSealed", What: fmt.Sprintf("cannot open the secret of %q", place),
			Why: "it was sealed with a key that is not in the key file, or for another place, or it was changed",
			Fix: "restore the key file that belongs to this database, or set the secret again",
		}
	}
	return plain, nil
}

// Rotate adds a key to the file, from which time on it seals. Values that older keys sealed still
// open. After a crash the file is the old one or the new one. A Keyring of another process opens
// what the new key sealed once that process has opened the file again.
func (k *Keyring) Rotate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	unlock, err := lock(k.path + ".lock")
	if err != nil {
		return keyIO("rotate", k.path, err)
	}
	defer unlock()
	now, err := readKeys(k.path) // another process may have rotated since
	if err != nil {
		return err
	}
	next, err := rotated(now.handle)
	if err != nil {
		return err
	}
	if err := writeKeys(k.path, next); err != nil {
		return keyIO("rotate", k.path, err)
	}
	k.box.Store(next)
	return nil
}

// rotated returns the keys of h, which may be nil, with a new one that seals.
func rotated(h *keyset.Handle) (*box, error) {
	m := keyset.NewManager()
	if h != nil {
		m = keyset.NewManagerFromHandle(h)
	}
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err == nil {
		err = m.SetPrimary(id)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if h, err = m.Handle(); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return newBox(h)
}

func newBox(h *keyset.Handle) (*box, error) {
	a, err := aead.New(h)
	if err != nil {
		return nil, fmt.Errorf("use the keys: %w", err)
	}
	return &box{handle: h, aead: a}, nil
}

func decode(p []byte) (*box, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(p)))
	if err != nil {
		return nil, err
	}
	return newBox(h)
}

func (b *box) encode() ([]byte, error) {
	var p bytes.Buffer
	if err := insecurecleartextkeyset.Write(b.handle, keyset.NewJSONWriter(&p)); err != nil {
		return nil, fmt.Errorf("write the keys: %w", err)
	}
	return p.Bytes(), nil
}
