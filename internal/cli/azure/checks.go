package azure

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// strangers finds variables by which the clients would talk to something else than the server: they are
// asked before ours.
// Source: azure-identity (EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential),
// azureml-core (order of its ambient logins).
func strangers(getenv func(string) string) error {
	var set []string
	for _, name := range []string{
		"AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
		"MSI_ENDPOINT", "MSI_SECRET", "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "AZUREML_RUN_TOKEN", "APPSETTING_WEBSITE_SITE_NAME",
	} {
		if getenv(name) != "" {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "VariablesForeign", What: "variables of another cloud are set",
		Why: strings.Join(set, ", ") + ": Azure's clients heed them before those of zaffre, and would send credentials elsewhere",
		Fix: "run: unset " + strings.Join(set, " "),
	}
}

// compare compares the environment with what it should be. Values are not shown: some are secret.
func (p place) compare(getenv func(string) string, vars []client.Variable) error {
	var missing, other []string
	for _, v := range vars {
		got := getenv(v.Name)
		switch {
		case got == "":
			missing = append(missing, v.Name)
		case got == v.Value, v.Name == "AZURE_CONFIG_DIR", v.Name == "REQUESTS_CA_BUNDLE", v.Name == "SSL_CERT_FILE": // checked by what is there
		case v.Secret, v.Name == "AZUREML_SERVICE_PRINCIPAL_ID": // the server is asked about them
		default:
			other = append(other, v.Name)
		}
	}
	if len(missing)+len(other) == 0 {
		return nil
	}
	why := []string{}
	if len(missing) > 0 {
		why = append(why, "not set: "+strings.Join(missing, ", "))
	}
	if len(other) > 0 {
		why = append(why, "of another server or another login: "+strings.Join(other, ", "))
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "VariablesWrong", What: "the environment is not that of the server",
		Why: strings.Join(why, "; "), Fix: `run: eval "$(zaffre env)"`,
	}
}

// trusts checks that who goes by the CA files of this environment trusts the server, by asking it.
func (p place) trusts(ctx context.Context, getenv func(string) string, url string) (string, error) {
	if p.ca == nil && getenv("REQUESTS_CA_BUNDLE") == "" && getenv("SSL_CERT_FILE") == "" {
		return "", nil
	}
	var files []string
	for _, name := range []string{"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
		file := getenv(name)
		if file == "" {
			continue // among the variables
		}
		if err := p.trustsBy(ctx, name, file, url); err != nil {
			return "", err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return "", bundleFault("BundleLacksCA", "no file of CAs is set, and the system does not know the server's CA")
	}
	return files[0], nil
}

func (p place) trustsBy(ctx context.Context, name, file, url string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return bundleFault("BundleUnreadable", fmt.Sprintf("$%s cannot be read: %v", name, err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return bundleFault("BundleUnreadable", fmt.Sprintf("$%s names %s, which holds no certificate in PEM", name, file))
	}
	if block, _ := pem.Decode(p.ca); block != nil && !bytes.Contains(b, bytes.TrimSpace(p.ca)) && !holds(b, block.Bytes) {
		return bundleFault("BundleLacksCA", fmt.Sprintf("$%s names %s, which does not hold the server's CA", name, file))
	}
	c, err := client.New(client.Config{URL: url, CA: pool, Retries: -1})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Ready(ctx); client.ReasonOf(err) == "ServerNotTrusted" {
		return bundleFault("BundleLacksCA", fmt.Sprintf("who trusts %s ($%s) does not trust the server: %v", file, name, err))
	}
	return nil
}

// holds reports whether a PEM file has a certificate.
func holds(file, cert []byte) bool {
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			return false
		}
		if bytes.Equal(block.Bytes, cert) {
			return true
		}
		file = rest
	}
}

func bundleFault(reason, why string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: reason, What: "Azure's clients would not trust the server", Why: why, Fix: `run: eval "$(zaffre env)"`,
	}
}

// caches finds what clients remember of a server that is gone: they ask only once.
// Source: azureml-core 1.62, azureml/_vendor and azureml/_base_sdk_common: cloudEndpoints.json is written
// at the first use and never fetched again, .discovery keeps addresses by workspace.
func caches(configDir, home, url, subscription string) error {
	if configDir == "" {
		configDir = filepath.Join(home, ".azure")
	}
	var stale []string
	if b, err := os.ReadFile(filepath.Join(configDir, "cloudEndpoints.json")); err == nil && !bytes.Contains(b, []byte(url)) {
		stale = append(stale, filepath.Join(configDir, "cloudEndpoints.json"))
	}
	discovery := filepath.Join(home, ".azureml", ".discovery")
	if b, err := os.ReadFile(discovery); err == nil && bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(subscription))) && !bytes.Contains(b, []byte(url)) {
		stale = append(stale, discovery)
	}
	if len(stale) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "CacheStale", What: "Azure's clients remember another server",
		Why: "they learned it once and never ask again: " + strings.Join(stale, ", "), Fix: "run: rm " + strings.Join(stale, " "),
	}
}

// logins finds logins at another cloud, or at a server that was made anew since, that clients keep and take
// up again in silence: az in its folder, azureml-core in one of its own.
// Source: azureml-core 1.61 (~/.azureml/auth), azure-cli 2.91: azureProfile.json names the subscriptions
// of a login, msal_token_cache.json holds its tokens.
func logins(configDir, home, subscription string) error {
	if subscription == "" {
		return nil // nobody said what ours is
	}
	if configDir == "" {
		configDir = filepath.Join(home, ".azure")
	}
	var stale []string
	for _, dir := range []string{configDir, filepath.Join(home, ".azureml", "auth")} {
		b, err := os.ReadFile(filepath.Join(dir, "azureProfile.json"))
		b = bytes.ToLower(b)
		if err != nil || bytes.Contains(b, []byte(strings.ToLower(subscription))) || !bytes.Contains(b, []byte("tenantid")) {
			continue // nobody is logged in, or here
		}
		for _, name := range []string{"azureProfile.json", "msal_token_cache.json", "msal_token_cache.bin"} {
			if file := filepath.Join(dir, name); exists(file) {
				stale = append(stale, file)
			}
		}
	}
	if len(stale) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "LoginStale", What: "Azure's clients remember a login at another server",
		Why: "without variables they take it up again: " + strings.Join(stale, ", "), Fix: "if it is not needed elsewhere, run: rm " + strings.Join(stale, " "),
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
