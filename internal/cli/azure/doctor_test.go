package azure_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli"
)

const (
	token        = "zaf_t0ken-of-the-test"
	subscription = "5f1e0a44-1111-2222-3333-444444444444"
)

// patient is a machine with a login, the variables that zaffre env printed there, and a server.
type patient struct {
	t     *testing.T
	srv   *httptest.Server
	home  string
	env   map[string]string
	clock time.Duration // by which the server is ahead
}

// newPatient is a healthy one.
func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{t: t, home: t.TempDir()}
	mux := http.NewServeMux()
	answer := func(pattern string, v any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(p.clock).UTC().Format(http.TimeFormat))
	})
	mux.HandleFunc("GET /msi/token", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Identity-Header") != token {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	answer("GET /api/v1/server", client.Server{Version: "test", ID: "id", Caller: "ada"})
	answer("GET /api/v1/workspaces/default/client-config", client.WorkspaceConfig{Subscription: subscription, Group: "zaffre", Workspace: "default"})
	mux.HandleFunc("GET /api/v1/workspaces/default/client-env", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(client.ClientEnv{Variables: p.variables(r.URL.Query().Get("ca_bundle"), r.URL.Query().Get("config_dir"))})
	})
	p.srv = httptest.NewTLSServer(mux)
	t.Cleanup(p.srv.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.srv.Certificate().Raw}))
	data := filepath.Join(p.home, "data")
	if err := (client.Profile{URL: p.srv.URL, CA: ca, Token: token, Workspace: "default"}).Save(filepath.Join(data, "client.json")); err != nil {
		t.Fatal(err)
	}
	p.env = map[string]string{"HOME": p.home, "ZAFFRE_DATA": data}
	p.eval()
	return p
}

func (p *patient) variables(bundle, config string) []client.Variable {
	return []client.Variable{
		{Name: "ARM_CLOUD_METADATA_URL", Value: p.srv.URL + "/metadata/endpoints"},
		{Name: "AZURE_CONFIG_DIR", Value: config},
		{Name: "REQUESTS_CA_BUNDLE", Value: bundle},
		{Name: "SSL_CERT_FILE", Value: bundle},
		{Name: "IDENTITY_ENDPOINT", Value: p.srv.URL + "/msi/token"},
		{Name: "IDENTITY_HEADER", Value: token, Secret: true},
		{Name: "AZUREML_SERVICE_PRINCIPAL_PASSWORD", Value: token, Secret: true},
	}
}

// eval is eval "$(zaffre env)".
func (p *patient) eval() {
	p.t.Helper()
	code, out := p.run("env", "-o", "json")
	var vars []client.Variable
	if err := json.Unmarshal([]byte(out), &vars); err != nil || code != 0 {
		p.t.Fatalf("zaffre env: %d, %v: %s", code, err, out)
	}
	for _, v := range vars {
		p.env[v.Name] = v.Value
	}
}

func (p *patient) run(args ...string) (int, string) {
	var out, talk bytes.Buffer
	code := cli.Main(args, cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: func(k string) string { return p.env[k] }})
	if out.Len() == 0 {
		return code, talk.String()
	}
	return code, out.String()
}

