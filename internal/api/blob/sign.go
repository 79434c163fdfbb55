// Package blob is the part of Azure Blob Storage that the clients of Azure Machine Learning use to send and fetch
// files. An address is signed by the server that hands it out: it says what may be done, with which file, on whose
// behalf and until when, and needs no login. What an address names is none of this package's business.
package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// root is the first segment of all addresses. azureml-core takes it for the container.
const root = "/zblob/"

// Version is the one of Azure's API that answers name.
const version = "2021-08-06"

// Grant is what an address lets its bearer do.
type Grant struct {
	Workspace string    `json:"w"`
	Kind      string    `json:"k"` // whose file: "run", "upload", "content", "model", "log"
	Owner     string    `json:"o"` // among those of the kind
	Path      string    `json:"p"`
	User      string    `json:"u"` // on whose behalf
	Write     bool      `json:"x,omitempty"`
	Until     time.Time `json:"e"`
}

// Signer makes addresses.
type Signer struct{ Key []byte }

// WriteURL returns an address to write to, in the form that azureml-core needs: it takes the host for
// ACCOUNT.blob.SUFFIX and builds it anew from that, and with the dots before an @ what it builds is the same.
func (s Signer) WriteURL(host string, g Grant) string {
	g.Write = true
	return "https://acct.blob.x@" + host + s.path(g)
}

// ReadURL returns an address to read from.
func (s Signer) ReadURL(host string, g Grant) string {
	g.Write = false
	return "https://" + host + s.path(g)
}

// path ends in the file's name, for those who look; the grant is what counts.
func (s Signer) path(g Grant) string {
	raw, err := json.Marshal(g)
	if err != nil {
		panic(err) // a struct of strings, a bool and a time
	}
	parts := strings.Split(g.Path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	// The clients refuse members that a shared access signature has not: the grant goes as its identifier.
	q := url.Values{"sv": {version}, "si": {base64.RawURLEncoding.EncodeToString(raw)}, "sig": {s.mac(raw)}}
	return root + url.PathEscape(g.Kind) + "/" + strings.Join(parts, "/") + "?" + q.Encode()
}

func (s Signer) mac(raw []byte) string {
	m := hmac.New(sha256.New, s.Key)
	m.Write(raw)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Of returns what an address that was handed out grants, if it still is good to write to.
func (s Signer) Of(address string) (Grant, error) {
	u, err := url.Parse(address)
	if err != nil {
		return Grant{}, denied("it is no URL", "send the address as it was handed out")
	}
	return s.open(&http.Request{URL: u}, true)
}

// open returns what the address of a request grants.
func (s Signer) open(r *http.Request, write bool) (g Grant, err error) {
	q := r.URL.Query()
	raw, err := base64.RawURLEncoding.DecodeString(q.Get("si"))
	if err != nil || !hmac.Equal([]byte(s.mac(raw)), []byte(q.Get("sig"))) || json.Unmarshal(raw, &g) != nil {
		return g, denied("its signature is missing or wrong", "ask for a new one: call again what returned it")
	}
	switch {
	case time.Now().After(g.Until):
		return g, denied("it was good until "+g.Until.UTC().Format(time.RFC3339), "ask for a new one: call again what returned it")
	case write && !g.Write:
		return g, denied("it is one to read from", "ask for one to write to")
	}
	return g, nil
}

func denied(why, fix string) error {
	return &fault.Error{Code: fault.Denied, Reason: "BlobAddressInvalid", What: "the address of the file is not accepted", Why: why, Fix: fix}
}

// hide keeps what signs an address out of the access log.
func hide(r *http.Request) { r.URL.RawQuery = "" }
