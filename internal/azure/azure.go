// Package azure asks real Azure what stands behind resource IDs: addresses, never credentials. It reads
// Azure Resource Manager and changes nothing there.
package azure

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Bounds on what asking may cost.
const (
	within    = 10 * time.Second // all requests of one Find
	tryWithin = 5 * time.Second  // one request
	bodyMax   = 1 << 20
)

// Which address of a machine is taken if it has both. The other is taken where that one is missing.
const (
	Private = "private"
	Public  = "public"
)

// Config says with which credentials, and where, Azure is asked.
type Config struct {
	Tenant, Client, Secret string             // of an application
	Ambient                bool               // take the credentials that the surroundings give instead
	Login                  string             // URL of the authority that hands out tokens
	Endpoint               string             // URL of Azure Resource Manager
	Address                string             // Private or Public; "" is Private
	Transport              policy.Transporter // nil: a client of HTTPS
}

// Client asks Azure. Its methods may be called from several goroutines.
type Client struct {
	config   Config
	endpoint *url.URL
	pipeline runtime.Pipeline
	tokens   *tokens
}

// publicLogin is the authority of Azure's public cloud, which is known without asking.
const publicLogin = "https://login.microsoftonline.com"

// New returns a Client. It asks nobody: credentials that are bad show with the first Find.
func New(c Config) (*Client, error) {
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, unusable(err)
	}
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: c.Login},
		Retry:     policy.RetryOptions{MaxRetries: 1, TryTimeout: tryWithin, RetryDelay: 300 * time.Millisecond, MaxRetryDelay: 2 * time.Second},
		Telemetry: policy.TelemetryOptions{ApplicationID: "zaffre"},
		Transport: c.Transport,
	}
	cred, err := c.credential(options)
	if err != nil {
		return nil, unusable(err)
	}
	t := &tokens{of: cred, secret: c.Secret}
	scope := strings.TrimSuffix(c.Endpoint, "/") + "/.default"
	return &Client{config: c, endpoint: endpoint, tokens: t, pipeline: runtime.NewPipeline("zaffre", "v1", runtime.PipelineOptions{
		PerRetry: []policy.Policy{runtime.NewBearerTokenPolicy(t, []string{scope}, nil)},
	}, &options)}, nil
}

func (c Config) credential(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	// Authorities that Microsoft's public one does not know vouch for themselves: who runs the server named them.
	private := strings.TrimSuffix(c.Login, "/") != publicLogin
	if c.Ambient {
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: private, TenantID: c.Tenant,
		})
	}
	return azidentity.NewClientSecretCredential(c.Tenant, c.Client, c.Secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: options, DisableInstanceDiscovery: private,
	})
}

func unusable(err error) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ConfigInvalid", What: "real Azure cannot be asked", Why: err.Error(),
		Fix: "correct azure.tenant, azure.client, azure.login and azure.endpoint; run: zaffre config show", Err: err,
	}
}

// tokens hands out the tokens of a credential, and knows what must not be shown.
type tokens struct {
	of     azcore.TokenCredential
	secret string
	last   atomic.Pointer[string]
}

// GetToken implements azcore.TokenCredential.
func (t *tokens) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := t.of.GetToken(ctx, o)
	if err == nil {
		t.last.Store(&token.Token)
	}
	return token, err
}

// hide takes out of what Azure says whatever was shown to it.
func (t *tokens) hide(text string) string {
	const hidden = "(hidden)"
	if t.secret != "" {
		text = strings.ReplaceAll(text, t.secret, hidden)
	}
	if last := t.last.Load(); last != nil && *last != "" {
		text = strings.ReplaceAll(text, *last, hidden)
	}
	return text
}

// get reads a resource.
func (c *Client) get(ctx context.Context, r id.Resource, version string, into any) error {
	u := c.endpoint.JoinPath(r.String())
	u.RawQuery = url.Values{"api-version": {version}}.Encode()
	req, err := runtime.NewRequest(ctx, http.MethodGet, u.String())
	if err != nil {
		return c.unavailable(r, err)
	}
	runtime.SkipBodyDownload(req)
	req.Raw().Header.Set("Accept", "application/json")
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return c.failed(ctx, r, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyMax))
	if err != nil {
		return c.failed(ctx, r, err)
	}
	if resp.StatusCode != http.StatusOK {
		return c.refused(r, resp, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return c.unreadable(r, "it is no JSON of the form that Azure documents")
	}
	return nil
}