func (p *patient) write(name, text string) string {
	p.t.Helper()
	file := filepath.Join(p.home, name)
	if strings.HasPrefix(name, "/") {
		file = name
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// otherCA is a CA that did not sign the server's certificate.
func otherCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}

// TestDoctor makes one thing wrong at a time. The finding is of that check, and tells what to do.
func TestDoctor(t *testing.T) {
	t.Parallel()
	strange := `{"subscriptions":[{"id":"0000","tenantId":"t"}]}`
	for _, test := range []struct {
		reason         string
		hurt           func(p *patient)
		check, because string // "" is healthy
		says           []string
	}{
		{"nothing is wrong", func(*patient) {}, "", "", nil},
		{"another cloud's credentials", func(p *patient) { p.env["AZURE_CLIENT_ID"] = "x" }, "strangers", "VariablesForeign", []string{"unset AZURE_CLIENT_ID"}},
		{"a variable is missing", func(p *patient) { delete(p.env, "ARM_CLOUD_METADATA_URL") }, "variables", "VariablesWrong", []string{"ARM_CLOUD_METADATA_URL"}},
		{"of another server", func(p *patient) { p.env["ARM_CLOUD_METADATA_URL"] = "https://other/" }, "variables", "VariablesWrong", []string{"of another server"}},
		{"an old token", func(p *patient) {
			p.env["IDENTITY_HEADER"], p.env["AZUREML_SERVICE_PRINCIPAL_PASSWORD"] = "old", "old"
		}, "credential", "CredentialRefused", []string{"401"}},
		{"of two logins", func(p *patient) { p.env["IDENTITY_HEADER"] = "old" }, "credential", "CredentialRefused", []string{"two logins"}},
		{"no CA for requests", func(p *patient) { p.env["REQUESTS_CA_BUNDLE"] = p.write("empty.pem", "") }, "ca", "BundleUnreadable", []string{"$REQUESTS_CA_BUNDLE", "empty.pem"}},
		{"the two name different files", func(p *patient) { p.env["SSL_CERT_FILE"] = p.write("other.pem", otherCA(p.t)) }, "ca", "BundleLacksCA", []string{"$SSL_CERT_FILE", "other.pem"}},
		{"a file that went away", func(p *patient) { p.env["SSL_CERT_FILE"] = "/no/such.pem" }, "ca", "BundleUnreadable", []string{"/no/such.pem"}},
		{"a clock behind", func(p *patient) { p.clock = time.Hour }, "clock", "ClockSkewed", []string{"ahead"}},
		{"a clock ahead", func(p *patient) { p.clock = -time.Hour }, "clock", "ClockSkewed", []string{"is -1h0m"}},
		{"a small skew is no fault", func(p *patient) { p.clock = 20 * time.Second }, "", "", nil},
		{"cloudEndpoints.json of another server", func(p *patient) {
			p.write(filepath.Join(p.env["AZURE_CONFIG_DIR"], "cloudEndpoints.json"), `{"x":"https://gone:1"}`)
		}, "caches", "CacheStale", []string{"cloudEndpoints.json"}},
		{"its own cloudEndpoints.json", func(p *patient) {
			p.write(filepath.Join(p.env["AZURE_CONFIG_DIR"], "cloudEndpoints.json"), p.srv.URL)
		}, "", "", nil},
		{"the discovery of another address", func(p *patient) {
			p.write(".azureml/.discovery", subscription+" https://gone:1")
		}, "caches", "CacheStale", []string{".discovery"}},
		{"azureml-core's login at the public cloud", func(p *patient) {
			p.write(".azureml/auth/azureProfile.json", strange)
			p.write(".azureml/auth/msal_token_cache.json", "{}")
		}, "logins", "LoginStale", []string{".azureml/auth/azureProfile.json", ".azureml/auth/msal_token_cache.json"}},
		{"az's login at a server made anew", func(p *patient) {
			p.write(filepath.Join(p.env["AZURE_CONFIG_DIR"], "azureProfile.json"), strange)
		}, "logins", "LoginStale", []string{"azureProfile.json"}},
		{"az's login here", func(p *patient) {
			p.write(filepath.Join(p.env["AZURE_CONFIG_DIR"], "azureProfile.json"), strings.Replace(strange, "0000", strings.ToUpper(subscription), 1))
		}, "", "", nil},
		{"az without a login", func(p *patient) {
			p.write(filepath.Join(p.env["AZURE_CONFIG_DIR"], "azureProfile.json"), `{"subscriptions":[]}`)
		}, "", "", nil},
		{"a proxy", func(p *patient) { p.env["HTTPS_PROXY"] = "http://proxy:3128" }, "proxy", "ProxyInTheWay", []string{"export NO_PROXY=127.0.0.1"}},
		{"a proxy in lower case, for others", func(p *patient) { p.env["all_proxy"], p.env["no_proxy"] = "http://proxy:3128", "10.0.0.0/8,.corp" }, "proxy", "ProxyInTheWay", []string{"NO_PROXY=10.0.0.0/8,.corp,127.0.0.1"}},
		{"a proxy, and not for the server's network", func(p *patient) { p.env["https_proxy"], p.env["NO_PROXY"] = "http://proxy:3128", "corp, 127.0.0.0/8" }, "", "", nil},
		{"a proxy, and not for the server", func(p *patient) { p.env["HTTPS_PROXY"], p.env["no_proxy"] = "http://proxy:3128", "127.0.0.1" }, "", "", nil},
		{"the server is away", func(p *patient) { p.srv.Close() }, "server", "", []string{"azure-ai-ml goes to the public cloud in silence"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			test.hurt(p)
			code, out := p.run("doctor", "-o", "json")
			var found []struct {
				Check string
				OK    bool
				Fault *client.Fault
			}
			if err := json.Unmarshal([]byte(out), &found); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			wrong := 0
			for _, f := range found {
				switch {
				case f.OK:
				case f.Check != test.check:
					t.Errorf("%s: %+v", f.Check, f.Fault)
				default:
					wrong++
					if test.because != "" && f.Fault.Reason != test.because || f.Fault.Fix == "" {
						t.Errorf("%+v, want %s with a fix", f.Fault, test.because)
					}
				}
			}
			if want := test.check != ""; want != (wrong == 1) || want != (code == 1) {
				t.Errorf("exit code %d, %d findings of %q: %s", code, wrong, test.check, out)
			}
			for _, s := range append(test.says, "") {
				if !strings.Contains(out, s) {
					t.Errorf("it does not say %q: %s", s, out)
				}
			}
			if strings.Contains(out, token) {
				t.Error("the token is shown")
			}
		})
	}
}
