package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	caFor      = 10 * 365 * 24 * time.Hour
	leafFor    = 90 * 24 * time.Hour
	renewEarly = 30 * 24 * time.Hour // before the leaf's end
	backdate   = time.Hour           // for clocks that are behind
	lookAgain  = 12 * time.Hour
)

// authority is the server's own CA and the certificate that it signed, in files of one folder. Its
// methods may be called from several goroutines.
type authority struct {
	dir   string   // with the keys
	file  string   // the CA's certificate alone, for clients
	names []string // names and addresses that the leaf must have
	now   func() time.Time
	leaf  atomic.Pointer[tls.Certificate]
}

// openAuthority reads the CA and the certificate of a data folder, or makes them: at the first start,
// and the certificate again when its names changed or its end is near. Dying in between leaves either
// the old files or the new ones.
func openAuthority(data string, names []string, now func() time.Time) (*authority, error) {
	a := &authority{dir: filepath.Join(data, "tls"), file: filepath.Join(data, "ca.pem"), names: names, now: now}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return nil, certFault(err)
	}
	if _, err := os.Stat(a.caFile()); errors.Is(err, fs.ErrNotExist) {
		if err := a.makeCA(); err != nil {
			return nil, certFault(err)
		}
	}
	return a, a.refresh()
}

// Each of these files holds a certificate and its key: they always belong together.
func (a *authority) caFile() string   { return filepath.Join(a.dir, "ca-with-key.pem") }
func (a *authority) leafFile() string { return filepath.Join(a.dir, "server-with-key.pem") }

// certificate answers a handshake.
func (a *authority) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.leaf.Load(), nil
}

// watch renews the certificate in time, until ctx ends.
func (a *authority) watch(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := a.refresh(); err != nil {
			log.ErrorContext(ctx, "certificate not renewed", "err", err)
		}
	}
}

// refresh loads the certificate, and signs a new one if there is none that will do.
func (a *authority) refresh() error {
	ca, err := load(a.caFile())
	if err != nil {
		return certFault(err)
	}
	if err := a.publish(ca.Leaf); err != nil {
		return certFault(err)
	}
	leaf, err := load(a.leafFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return certFault(err)
	}
	if err != nil || !a.fits(leaf.Leaf, ca.Leaf) {
		if leaf, err = a.sign(ca); err != nil {
			return certFault(err)
		}
	}
	leaf.Certificate = [][]byte{leaf.Certificate[0], ca.Certificate[0]} // the CA too, for its fingerprint at login
	a.leaf.Store(&leaf)
	return nil
}

// publish writes the file for clients.
func (a *authority) publish(ca *x509.Certificate) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	if old, err := os.ReadFile(a.file); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return writeFile(a.file, text)
}

func (a *authority) fits(leaf, ca *x509.Certificate) bool {
	for _, name := range a.names {
		if leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return leaf.CheckSignatureFrom(ca) == nil && a.now().Before(leaf.NotAfter.Add(-renewEarly)) && a.now().After(leaf.NotBefore)
}

func (a *authority) makeCA() error {
	t := a.template("zaffre CA "+rand.Text()[:8], caFor)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	return save(a.caFile(), der, key)
}

func (a *authority) sign(ca tls.Certificate) (tls.Certificate, error) {
	t := a.template("zaffre", leafFor)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range a.names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	if t.NotAfter.After(ca.Leaf.NotAfter) {
		t.NotAfter = ca.Leaf.NotAfter
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := save(a.leafFile(), der, key); err != nil {
		return tls.Certificate{}, err
	}
	return load(a.leafFile())
}

func (a *authority) template(name string, lasts time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: a.now().Add(-backdate), NotAfter: a.now().Add(lasts),
	}
}

// save writes certificate and key as one file.
func save(file string, der []byte, key *ecdsa.PrivateKey) error {
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return writeFile(file, slices.Concat(cert, secret))
}

func load(file string) (tls.Certificate, error) {
	return tls.LoadX509KeyPair(file, file)
}

func certFault(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "CertificateUnusable", What: "the server has no certificate",
		Why: err.Error(), Fix: "restore the folder tls of the data folder from a backup; or remove it: clients must then log in again", Err: err,
	}
}

// certNames returns the names and addresses that a certificate needs: those of this machine, those that
// the server listens on, and the configured ones.
func certNames(listen string, configured []string) []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, configured...)
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, host)
	}
	host, _, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		names = append(names, ownAddresses()...)
	} else if err == nil && host != "" {
		names = append(names, host)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func ownAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	return out
}
