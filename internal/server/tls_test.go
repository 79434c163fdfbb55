package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver/fake"
)

func poolOf(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate in " + file)
	}
	return pool
}

func TestTLS(t *testing.T) {
	t.Parallel()
	b := startIn(t, t.TempDir(), map[string]string{"tls.names": "zaffre.example,10.1.2.3"}, fake.NewWorld())
	resp, _ := b.do(t, http.MethodGet, "/healthz", nil)
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("with the CA: %s over %s", resp.Status, resp.Proto)
	}
	leaf := resp.TLS.PeerCertificates[0]
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "zaffre.example", "10.1.2.3"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Errorf("the certificate is not good for %s: %v", name, err)
		}
	}
	if last := resp.TLS.PeerCertificates[len(resp.TLS.PeerCertificates)-1]; !last.IsCA {
		t.Error("the CA is not sent: zaffre login could not show it")
	}

	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
	_, err := stranger.Get(b.url + "/healthz")
	if unknown := new(x509.UnknownAuthorityError); !errors.As(err, unknown) {
		t.Errorf("without the CA: %v", err)
	}
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: poolOf(t, b.profile.CA), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}}
	if _, err := old.Get(b.url + "/healthz"); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
}
