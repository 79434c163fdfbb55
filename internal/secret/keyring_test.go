package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/secret"
)

const place, plain = "compute/01/password", "correct horse battery staple"

func open(t *testing.T, path string) *secret.Keyring {
	t.Helper()
	k, err := secret.OpenKeyring(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t *testing.T, k *secret.Keyring) []byte {
	t.Helper()
	sealed, err := k.Seal(t.Context(), []byte(plain), place)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantPlain(t *testing.T, k *secret.Keyring, sealed []byte) {
	t.Helper()
	if got, err := k.Open(t.Context(), sealed, place); string(got) != plain || err != nil {
		t.Errorf("Open = %q, %v", got, err)
	}
}

func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	k := open(t, filepath.Join(t.TempDir(), "key"))
	sealed := seal(t, k)
	wantPlain(t, k, sealed)
	if bytes.Contains(sealed, []byte("horse")) {
		t.Error("the plain text shows")
	}
	if bytes.Equal(sealed, seal(t, k)) {
		t.Error("the same secret seals to the same bytes")
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, c := range map[string]struct {
		sealed []byte
		place  string
	}{
		"another record": {sealed, "compute/02/password"},
		"no place":       {sealed, ""},
		"changed":        {changed, place},
		"cut short":      {sealed[:len(sealed)-1], place},
		"empty":          {nil, place},
		"never sealed":   {[]byte(plain), place},
	} {
		got, err := k.Open(t.Context(), c.sealed, c.place)
		if fault.CodeOf(err) != fault.Denied || fault.ReasonOf(err) != "SecretSealed" || got != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if strings.Contains(err.Error(), "horse") {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	t.Parallel()
	sealed := seal(t, open(t, filepath.Join(t.TempDir(), "key")))
	_, err := open(t, filepath.Join(t.TempDir(), "key")).Open(t.Context(), sealed, place)
	if fault.ReasonOf(err) != "SecretSealed" {
		t.Errorf("got %v", err)
	}
}

func TestRotateKeepsOldKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	k := open(t, path)
	var all [][]byte
	for range 4 {
		all = append(all, seal(t, k))
		if err := k.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	all = append(all, seal(t, k))
	for i, sealed := range all {
		wantPlain(t, k, sealed)
		wantPlain(t, open(t, path), sealed)
		if i > 0 && bytes.Equal(sealed[:5], all[i-1][:5]) { // tink's prefix: version and key ID
			t.Errorf("value %d was sealed with the key before", i)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

// Two that rotate at once, as two processes would, lose no key.
func TestRotateLosesNoKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	open(t, path)
	var wg sync.WaitGroup
	all := make([][]byte, 8)
	for i := range all {
		wg.Go(func() {
			k := open(t, path)
			if err := k.Rotate(); err != nil {
				t.Error(err)
			}
			all[i] = seal(t, k)
		})
	}
	wg.Wait()
	for _, sealed := range all {
		wantPlain(t, open(t, path), sealed)
	}
}

func TestCreateOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if _, err := secret.OpenKeyring(path, false); fault.ReasonOf(err) != "KeyFileMissing" {
		t.Errorf("got %v", err)
	}
	var wg sync.WaitGroup
	rings := make([]*secret.Keyring, 8)
	for i := range rings {
		wg.Go(func() { rings[i] = open(t, path) })
	}
	wg.Wait()
	sealed := seal(t, rings[0])
	for _, k := range rings {
		wantPlain(t, k, sealed)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
		t.Errorf("more than the key file is left: %v, %v", entries, err)
	}
}

// The fix of the fault is a command: it is run, and the fault is gone.
func TestFileThatOthersCanReadIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "it's a key")
	open(t, path)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := secret.OpenKeyring(path, true)
		if fault.CodeOf(err) != fault.Precondition || fault.ReasonOf(err) != "KeyFileOpen" {
			t.Fatalf("mode %o: got %v", mode, err)
		}
		command, ok := strings.CutPrefix(fault.From(err).Fix, "run: ")
		if !ok {
			t.Fatalf("no command in %q", fault.From(err).Fix)
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		open(t, path)
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	open(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	material := keyMaterial(t, good)
	for name, text := range map[string][]byte{
		"empty":   nil,
		"text":    []byte("hello"),
		"half":    good[:len(good)/2],
		"no keys": []byte(`{"primaryKeyId":1,"key":[]}`),
		"quoted":  append([]byte(`{"primaryKeyId":"`+material+`"`), good...),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := secret.OpenKeyring(path, true)
		if fault.CodeOf(err) != fault.Invalid || fault.ReasonOf(err) != "KeyFileDamaged" {
			t.Fatalf("%s: got %v", name, err)
		}
		if strings.Contains(err.Error(), material) {
			t.Errorf("%s: the error tells the key", name)
		}
		if now, err := os.ReadFile(path); !bytes.Equal(now, text) || err != nil {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func keyMaterial(t *testing.T, file []byte) string {
	t.Helper()
	var set struct {
		Key []struct{ KeyData struct{ Value string } }
	}
	if err := json.Unmarshal(file, &set); err != nil || len(set.Key) != 1 {
		t.Fatalf("the key file has %d keys: %v", len(set.Key), err)
	}
	if p, err := base64.StdEncoding.DecodeString(set.Key[0].KeyData.Value); err != nil || len(p) < 32 {
		t.Fatalf("a key of %d bytes: %v", len(p), err)
	}
	return set.Key[0].KeyData.Value
}

func BenchmarkSealAndOpen(b *testing.B) {
	k, err := secret.OpenKeyring(filepath.Join(b.TempDir(), "key"), true)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sealed, err := k.Seal(b.Context(), []byte(plain), place)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Open(b.Context(), sealed, place); err != nil {
			b.Fatal(err)
		}
	}
}
