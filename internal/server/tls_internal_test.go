package server

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

func leafOf(t testing.TB, a *authority) *x509.Certificate {
	t.Helper()
	pair, err := a.certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestTheCertificateIsRenewedInTime(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	a, err := openAuthority(dir, []string{"localhost"}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first := leafOf(t, a)
	now = now.Add(59 * 24 * time.Hour)
	if err := a.refresh(); err != nil || !bytes.Equal(leafOf(t, a).Raw, first.Raw) {
		t.Errorf("renewed too early: %v", err)
	}
	now = now.Add(2 * 24 * time.Hour)
	if err := a.refresh(); err != nil {
		t.Fatal(err)
	}
	second := leafOf(t, a)
	if bytes.Equal(second.Raw, first.Raw) || second.NotAfter.Before(now.Add(80*24*time.Hour)) {
		t.Error("not renewed thirty days before its end")
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	if _, err := second.Verify(x509.VerifyOptions{Roots: pool, DNSName: "localhost", CurrentTime: now}); err != nil {
		t.Errorf("the renewed one: %v", err)
	}
	if bytes.Contains(ca, []byte("PRIVATE")) {
		t.Error("the file for clients holds a key")
	}
	again, err := openAuthority(dir, []string{"localhost", "new.example"}, func() time.Time { return now })
	if err != nil || leafOf(t, again).VerifyHostname("new.example") != nil {
		t.Errorf("a new name: %v", err)
	}
}

func TestADamagedCAIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := openAuthority(dir, nil, time.Now); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tls", "ca-with-key.pem"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAuthority(dir, nil, time.Now); fault.ReasonOf(err) != "CertificateUnusable" {
		t.Errorf("openAuthority = %v", err)
	}
}

func TestWhoRunsAsTheServer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		user   string
		self   int
		own    bool
		reason string
	}{
		{"same", 0, true, ""},
		{"auto", 0, false, ""},
		{"auto", 1000, true, ""},
		{"1000", 1000, true, ""},
		{"1000", 0, false, ""},
		{"1001", 1000, false, "LocalUserUnusable"},
		{"root", 0, true, ""},
		{"root", 1000, false, "LocalUserUnusable"},
	} {
		own, err := runsAsServer(tc.user, tc.self)
		if own != tc.own || fault.ReasonOf(err) != tc.reason {
			t.Errorf("runsAsServer(%q, %d) = %v, %v", tc.user, tc.self, own, err)
		}
	}
}
