package agent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// relayFor is how long a relay's certificate is good: longer than a job should take.
const relayFor = 2 * 365 * 24 * time.Hour

// identity is what relay.json holds: where a job's relay listens, and as whom. It stays the same for the job's
// life, whichever supervisor it has.
type relayIdentity struct {
	Port int    `json:"port"`
	CA   []byte `json:"ca"`   // PEM
	Cert []byte `json:"cert"` // PEM
	Key  []byte `json:"key"`  // PEM
}

// newRelayIdentity makes a certificate for this machine as it sees itself, and the CA that signed it, whose
// key nobody keeps.
func newRelayIdentity() (r relayIdentity, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return r, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return r, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "zaffre relay"}, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(relayFor),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: keyID(&caKey.PublicKey),
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return r, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return r, err
	}
	raw, err := x509.MarshalECPrivateKey(key)
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return relayIdentity{CA: block("CERTIFICATE", caDER), Cert: block("CERTIFICATE", der), Key: block("EC PRIVATE KEY", raw)}, err
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return new(big.Int).SetBytes(append([]byte{1}, b...))
}

func keyID(k *ecdsa.PublicKey) []byte {
	raw, _ := k.Bytes() // of a curve that is known
	return raw[len(raw)-20:]
}

func (r relayIdentity) certificate() (tls.Certificate, error) { return tls.X509KeyPair(r.Cert, r.Key) }

// publicRoots are where systems keep the certificates of public authorities.
var publicRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// writeBundle writes a file with the relay's CA and the first of the files that holds certificates: a client that
// is given a file knows no others. found is false where none does.
func (r relayIdentity) writeBundle(name string, from []string) (found bool, err error) {
	out := bytes.NewBuffer(bytes.Clone(r.CA))
	for _, f := range from {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte("BEGIN CERTIFICATE")) {
			out.WriteByte('\n')
			out.Write(b)
			found = true
			break
		}
	}
	tmp := name + ".tmp"
	return found, errors.Join(os.WriteFile(tmp, out.Bytes(), 0o600), os.Rename(tmp, name))
}

// rootFiles are the files to take public certificates from, the best first: what the machine's administrator
// set for its users may hold those of a proxy.
func rootFiles(prefix string) []string {
	var list []string
	for _, k := range []string{"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"} {
		if f := os.Getenv(k); f != "" {
			list = append(list, f)
		}
	}
	list = append(list, publicRoots...)
	if prefix != "" {
		for _, p := range []string{"certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem"} {
			found, _ := filepath.Glob(filepath.Join(prefix, "lib/python3*/site-packages", p))
			list = append(list, found...)
		}
	}
	return list
}
