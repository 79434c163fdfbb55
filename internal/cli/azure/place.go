// Package azure has the commands that let Azure's clients talk to a server of zaffre: env and doctor.
package azure

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// place is where on this machine things for Azure's clients lie. Each server and address has one of its
// own: the clients keep for ever what they once learned of a cloud.
type place struct {
	dir    string
	ca     []byte // of the server, PEM; nil: the system trusts it
	system string // file with the system's CAs
}

func placeOf(a *frame.App, s *frame.Session, server string) (place, error) {
	key := sha256.Sum256([]byte(s.URL() + " " + server))
	p := place{
		dir:    filepath.Join(filepath.Dir(client.LoginFile(a.Getenv)), "azure", hex.EncodeToString(key[:8])),
		system: systemBundle(a.Getenv),
	}
	if s.Profile.CA == "" {
		return p, nil
	}
	if p.ca = []byte(s.Profile.CA); !strings.Contains(s.Profile.CA, "-----BEGIN") {
		var err error
		if p.ca, err = os.ReadFile(s.Profile.CA); err != nil {
			return p, &fault.Error{
				Code: fault.NotFound, Reason: "CAUnreadable", What: "the file with the server's CA cannot be read",
				Why: err.Error(), Fix: "log in again; run: zaffre login " + s.URL(),
			}
		}
	}
	return p, nil
}

// config is the folder that becomes $AZURE_CONFIG_DIR. It is the clients' to make.
func (p place) config() string { return filepath.Join(p.dir, "config") }

// bundle is the file with the CAs of the system and of the server; "" where none is needed.
func (p place) bundle() string {
	if p.ca == nil {
		return ""
	}
	return filepath.Join(p.dir, "ca-bundle.pem")
}

// writeBundle writes the bundle in one step, unless it is there already.
func (p place) writeBundle() error {
	if p.ca == nil {
		return nil
	}
	whole, err := p.wholeBundle()
	if err != nil {
		return unwritable(p.bundle(), err)
	}
	if old, err := os.ReadFile(p.bundle()); err == nil && bytes.Equal(old, whole) {
		return nil
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return unwritable(p.bundle(), err)
	}
	f, err := os.CreateTemp(p.dir, ".bundle-*")
	if err != nil {
		return unwritable(p.bundle(), err)
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(whole); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), p.bundle())
	}
	if err != nil {
		return unwritable(p.bundle(), err)
	}
	return nil
}

func (p place) wholeBundle() ([]byte, error) {
	if p.system == "" {
		return p.ca, nil // a machine without CAs
	}
	system, err := os.ReadFile(p.system)
	if err != nil {
		return nil, err
	}
	return append(append(bytes.TrimRight(system, "\n"), '\n'), p.ca...), nil
}

// systemBundle finds the system's CAs: what the user set, unless that is one of ours, or the file of the
// distribution.
// Source: the lists of crypto/x509 (root_linux.go, root_bsd.go) and of Debian, Fedora, SUSE and Alpine.
func systemBundle(getenv func(string) string) string {
	ours := filepath.Join(filepath.Dir(client.LoginFile(getenv)), "azure") + string(filepath.Separator)
	for _, file := range []string{
		getenv("REQUESTS_CA_BUNDLE"), getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem", "/usr/local/etc/ssl/cert.pem",
	} {
		if file == "" || strings.HasPrefix(file, ours) {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

func unwritable(file string, err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "BundleUnwritable", What: "the file with the CAs for Azure's clients cannot be written",
		Why: err.Error(), Fix: "make the folder of " + file + " writable, or set XDG_CONFIG_HOME to one that is",
	}
}
