package canary_test

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// needle is a form in which a secret could stand somewhere.
type needle struct {
	secret, form string
	text         []byte
}

// leak is a secret that was found.
type leak struct{ secret, form, where string }

// cage holds the planted secrets, and what was found of them.
type cage struct {
	mu      sync.Mutex
	needles []needle
	leaks   map[leak]int
	places  map[string]int64 // kinds of places, and how many bytes were searched in each
}

func newCage() *cage { return &cage{leaks: map[leak]int{}, places: map[string]int64{}} }

// plant has the cage look for a secret from now on.
func (c *cage) plant(name, secret string) string {
	if len(secret) < 12 {
		panic("too short to be told from chance: " + name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for form, text := range forms(secret) {
		c.needles = append(c.needles, needle{name, form, []byte(text)})
	}
	return secret
}

// plantKey has the cage look for a private key: by each of its lines, and by what it is made of.
func (c *cage) plantKey(name, text string, seed []byte) string {
	block, _ := pem.Decode([]byte(text))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines[1 : len(lines)-1] {
		// The first line says only what sort of key it is, the second may hold the public part.
		if len(line) >= 40 && i >= 2 {
			c.plant(fmt.Sprintf("%s, line %d", name, i+1), line)
		}
	}
	if seed != nil {
		c.plant(name+", seed", string(seed))
	} else {
		c.plant(name+", end", string(block.Bytes[len(block.Bytes)-40:]))
	}
	return text
}

// forms are what a secret becomes on its way through encoders.
func forms(s string) map[string]string {
	quoted, _ := json.Marshal(s)
	plain := &bytes.Buffer{}
	enc := json.NewEncoder(plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	bare := func(b []byte) string { return strings.Trim(strings.TrimSpace(string(b)), `"`) }
	all := map[string]string{
		"raw": s, "hex": hex.EncodeToString([]byte(s)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(s))),
		"query": url.QueryEscape(s), "path": url.PathEscape(s), "json": bare(quoted), "json, HTML left": bare(plain.Bytes()),
		"go": strings.Trim(fmt.Sprintf("%q", s), `"`),
	}
	// In base64 the same bytes look different at each of three places; the edges depend on the neighbours.
	for i := range 3 {
		for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := e.EncodeToString(append(make([]byte, i), s...))
			all[fmt.Sprintf("%s at %d", name, i)] = text[(i*4+2)/3 : len(text)-2]
		}
	}
	return all
}

// search looks for every secret in data.
func (c *cage) search(kind, where string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places[kind] += int64(len(data))
	for _, n := range c.needles {
		if bytes.Contains(data, n.text) {
			c.leaks[leak{n.secret, n.form, kind + " " + where}]++
		}
	}
}

// searchTree looks through all files below a folder, but those that are left out.
func (c *cage) searchTree(t testing.TB, kind, dir string, leftOut ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		c.search(kind, "(name)", []byte(path))
		for _, o := range leftOut {
			if path == o {
				return nil
			}
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		c.search(kind, path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// searchTar looks through an archive, but the entries that are left out.
func (c *cage) searchTar(t testing.TB, kind string, r io.Reader, leftOut ...string) {
	t.Helper()
	files := 0
	for tr := tar.NewReader(r); ; files++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		skip := false
		for _, o := range leftOut {
			skip = skip || h.Name == o
		}
		if !skip {
			c.search(kind, h.Name, append(b, h.Name...))
		}
	}
	if files == 0 {
		t.Errorf("%s: the archive is empty", kind)
	}
}

// searchBackup looks into a backup, as it lies there and unpacked.
func (c *cage) searchBackup(t testing.TB, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	c.searchTar(t, "backup", z, "client.json") // the login of this machine: see keptLogins
}

// searchProcesses looks at what other users of this machine could see of its processes, those inside of the
// machines' namespaces among them.
func (c *cage) searchProcesses() {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		for _, name := range []string{"cmdline", "environ"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil && len(b) > 0 {
				c.search("/proc/*/"+name, filepath.Base(dir), b)
			}
		}
	}
}

// TestCanaryFindsLeaks plants a leak of each form in each place, and sees that it is found.
func TestCanaryFindsLeaks(t *testing.T) {
	t.Parallel()
	secret := `cnry "é"/+&%<` + strings.Repeat("x7", 6)
	for form, text := range forms(secret) {
		c := newCage()
		c.plant("s", secret)
		c.search("some", "place", []byte("before "+text+" after"))
		if len(c.leaks) == 0 {
			t.Errorf("a secret in the form %s is not found", form)
		}
	}
	for i := range 6 {
		c := newCage()
		c.plant("s", secret)
		c.search("some", "place", []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("p", i)+secret+"end"))))
		if len(c.leaks) == 0 {
			t.Errorf("a secret inside of base64, %d bytes from its begin, is not found", i)
		}
	}
	c := newCage()
	c.plant("s", secret)
	c.search("some", "place", []byte("nothing of the sort: "+secret[:10]))
	if len(c.leaks) != 0 {
		t.Errorf("found %v", c.leaks)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.searchTree(t, "tree", dir, filepath.Join(dir, "a")); len(c.leaks) != 0 {
		t.Errorf("found %v in a file that is left out", c.leaks)
	}
	if c.searchTree(t, "tree", dir); len(c.leaks) != 1 {
		t.Errorf("found %v in a file", c.leaks)
	}
	var packed bytes.Buffer
	tw := tar.NewWriter(&packed)
	_ = tw.WriteHeader(&tar.Header{Name: "x", Size: int64(len(secret)), Mode: 0o600})
	_, _ = tw.Write([]byte(secret))
	tw.Close()
	if c.searchTar(t, "tar", &packed); len(c.leaks) != 2 {
		t.Errorf("found %v in an archive", c.leaks)
	}
}
