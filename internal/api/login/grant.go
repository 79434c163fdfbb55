package login

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

const maxForm = 64 << 10

const grantDevice = "urn:ietf:params:oauth:grant-type:device_code"

// token is the token endpoint of every authority.
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		oauthError(w, r, "invalid_request", formFault(err))
		return
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "client_credentials":
		s.clientCredentials(w, r)
	case "refresh_token":
		s.refresh(w, r)
	case grantDevice, "device_code":
		s.pollDevice(w, r)
	default:
		oauthError(w, r, "unsupported_grant_type", &fault.Error{
			Code: fault.Unsupported, Reason: "GrantUnsupported", What: "the server gives out no token this way",
			Why: "it takes client_credentials, refresh_token and device_code", Fix: `log in by device code, or use the variables that this prints: run: zaffre env`,
		})
	}
}

func formFault(err error) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "FormInvalid", What: "the request for a token cannot be understood",
		Why: "its body is no form, or too large", Fix: "send application/x-www-form-urlencoded", Err: err,
	}
}

func (s *Service) clientCredentials(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	who, err := s.client(r.Context(), id, secret)
	if err != nil {
		oauthError(w, r, "invalid_client", err)
		return
	}
	s.answer(w, r, who, false)
}

func (s *Service) refresh(w http.ResponseWriter, r *http.Request) {
	c, err := s.open(r.PostForm.Get("refresh_token"), useRefresh)
	var who owner
	if err == nil {
		who, err = s.source(r.Context(), c)
	}
	if err != nil {
		oauthError(w, r, "invalid_grant", err)
		return
	}
	s.answer(w, r, who, true)
}

// answer gives out what a grant asked for. session adds what a signed-in user's client keeps.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, who owner, session bool) {
	audience := audienceOf(r.PostForm.Get("resource"), r.PostForm.Get("scope"))
	g := grant{owner: who, audience: audience, tenant: s.tenantOf(r), issuer: baseURL(r) + "/adfs", use: useAccess, life: accessFor}
	access, end := s.mint(g)
	left := s.left(end)
	out := map[string]any{
		"token_type": "Bearer", "access_token": access, "expires_in": left, "ext_expires_in": left,
		"expires_on": strconv.FormatInt(end.Unix(), 10), "resource": audience,
	}
	if session {
		g.audience, g.use, g.life = baseURL(r), useRefresh, refreshFor
		out["refresh_token"], _ = s.mint(g)
		g.audience, g.use, g.life, g.nonce = r.PostForm.Get("client_id"), useID, accessFor, r.PostForm.Get("nonce")
		out["id_token"], _ = s.mint(g)
		out["scope"] = r.PostForm.Get("scope")
	}
	noteCaller(r, who.caller)
	writeJSON(w, http.StatusOK, out)
}

func (s *Service) left(end time.Time) int64 { return max(int64(end.Sub(s.Now())/time.Second), 0) }

// audienceOf is the resource as it was asked for, to the byte: azure-ai-ml compares it with aud.
func audienceOf(resource, scope string) string {
	if resource != "" {
		return resource
	}
	for s := range strings.FieldsSeq(scope) {
		if aud, ok := strings.CutSuffix(s, "/.default"); ok {
			return aud
		}
	}
	for s := range strings.FieldsSeq(scope) {
		if i := strings.LastIndexByte(s, '/'); i > len("https://") {
			return s[:i]
		}
	}
	return scope
}

// tenantOf is the tenant that the authority names, so that clients who insist on theirs find it, or the
// installation's.
func (s *Service) tenantOf(r *http.Request) string {
	for part := range strings.SplitSeq(r.URL.Path, "/") {
		if _, err := uuid.Parse(part); err == nil {
			return part
		}
	}
	return s.Tenant
}

// managedIdentity answers as App Service (IDENTITY_ENDPOINT) and Azure ML (MSI_ENDPOINT) do. The secret
// in the header is a token of zaffre, or "CLIENT-ID:SECRET" of a service principal.
func (s *Service) managedIdentity(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		oauthError(w, r, "invalid_request", formFault(err))
		return
	}
	secret := r.Header.Get("X-IDENTITY-HEADER")
	if secret == "" {
		secret = r.Header.Get("secret")
	}
	if secret == "" {
		oauthError(w, r, "unauthorized_client", &fault.Error{
			Code: fault.Unauthorized, Reason: "IdentitySecretMissing", What: "the server gives out no token without a secret",
			Why: "the request has neither the header X-IDENTITY-HEADER nor the header secret",
			Fix: `set IDENTITY_HEADER, or MSI_SECRET, to a token; this prints all variables: run: zaffre env`,
		})
		return
	}
	id, rest, ok := strings.Cut(secret, ":")
	if !ok {
		id, rest = "", secret
	}
	who, err := s.client(r.Context(), id, rest)
	if err != nil {
		oauthError(w, r, "invalid_client", err)
		return
	}
	audience := audienceOf(r.Form.Get("resource"), r.Form.Get("scope"))
	access, end := s.mint(grant{owner: who, audience: audience, tenant: s.Tenant, issuer: baseURL(r) + "/adfs", use: useAccess, life: accessFor})
	noteCaller(r, who.caller)
	left := strconv.FormatInt(s.left(end), 10)
	writeJSON(w, http.StatusOK, map[string]string{
		"access_token": access, "token_type": "Bearer", "resource": audience, "client_id": who.app,
		"expires_on": strconv.FormatInt(end.Unix(), 10), "expires_in": left, "not_before": strconv.FormatInt(s.Now().Unix(), 10),
	})
}

func noteCaller(r *http.Request, c identity.Caller) { infoOf(r).Caller = c.Name }
