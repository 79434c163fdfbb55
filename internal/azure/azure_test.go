package azure_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/azure"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

const (
	group  = "/subscriptions/S/resourceGroups/G/providers/"
	vm     = group + "Microsoft.Compute/virtualMachines/vm1"
	nic    = group + "Microsoft.Network/networkInterfaces/vm1-nic"
	nic2   = group + "Microsoft.Network/networkInterfaces/vm1-nic2"
	public = group + "Microsoft.Network/publicIPAddresses/vm1-ip"

	tenant = "11111111-2222-3333-4444-555555555555"
	app    = "66666666-7777-8888-9999-000000000000"
	secret = "canary-s3cret"
	token  = "canary-t0ken"
)

// cloud is a login and an Azure Resource Manager. It answers as the real ones do.
type cloud struct {
	*httptest.Server
	mu    sync.Mutex
	docs  map[string]string // by resource ID
	login func(w http.ResponseWriter) bool
	arm   func(w http.ResponseWriter) bool
	asked []string // paths with their api-version
}

func newCloud(t *testing.T, docs map[string]string) *cloud {
	t.Helper()
	c := &cloud{docs: docs}
	c.Server = httptest.NewTLSServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch {
	case strings.HasSuffix(r.URL.Path, "/v2.0/.well-known/openid-configuration"):
		at := c.URL + "/" + tenant
		fmt.Fprintf(w, `{"token_endpoint":"%[1]s/oauth2/v2.0/token","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","issuer":"%[1]s/v2.0"}`, at)
	case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
		c.token(w, r)
	default:
		c.resource(w, r)
	}
}

// Source: Microsoft's identity platform, errors of the token endpoint.
func (c *cloud) token(w http.ResponseWriter, r *http.Request) {
	if c.login != nil && c.login(w) {
		return
	}
	if r.FormValue("client_id") != app || r.FormValue("client_secret") != secret || r.FormValue("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: %s.\r\nTrace ID: x"}`, r.FormValue("client_secret"))
		return
	}
	fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":%q}`, token)
}

// Source: ARM, errors of resource providers.
func (c *cloud) resource(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.asked = append(c.asked, r.URL.Path+"?"+r.URL.RawQuery)
	c.mu.Unlock()
	if c.arm != nil && c.arm(w) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+token || r.Method != http.MethodGet {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"code":"AuthenticationFailed","message":"Authentication failed."}}`)
		return
	}
	doc, ok := c.docs[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"error":{"code":"ResourceNotFound","message":"The Resource '%s' under resource group 'G' was not found."}}`, r.URL.Path)
		return
	}
	fmt.Fprint(w, doc)
}

func (c *cloud) config(address string) azure.Config {
	return azure.Config{Tenant: tenant, Client: app, Secret: secret, Login: c.URL + "/", Endpoint: c.URL, Address: address, Transport: c.Client()}
}

