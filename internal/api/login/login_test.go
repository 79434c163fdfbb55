package login_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/login"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

const base = "https://zaffre.test:8443"

// rig is the face on a database of its own, with a clock that stands.
type rig struct {
	*login.Service
	ids    *identity.Service
	now    time.Time
	bearer string // of "ada"
	token  identity.Token
	app    identity.Principal
	secret string // of app
}

func newRig(t testing.TB) *rig {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "z.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ws := workspace.New(db.Workspaces(), db.LinkedServices())
	ctx := identity.System(t.Context())
	if _, err := ws.EnsureDefault(ctx); err != nil {
		t.Fatal(err)
	}
	r := &rig{}
	r.ids = identity.New(identity.Config{Tokens: db.Tokens(), Principals: db.Principals(), HasWorkspace: ws.Exists, RunOwner: runOwner})
	q := identity.TokenRequest{Name: "ada", Workspace: workspace.Default, Role: identity.Contributor}
	if r.token, r.bearer, err = r.ids.CreateToken(ctx, q); err != nil {
		t.Fatal(err)
	}
	q.Name = "ci"
	if r.app, r.secret, err = r.ids.CreatePrincipal(ctx, q); err != nil {
		t.Fatal(err)
	}
	r.now = time.Now().Truncate(time.Second) // not before the secret was made
	r.Service = login.New(login.Config{
		Identity: r.ids, Key: ed25519.NewKeyFromSeed(make([]byte, 32)), Tenant: "11111111-2222-3333-4444-555555555555",
		Now: func() time.Time { return r.now },
	})
	return r
}

type reply struct {
	code   int
	header http.Header
	text   string
	json   map[string]any
}

func (a reply) str(name string) string { s, _ := a.json[name].(string); return s }

func (r *rig) send(t testing.TB, method, path string, form url.Values, header ...string) reply {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req := httptest.NewRequestWithContext(t.Context(), method, base+path, body)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if !login.Owns(req.URL.Path) {
		t.Fatalf("%s is none of this face", path)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	out := reply{code: w.Code, header: w.Header(), text: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &out.json)
	return out
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *rig) credentials(id, secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {"https://management.azure.com/.default"}}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const any = "00000000-0000-0000-0000-000000000000"
	for _, tc := range []struct {
		reason, path, id, secret string
		code                     int
		caller                   string
	}{
		{"a service principal", "/adfs/any/oauth2/token", r.app.AppID, r.secret, 200, "ci"},
		{"a token as the secret", "/adfs/any/oauth2/v2.0/token", any, r.bearer, 200, "ada"},
		{"an authority without adfs", "/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token", r.app.AppID, r.secret, 200, "ci"},
		{"doubled slashes", "//adfs//x//oauth2/token", r.app.AppID, r.secret, 200, "ci"},
		{"a wrong secret", "/adfs/any/oauth2/token", r.app.AppID, r.secret + "x", 401, ""},
		{"another's ID", "/adfs/any/oauth2/token", any, r.secret, 401, ""},
		{"no UUID", "/adfs/any/oauth2/token", "' OR 1=1", r.secret, 401, ""},
		{"a token that is none", "/adfs/any/oauth2/token", any, "zaf_x", 401, ""},
		{"nothing", "/adfs/any/oauth2/token", "", "", 401, ""},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			a := r.send(t, "POST", tc.path, r.credentials(tc.id, tc.secret))
			if a.code != tc.code {
				t.Fatalf("%d: %s", a.code, a.text)
			}
			if tc.secret != "" && strings.Contains(a.text, tc.secret) {
				t.Errorf("the secret came back: %s", a.text)
			}
			if tc.code != 200 {
				if a.str("error") != "invalid_client" || a.str("error_description") == "" {
					t.Errorf("no OAuth error: %s", a.text)
				}
				return
			}
			c := claimsOf(t, a.str("access_token"))
			if c["aud"] != "https://management.azure.com" || c["tid"] == nil || c["exp"] == nil || c["oid"] == "" {
				t.Errorf("claims %v", c)
			}
			who, err := r.Authenticate(t.Context(), a.str("access_token"))
			if err != nil || who.Name != tc.caller || who.RoleIn(workspace.Default) != identity.Contributor {
				t.Errorf("caller %+v, %v", who, err)
			}
		})
	}
}

func TestManagedIdentity(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, tc := range []struct {
		reason, method string
		header         []string
		code           int
	}{
		{"App Service", "GET", []string{"X-IDENTITY-HEADER", r.bearer}, 200},
		{"Azure ML", "GET", []string{"secret", r.bearer}, 200},
		{"a principal", "GET", []string{"X-IDENTITY-HEADER", r.app.AppID + ":" + r.secret}, 200},
		{"by POST", "POST", []string{"X-IDENTITY-HEADER", r.bearer}, 200},
		{"no secret", "GET", []string{"Metadata", "true"}, 401},
		{"no secret, by POST", "POST", []string{"Metadata", "true"}, 401},
		{"a wrong one", "GET", []string{"X-IDENTITY-HEADER", "x"}, 401},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			const resource = "https://ml.azure.com/{odd}"
			a := r.send(t, tc.method, "/msi/token?api-version=2019-08-01&resource="+url.QueryEscape(resource), nil, tc.header...)
			if a.code != tc.code {
				t.Fatalf("%d: %s", a.code, a.text)
			}
			if tc.code == 200 && (claimsOf(t, a.str("access_token"))["aud"] != resource || a.str("expires_on") == "") {
				t.Errorf("the resource is not the audience to the byte: %s", a.text)
			}
		})
	}
}

