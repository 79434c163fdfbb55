package login

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

const (
	accessFor  = time.Hour
	refreshFor = 90 * 24 * time.Hour
	maxToken   = 8 << 10 // bytes
)

// What a JWT is good for: an ID token opens nothing, and a refresh token only gets others.
const (
	useAccess  = "access"
	useRefresh = "refresh"
	useID      = "id"
)

// claims are those of our tokens. Clients read exp, tid, aud and the names; we read src and use.
type claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	Object    string `json:"oid"`
	Tenant    string `json:"tid"`
	App       string `json:"appid,omitempty"`
	Name      string `json:"name,omitempty"`
	UPN       string `json:"upn,omitempty"`
	Preferred string `json:"preferred_username,omitempty"`
	Nonce     string `json:"nonce,omitempty"`
	Type      string `json:"idtyp,omitempty"` // "app" or "user"
	Version   string `json:"ver"`
	ID        string `json:"jti"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	Use       string `json:"zaffre_use"`
	Source    string `json:"zaffre_src"` // "principal/<client ID>", "token/<token ID>" or "run/<workspace>/<ULID>/<name>"
}

// owner is on whose behalf tokens are given out.
type owner struct {
	source string
	object string
	app    string // client ID; "" for a user
	caller identity.Caller
	until  time.Time // zero: no end
}

func ofPrincipal(p identity.Principal) owner {
	return owner{"principal/" + p.AppID, p.ObjectID, p.AppID, p.Caller(), p.Expires}
}

func ofToken(t identity.Token) owner {
	object := uuid.NewSHA1(uuid.NameSpaceOID, []byte("zaffre/token/"+t.ID)).String()
	return owner{"token/" + t.ID, object, "", t.Caller(), t.Expires}
}

// source looks up on whose behalf a token was given out, and whether that is good still.
func (s *Service) source(ctx context.Context, c claims) (owner, error) {
	typ, id, _ := strings.Cut(c.Source, "/")
	switch typ {
	case "principal":
		p, err := s.Identity.Principal(ctx, id, time.Unix(c.Issued, 0))
		return ofPrincipal(p), err
	case "token":
		t, err := s.Identity.Token(ctx, id)
		return ofToken(t), err
	case "run":
		return s.ofRun(ctx, id)
	}
	return owner{}, refused("it names nobody")
}

// client returns whom a client's credentials belong to: a service principal's ID and secret, or any ID
// with a token of zaffre as the secret.
func (s *Service) client(ctx context.Context, id, secret string) (owner, error) {
	if strings.HasPrefix(secret, "zaf_") {
		t, err := s.Identity.TokenOf(ctx, secret)
		return ofToken(t), err
	}
	p, err := s.Identity.AuthenticateClient(ctx, id, secret)
	return ofPrincipal(p), err
}

// grant is a token to make.
type grant struct {
	owner    owner
	audience string
	tenant   string
	issuer   string
	nonce    string
	use      string
	life     time.Duration
}

// mint signs a token and returns it with its end, which is not after its owner's.
func (s *Service) mint(g grant) (string, time.Time) {
	now := s.Now()
	end := now.Add(g.life)
	if !g.owner.until.IsZero() && g.owner.until.Before(end) {
		end = g.owner.until
	}
	c := claims{
		Issuer: g.issuer, Audience: g.audience, Subject: g.owner.object, Object: g.owner.object, Tenant: g.tenant, App: g.owner.app,
		Name: g.owner.caller.Name, Nonce: g.nonce, Type: "app", Version: "1.0", ID: rand.Text(),
		Issued: now.Unix(), NotBefore: now.Unix(), Expires: end.Unix(), Use: g.use, Source: g.owner.source,
	}
	if g.owner.app == "" {
		c.Type, c.UPN, c.Preferred = "user", g.owner.caller.Name, g.owner.caller.Name
	}
	return s.sign(c), end
}

// enc is strict: one token has one spelling.
var enc = base64.RawURLEncoding.Strict()

func (s *Service) sign(c claims) string {
	head := enc.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT","kid":"` + s.keyID + `"}`))
	body, _ := json.Marshal(c) // strings and numbers always encode
	text := head + "." + enc.EncodeToString(body)
	return text + "." + enc.EncodeToString(ed25519.Sign(s.Key, []byte(text)))
}

// open verifies a token of ours. Whose it is must be looked up yet.
func (s *Service) open(token, use string) (c claims, err error) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 || len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return c, refused("it is no token of this server")
	}
	sig, err := enc.DecodeString(token[i+1:])
	if err != nil || !ed25519.Verify(s.Key.Public().(ed25519.PublicKey), []byte(token[:i]), sig) {
		return c, refused("this server did not sign it")
	}
	_, body, _ := strings.Cut(token[:i], ".")
	raw, err := enc.DecodeString(body)
	if err != nil {
		return c, refused("it is damaged")
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&c); err != nil {
		return c, refused("it is damaged")
	}
	switch {
	case c.Use != use:
		return c, refused("it is a token of another sort")
	case !s.Now().Before(time.Unix(c.Expires, 0)):
		return c, refused("its time is over")
	}
	return c, nil
}

func refused(why string) error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: "AccessTokenInvalid", What: "the access token is not accepted",
		Why: why, Fix: `log in again, with the variables that this prints: run: zaffre env`,
	}
}

func keyID(pub ed25519.PublicKey) string {
	h := sha256.Sum256(pub)
	return enc.EncodeToString(h[:12])
}