func (c *cloud) client(t *testing.T, address string) *azure.Client {
	t.Helper()
	client, err := azure.New(c.config(address))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func resource(t *testing.T, s string) id.Resource {
	t.Helper()
	r, err := id.ParseResource(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func machine(interfaces ...string) string {
	return `{"id":"` + vm + `","properties":{"networkProfile":{"networkInterfaces":[` + strings.Join(interfaces, ",") + `]}}}`
}

func of(nic string, primary bool) string {
	return fmt.Sprintf(`{"id":%q,"properties":{"primary":%v}}`, nic, primary)
}

// configuration is one of a network interface; "" leaves an address out.
func configuration(private, public string, primary bool) string {
	s := fmt.Sprintf(`{"name":"c","properties":{"primary":%v,"privateIPAddressVersion":"IPv4"`, primary)
	if private != "" {
		s += fmt.Sprintf(`,"privateIPAddress":%q`, private)
	}
	if public != "" {
		s += fmt.Sprintf(`,"publicIPAddress":{"id":%q}`, public)
	}
	return s + "}}"
}

func card(configurations ...string) string {
	return `{"properties":{"ipConfigurations":[` + strings.Join(configurations, ",") + `]}}`
}

func TestFind(t *testing.T) {
	t.Parallel()
	const hdi, dbx, aks = group + "Microsoft.HDInsight/clusters/c", group + "Microsoft.Databricks/workspaces/w", group + "Microsoft.ContainerService/managedClusters/k"
	one := machine(`{"id":"` + nic + `"}`)
	for _, tt := range []struct {
		reason, resource, address string
		docs                      map[string]string
		want                      map[string]string // nil: AzureHasNone
		says                      string
		asked                     int
	}{
		{"the private address", vm, "", map[string]string{vm: one, nic: card(configuration("10.0.0.4", public, true))}, map[string]string{"address": "10.0.0.4"}, "", 2},
		{"the public one", vm, azure.Public, map[string]string{vm: one, nic: card(configuration("10.0.0.4", public, true)), public: `{"properties":{"ipAddress":"20.1.2.3"}}`}, map[string]string{"address": "20.1.2.3"}, "", 3},
		{"it has no public one", vm, azure.Public, map[string]string{vm: one, nic: card(configuration("10.0.0.4", "", true))}, map[string]string{"address": "10.0.0.4"}, "", 2},
		{"its public one is given back", vm, azure.Public, map[string]string{vm: one, nic: card(configuration("10.0.0.4", public, true)), public: `{"properties":{}}`}, map[string]string{"address": "10.0.0.4"}, "", 3},
		{"the primary interface and configuration", vm, azure.Private, map[string]string{
			vm: machine(of(nic, false), of(nic2, true)), nic2: card(configuration("10.0.0.5", "", false), configuration("10.0.0.6", "", true)),
		}, map[string]string{"address": "10.0.0.6"}, "", 2},
		{"the type in another case", strings.ToLower(vm), "", map[string]string{
			"/subscriptions/s/resourceGroups/g/providers/microsoft.compute/virtualmachines/vm1": one, nic: card(configuration("10.0.0.4", "", true)),
		}, map[string]string{"address": "10.0.0.4"}, "", 2},
		{"no interface", vm, "", map[string]string{vm: machine()}, nil, "no network interface", 1},
		{"no address", vm, "", map[string]string{vm: one, nic: card(configuration("", "", true))}, nil, "switched off", 2},
		{"an address that is none", vm, "", map[string]string{vm: one, nic: card(configuration("10.0.0.4;x", "", true))}, nil, "no IP address", 2},
		{"no such machine", vm, "", nil, nil, "404 ResourceNotFound The Resource", 1},
		{"no such interface", vm, "", map[string]string{vm: one}, nil, "networkInterfaces/vm1-nic it says 404", 2},
		{"an interface that is none", vm, "", map[string]string{vm: machine(of(vm, true))}, nil, "no Microsoft.Network/networkInterfaces", 1},
		{"no JSON", vm, "", map[string]string{vm: "<html>"}, nil, "no JSON", 1},
		{"HDInsight", hdi, "", map[string]string{hdi: `{"properties":{"connectivityEndpoints":[{"name":"SSH","protocol":"TCP","location":"c-ssh.azurehdinsight.net","port":22},{"name":"HTTPS","protocol":"TCP","location":"c.azurehdinsight.net","port":443}]}}`}, map[string]string{"address": "c-ssh.azurehdinsight.net", "port": "22", "livy": "https://c.azurehdinsight.net/livy"}, "", 1},
		{"HDInsight without endpoints", hdi, "", map[string]string{hdi: `{"properties":{"connectivityEndpoints":[{"name":"SSH","location":"a/../b"}]}}`}, nil, "no endpoint", 1},
		{"Databricks", dbx, "", map[string]string{dbx: `{"properties":{"workspaceUrl":"adb-1.2.azuredatabricks.net"}}`}, map[string]string{"databricks": "https://adb-1.2.azuredatabricks.net"}, "", 1},
		{"Databricks without a URL", dbx, "", map[string]string{dbx: `{"properties":{}}`}, nil, "workspaceUrl", 1},
		{"AKS", aks, "", map[string]string{aks: `{"properties":{"fqdn":"k.hcp.example"}}`}, map[string]string{"address": "k.hcp.example", "port": "443"}, "", 1},
		{"a private AKS", aks, "", map[string]string{aks: `{"properties":{"fqdn":"k.hcp.example","privateFQDN":"k.private.example"}}`}, map[string]string{"address": "k.private.example", "port": "443"}, "", 1},
		{"its public name", aks, azure.Public, map[string]string{aks: `{"properties":{"fqdn":"k.hcp.example","privateFQDN":"k.private.example"}}`}, map[string]string{"address": "k.hcp.example", "port": "443"}, "", 1},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, tt.docs)
			got, err := c.client(t, tt.address).Find(t.Context(), resource(t, tt.resource))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if f := fault.From(err); tt.want == nil && (f == nil || f.Reason != "AzureHasNone" || !strings.Contains(f.Why, tt.says)) {
				t.Errorf("%v does not say %q", err, tt.says)
			}
			if len(c.asked) != tt.asked || !strings.Contains(strings.Join(c.asked, " "), "api-version=20") {
				t.Errorf("asked %q, want %d", c.asked, tt.asked)
			}
		})
	}
}