// TestTokensEnd checks that what was given out ends with what it was had by, and with its time.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	ctx := identity.System(t.Context())
	for _, tc := range []struct {
		reason string
		id     func(r *rig) (string, string)
		end    func(t *testing.T, r *rig)
		want   string
	}{
		{"a revoked token", func(r *rig) (string, string) { return "x", r.bearer }, func(t *testing.T, r *rig) {
			if _, err := r.ids.RevokeToken(ctx, r.token.ID); err != nil {
				t.Fatal(err)
			}
		}, "TokenRevoked"},
		{"a deleted principal", func(r *rig) (string, string) { return r.app.AppID, r.secret }, func(t *testing.T, r *rig) {
			if err := r.ids.DeletePrincipal(ctx, r.app.AppID); err != nil {
				t.Fatal(err)
			}
		}, "ClientInvalid"},
		{"time", func(r *rig) (string, string) { return r.app.AppID, r.secret }, func(_ *testing.T, r *rig) { r.now = r.now.Add(2 * time.Hour) }, "AccessTokenInvalid"},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			id, secret := tc.id(r)
			access := r.send(t, "POST", "/adfs/x/oauth2/token", r.credentials(id, secret)).str("access_token")
			if _, err := r.Authenticate(t.Context(), access); err != nil {
				t.Fatal(err)
			}
			tc.end(t, r)
			if _, err := r.Authenticate(t.Context(), access); fault.ReasonOf(err) != tc.want || fault.CodeOf(err) != fault.Unauthorized {
				t.Errorf("afterwards: %v, want %s", err, tc.want)
			}
		})
	}
}

func TestRotatedSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.now = r.now.Add(-time.Minute) // what follows was given out before the rotation
	access := r.send(t, "POST", "/adfs/x/oauth2/token", r.credentials(r.app.AppID, r.secret)).str("access_token")
	_, fresh, err := r.ids.RotatePrincipal(identity.System(t.Context()), r.app.AppID, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Authenticate(t.Context(), access); fault.ReasonOf(err) != "ClientInvalid" {
		t.Errorf("a token had by the old secret: %v", err)
	}
	if a := r.send(t, "POST", "/adfs/x/oauth2/token", r.credentials(r.app.AppID, r.secret)); a.code != 401 {
		t.Errorf("the old secret: %d", a.code)
	}
	if a := r.send(t, "POST", "/adfs/x/oauth2/token", r.credentials(r.app.AppID, fresh)); a.code != 200 {
		t.Errorf("the new secret: %d: %s", a.code, a.text)
	}
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access := r.send(t, "POST", "/adfs/x/oauth2/token", r.credentials(r.app.AppID, r.secret)).str("access_token")
	parts := strings.Split(access, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	other := ed25519.NewKeyFromSeed([]byte("a key that is not the server's, 1"[:32]))
	head := parts[0] + "." + parts[1]
	for reason, token := range map[string]string{
		"no signature":     none + "." + parts[1] + ".",
		"another body":     parts[0] + "." + parts[1][:len(parts[1])-2] + "." + parts[2],
		"another's key":    head + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(other, []byte(head))),
		"dots":             "..",
		"nothing":          "",
		"bad base64":       parts[0] + ".%%%." + parts[2],
		"a very long one":  strings.Repeat("a", 1<<20) + ".b.c",
		"cut":              access[:len(access)-4],
		"a line too many ": access + "\n",
	} {
		if _, err := r.Authenticate(t.Context(), token); fault.CodeOf(err) != fault.Unauthorized {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begin := r.send(t, "POST", "/adfs/x/organizations/oauth2/devicecode", url.Values{"client_id": {"app"}, "scope": {"openid https://management.azure.com/.default"}})
	if begin.code != 200 || begin.str("verification_uri") != base+"/device" {
		t.Fatalf("%d: %s", begin.code, begin.text)
	}
	poll := func() reply {
		return r.send(t, "POST", "/adfs/x/organizations/oauth2/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"app"}, "device_code": {begin.str("device_code")},
			"scope": {"openid https://management.azure.com/.default"},
		})
	}
	if a := poll(); a.str("error") != "authorization_pending" {
		t.Fatalf("before: %s", a.text)
	}
	code := begin.str("user_code")
	page := r.send(t, "GET", "/device?user_code="+strings.ToLower(code), nil)
	csp := page.header.Get("Content-Security-Policy")
	if page.code != 200 || !strings.Contains(page.text, code) || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(page.text, begin.str("device_code")) {
		t.Errorf("%d %s: %s", page.code, csp, page.text)
	}
	form := url.Values{"user_code": {code}, "token": {r.bearer}}
	if a := r.send(t, "POST", "/device", form, "Sec-Fetch-Site", "cross-site"); a.code != 403 {
		t.Errorf("a form of another site: %d", a.code)
	}
	if a := r.send(t, "POST", "/device", url.Values{"user_code": {code}, "token": {"zaf_wrong"}}); a.code != 401 || strings.Contains(a.text, "zaf_wrong") {
		t.Errorf("a wrong token: %d: %s", a.code, a.text)
	}
	if a := poll(); a.str("error") != "authorization_pending" {
		t.Fatalf("after what was refused: %s", a.text)
	}
	if a := r.send(t, "POST", "/device", form); a.code != 200 || !strings.Contains(a.text, "logged in as <strong>ada</strong>") || strings.Contains(a.text, r.bearer) {
		t.Fatalf("%d: %s", a.code, a.text)
	}
	if a := r.send(t, "POST", "/device", form); a.code != 404 {
		t.Errorf("confirmed twice: %d", a.code)
	}
	got := poll()
	id := claimsOf(t, got.str("id_token"))
	if got.code != 200 || id["upn"] != "ada" || id["aud"] != "app" {
		t.Fatalf("%d: %v: %s", got.code, id, got.text)
	}
	if a := poll(); a.str("error") != "expired_token" {
		t.Errorf("a code twice: %s", a.text)
	}
	for _, no := range []string{"refresh_token", "id_token"} {
		if _, err := r.Authenticate(t.Context(), got.str(no)); fault.CodeOf(err) != fault.Unauthorized {
			t.Errorf("the %s opens: %v", no, err)
		}
	}
	again := r.send(t, "POST", "/adfs/x/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.str("refresh_token")}, "client_id": {"app"}, "resource": {"r"}})
	if who, err := r.Authenticate(t.Context(), again.str("access_token")); err != nil || who.Name != "ada" {
		t.Errorf("refreshed: %+v, %v: %s", who, err, again.text)
	}
	if a := r.send(t, "POST", "/adfs/x/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.str("access_token")}}); a.code != 401 {
		t.Errorf("an access token as a refresh token: %d", a.code)
	}
}

func TestDeviceCodesEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begin := r.send(t, "POST", "/adfs/x/oauth2/devicecode", url.Values{"client_id": {"app"}})
	r.now = r.now.Add(16 * time.Minute)
	if a := r.send(t, "POST", "/device", url.Values{"user_code": {begin.str("user_code")}, "token": {r.bearer}}); a.code != 404 {
		t.Errorf("confirmed after its end: %d", a.code)
	}
	if a := r.send(t, "POST", "/adfs/x/oauth2/token", url.Values{"grant_type": {"device_code"}, "code": {begin.str("device_code")}}); a.str("error") != "expired_token" {
		t.Errorf("after its end: %s", a.text)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var clouds []struct {
		Name, ResourceManager string
		Authentication        struct{ LoginEndpoint string }
	}
	a := r.send(t, "GET", "/metadata/endpoints?api-version=2019-05-01", nil)
	if err := json.Unmarshal([]byte(a.text), &clouds); err != nil || len(clouds) != 1 {
		t.Fatalf("%v: %s", err, a.text)
	}
	if c := clouds[0]; c.Name != "AzureCloud" || c.ResourceManager != base || c.Authentication.LoginEndpoint != base+"/adfs/x" {
		t.Errorf("cloud %+v", c)
	}
	for _, path := range []string{"/adfs/t/.well-known/openid-configuration", "/adfs/x/organizations/.well-known/openid-configuration", "/adfs/.well-known/openid-configuration", "/adfs/v2.0/.well-known/openid-configuration"} {
		o := r.send(t, "GET", path, nil)
		if !strings.HasPrefix(o.str("issuer"), base+"/adfs") || !strings.HasPrefix(o.str("token_endpoint"), base+"/adfs") {
			t.Errorf("%s: %s", path, o.text)
		}
		if a := r.send(t, "POST", strings.TrimPrefix(o.str("token_endpoint"), base), r.credentials(r.app.AppID, r.secret)); a.code != 200 {
			t.Errorf("the token endpoint of %s: %d", path, a.code)
		}
	}
	if a := r.send(t, "GET", "/adfs/x/nothing", nil); a.code != 404 {
		t.Errorf("nothing: %d", a.code)
	}
}

// FuzzAuthenticate shows tokens of all sorts: all are refused.
func FuzzAuthenticate(f *testing.F) {
	r := newRig(f)
	access := r.send(f, "POST", "/adfs/x/oauth2/token", r.credentials(r.app.AppID, r.secret)).str("access_token")
	f.Add("a.b.c")
	f.Add(access[:len(access)-1])
	f.Fuzz(func(t *testing.T, token string) {
		if token == access {
			t.Skip()
		}
		if who, err := r.Authenticate(t.Context(), token); err == nil {
			t.Fatalf("%q is %s", token, who.Name)
		}
	})
}
