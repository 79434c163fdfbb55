package kubernetes

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	pemcode "encoding/pem"
	"strings"
	"time"
)

// credential says by what we enter the cluster: a token goes before a certificate.
func (a access) credential() string {
	if a.token != "" {
		return "token"
	}
	return "client certificate"
}

// expiry is when that expires, as far as it says so itself; zero: it does not.
func (a access) expiry() time.Time {
	if a.token != "" {
		return tokenExpiry(a.token)
	}
	block, _ := pemcode.Decode(a.cert)
	if block == nil {
		return time.Time{}
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return c.NotAfter.UTC()
}

// tokenExpiry reads the claim exp of a JWT, unchecked: it only explains a refusal.
func tokenExpiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(b, &claims) != nil || claims.Expires == 0 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0).UTC()
}