func answer(status int, body string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason string
		change func(*cloud, *azure.Config)
		want   string
		code   fault.Code
		says   string
	}{
		{"a wrong secret", func(_ *cloud, c *azure.Config) { c.Secret = "canary-wr0ng" }, "AzureRefused", fault.Precondition, "401 invalid_client AADSTS7000215"},
		{"an authority that echoes what it is told", func(s *cloud, _ *azure.Config) {
			s.login = answer(400, `{"error":"invalid_request","error_description":"got client_secret=`+secret+`"}`)
		}, "AzureRefused", fault.Precondition, "(hidden)"},
		{"no right", func(s *cloud, _ *azure.Config) {
			s.arm = answer(403, `{"error":{"code":"AuthorizationFailed","message":"The client 'x' does not have authorization to perform action 'Microsoft.Compute/virtualMachines/read'"}}`)
		}, "AzureRefused", fault.Precondition, "403 AuthorizationFailed The client"},
		{"a manager that echoes the token", func(s *cloud, _ *azure.Config) {
			s.arm = answer(403, `{"error":{"code":"X","message":"Bearer `+token+` is no good"}}`)
		}, "AzureRefused", fault.Precondition, "Bearer (hidden)"},
		{"an outage", func(s *cloud, _ *azure.Config) { s.arm = answer(503, `<html>`) }, "AzureUnavailable", fault.Unavailable, "503"},
		{"too many requests", func(s *cloud, _ *azure.Config) {
			s.arm = answer(429, `{"error":{"code":"SubscriptionRequestsThrottled","message":"m"}}`)
		}, "AzureUnavailable", fault.Unavailable, "SubscriptionRequestsThrottled"},
		{"a login that is down", func(s *cloud, _ *azure.Config) { s.login = answer(500, `oops`) }, "AzureUnavailable", fault.Unavailable, "login"},
		{"no login listens", func(_ *cloud, c *azure.Config) {
			down := httptest.NewTLSServer(nil)
			down.Close()
			c.Login = down.URL
		}, "AzureUnavailable", fault.Unavailable, "its login could not be reached"},
		{"nothing listens", func(_ *cloud, c *azure.Config) {
			down := httptest.NewTLSServer(nil)
			down.Close()
			c.Endpoint = down.URL
		}, "AzureUnavailable", fault.Unavailable, "could not be reached"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, map[string]string{vm: machine()})
			config := cloud.config("")
			tt.change(cloud, &config)
			client, err := azure.New(config)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Find(t.Context(), resource(t, vm))
			f := fault.From(err)
			if f == nil || f.Reason != tt.want || f.Code != tt.code || !strings.Contains(f.Why, tt.says) || len(f.Evidence) == 0 {
				t.Fatalf("%+v", f)
			}
			if all := fmt.Sprintf("%+v %v %v", *f, f.Err, errors.Unwrap(f)); strings.Contains(all, "canary") {
				t.Errorf("a secret shows: %s", all)
			}
		})
	}
	_, err := newCloud(t, nil).client(t, "").Find(t.Context(), resource(t, group+"Microsoft.Web/sites/s"))
	if fault.CodeOf(err) != fault.Unsupported || fault.ReasonOf(err) != "AzureTypeUnknown" {
		t.Errorf("another type: %v", err)
	}
}

// slow is the way to a cloud on which every request takes its time.
type slow struct {
	cloud *cloud
	takes time.Duration
}

func (s slow) Do(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(s.takes):
	}
	w := httptest.NewRecorder()
	s.cloud.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func TestFindEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		takes time.Duration
		want  string
	}{
		{time.Second, ""}, // 5 requests
		{2400 * time.Millisecond, "AzureUnavailable"}, // none of them too slow by itself
		{time.Hour, "AzureUnavailable"},
	} {
		synctest.Test(t, func(t *testing.T) {
			at := &cloud{Server: &httptest.Server{URL: "https://azure.example"}, docs: map[string]string{
				vm: machine(of(nic, true)), nic: card(configuration("", public, true)), public: `{"properties":{"ipAddress":"20.1.2.3"}}`,
			}}
			config := azure.Config{
				Tenant: tenant, Client: app, Secret: secret, Login: "https://azure.example/", Endpoint: "https://azure.example", Transport: slow{at, tt.takes},
			}
			client, err := azure.New(config)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_, err = client.Find(t.Context(), resource(t, vm))
			if took := time.Since(begin); took > 10*time.Second || fault.ReasonOf(err) != tt.want {
				t.Errorf("each request takes %s: after %s: %v", tt.takes, took, err)
			}
		})
	}
}

// TestNothingIsLogged has the SDK, which is quiet by itself, tell all it knows.
func TestNothingIsLogged(t *testing.T) {
	var told strings.Builder
	azlog.SetListener(func(_ azlog.Event, text string) { told.WriteString(text) })
	t.Cleanup(func() { azlog.SetListener(nil) })
	c := newCloud(t, map[string]string{vm: machine()})
	_, err := c.client(t, "").Find(t.Context(), resource(t, vm))
	if text := told.String(); fault.ReasonOf(err) != "AzureHasNone" || !strings.Contains(text, vm) || strings.Contains(text, "canary") {
		t.Errorf("%v, told %s", err, text)
	}
}
