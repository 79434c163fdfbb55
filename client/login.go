package client

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net"
	"net/url"
	"strings"
	"time"
)

// Certificate returns the certificate on which the server's trust stands: the last one that it
// sends. Nothing is verified and nothing secret is sent: compare Fingerprint before you trust it.
func Certificate(ctx context.Context, address string) (*x509.Certificate, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" {
		return nil, invalid("ServerURLInvalid", "the server's address "+address+" cannot be used",
			"it is not of the form https://host:port", "give the address that the server printed when it started")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "443")
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	// The peer is shown to the user, who decides; until then nothing is sent.
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, &Fault{
			Code: CodeUnavailable, Reason: "ServerUnreachable", Title: "the server at " + host + " does not answer",
			Detail: err.Error(), Fix: "check the address, and that the server listens there",
		}
	}
	defer conn.Close()
	certs := conn.(*tls.Conn).ConnectionState().PeerCertificates
	return certs[len(certs)-1], nil
}

// Fingerprint returns the SHA-256 of a certificate, as openssl prints it: "AB:CD:…".
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	s := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(s); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(s[i : i+2])
	}
	return b.String()
}

// PEM returns a certificate as text.
func PEM(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}
