// Package login is the part of Azure's sign-in that its clients use: cloud metadata, OpenID
// configuration, tokens, managed identity, and device codes with a page to confirm them.
//
// A token is a JWT that this server signed. It says on whose behalf it was given out: a service
// principal's, or that of the owner of a bearer token of zaffre. What the caller may do is looked up by
// that at each request, so that a revocation ends the JWTs too.
package login

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// Config is what a Service stands on.
type Config struct {
	Identity *identity.Service
	Key      ed25519.PrivateKey // signs tokens
	Tenant   string             // UUID
	Now      func() time.Time   // nil is time.Now
}

// Service gives out tokens and knows callers by them. Its methods may be called from several goroutines.
type Service struct {
	Config
	keyID   string
	devices devices
	mux     *http.ServeMux
}

// New returns a Service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{Config: c, keyID: keyID(c.Key.Public().(ed25519.PublicKey))}
	s.mux = s.routes()
	return s
}

// TenantOf returns the tenant of an installation, which is named by a UUID.
func TenantOf(installation string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("zaffre/tenant/"+installation)).String()
}

// Owns reports whether a path belongs to this face.
func Owns(path string) bool {
	first, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	switch strings.ToLower(first) {
	case "adfs", "msi", "device":
		return true
	case "metadata":
		return strings.EqualFold(strings.Trim(rest, "/"), "endpoints")
	}
	_, err := uuid.Parse(first)
	return err == nil && isOAuth(rest) // an authority without adfs: clients that skip its discovery
}

// isOAuth reports whether rest is what clients ask of an authority.
func isOAuth(rest string) bool {
	rest = strings.ToLower(rest)
	return strings.HasSuffix(rest, openIDPath) || strings.Contains(rest, "oauth2/")
}

func (s *Service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metadata/endpoints", s.metadata)
	mux.HandleFunc("GET /msi/token", s.managedIdentity)
	mux.HandleFunc("POST /msi/token", s.managedIdentity)
	mux.HandleFunc("GET /device", s.devicePage)
	mux.HandleFunc("POST /device", s.confirmDevice)
	mux.HandleFunc("GET /adfs/discovery/keys", s.keys)
	mux.HandleFunc("GET /adfs/{rest...}", s.authority)
	mux.HandleFunc("POST /adfs/{rest...}", s.authority)
	return mux
}

// ServeHTTP answers everything that Owns reports.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	path := "/" + strings.Join(strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' }), "/")
	if first, _, _ := strings.Cut(path[1:], "/"); !strings.EqualFold(first, "adfs") && isOAuth(path) {
		path = "/adfs" + path
	}
	head, tail, _ := strings.Cut(path[1:], "/")
	head = strings.ToLower(head)
	if head != "adfs" {
		tail = strings.ToLower(tail)
	}
	u := *r.URL
	u.Path, u.RawPath = strings.TrimSuffix("/"+head+"/"+tail, "/"), ""
	r2 := *r
	r2.URL = &u
	httpx.Route(s.mux, http.HandlerFunc(s.notFound)).ServeHTTP(w, &r2)
}

func (s *Service) notFound(w http.ResponseWriter, r *http.Request) {
	WriteFault(w, r, &fault.Error{
		Code: fault.NotFound, Reason: "RouteNotFound", What: "there is nothing at this path",
		Why: "sign-in has no route for it", Fix: `take the variables that this prints: run: zaffre env`,
	})
}

// Authenticate returns whose bearer token this is: a JWT of this service, or a token of zaffre itself.
// It fails with fault.Unauthorized.
func (s *Service) Authenticate(ctx context.Context, bearer string) (identity.Caller, error) {
	if strings.Count(bearer, ".") != 2 {
		return s.Identity.Authenticate(ctx, bearer)
	}
	c, err := s.open(bearer, useAccess)
	if err != nil {
		return identity.Caller{}, err
	}
	who, err := s.source(ctx, c)
	return who.caller, err
}

// baseURL is how the caller reached the server.
func baseURL(r *http.Request) string { return "https://" + r.Host }
