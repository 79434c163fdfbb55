package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// keyOf reads a key of the cluster.
func keyOf(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	dir := os.Getenv("ENGINES_KUBERNETES_PKI")
	if dir == "" {
		t.Skip("needs the cluster's keys: ENGINES_KUBERNETES_PKI is not set")
	}
	text, err := os.ReadFile(filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// tokenUntil returns a token of a namespace's account like those that the API server makes, which it makes for no less
// than ten minutes.
func tokenUntil(t *testing.T, namespace string, expires time.Time) string {
	t.Helper()
	uid := kubectl(t, "", "-n", namespace, "get", "serviceaccount", "zaffre", "-o", "jsonpath={.metadata.uid}")
	issuer := "https://kubernetes.default.svc"
	claims := map[string]any{
		"iss": issuer, "aud": []string{issuer}, "sub": "system:serviceaccount:" + namespace + ":zaffre",
		"iat": time.Now().Add(-time.Minute).Unix(), "nbf": time.Now().Add(-time.Minute).Unix(), "exp": expires.Unix(),
		"kubernetes.io": map[string]any{"namespace": namespace, "serviceaccount": map[string]any{"name": "zaffre", "uid": uid}},
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, keyOf(t, "sa"), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// TestTokenExpires: a run goes on when the token by which its target is entered has expired, and is watched again when
// there is another.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	_, target, namespace := fresh(t)
	old := tokenUntil(t, namespace, time.Now()) // the API server takes it for a minute more: clocks differ
	s := serve(t, by(target, "token", old))
	id := s.submit(0, nil, counting(1200)...)
	s.running(id, 1)
	var refused client.Compute
	s.eventually("the refusal", func() bool { // the API server remembers for a while what it has seen
		var err error
		refused, err = s.CheckCompute(t.Context(), "default", "k8s")
		return err == nil && strings.Contains(fmt.Sprintf("%+v", refused.Checks), "CredentialsExpired")
	})
	crash(t, driver.Target{ID: refused.ID}) // a channel that is open stays so
	s.silent(id, "CredentialsExpired")
	if r, err := s.Client.Run(t.Context(), "default", id); err != nil || r.State != "Running" {
		t.Errorf("its target not to be entered, the run is %s, %v", r.State, err)
	}
	another := client.Compute{Name: "k8s", Kind: "kubernetes", Options: map[string]any{"token": target.Secrets["token"]}}
	if _, err := s.UpdateCompute(t.Context(), "default", another); err != nil {
		t.Fatal(err)
	}
	s.counted(id, 1200)
	if strings.Contains(s.log.String(), old) || strings.Contains(fmt.Sprintf("%+v", refused), old) {
		t.Error("the token is told")
	}
}

// TestCertificateExpired: a client certificate that has expired is named as such.
func TestCertificateExpired(t *testing.T) {
	t.Parallel()
	_, target, _ := fresh(t)
	u := using{t, connect(t, by(target, "kubeconfig", certificateUntil(t, time.Now().Add(-time.Hour))))}
	_, err := u.Observe(t.Context())
	if f := fault.From(err); f == nil || f.Reason != "CredentialsExpired" || f.Code != fault.Unauthorized || !strings.Contains(f.Why, "client certificate expired at 20") {
		t.Errorf("%+v", f)
	}
	u = using{t, connect(t, by(target, "kubeconfig", certificateUntil(t, time.Now().Add(time.Hour))))}
	if _, err := u.Observe(t.Context()); err != nil {
		t.Errorf("one that has not: %v", err)
	}
}

// certificateUntil returns a kubeconfig of an administrator, who is one until then.
func certificateUntil(t *testing.T, expires time.Time) string {
	t.Helper()
	signer, server, ca := keyOf(t, "ca"), "", ""
	server, ca = cluster(t)
	text, err := base64.StdEncoding.DecodeString(ca)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	own := keyOf(t, "admin")
	made, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		NotBefore: expires.Add(-48 * time.Hour), NotAfter: expires, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, authority, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: u, user: {client-certificate-data: %s, client-key-data: %s}}],
contexts: [{name: a, context: {cluster: c, user: u}}]}
`, server, ca, encode("CERTIFICATE", made), encode("EC PRIVATE KEY", der))
}
