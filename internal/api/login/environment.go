package login

import "strings"

// Variable is an environment variable that Azure's clients need. Secret says that its value is the token
// of whoever uses it: the list never holds it, who prints the list puts it in.
type Variable struct {
	Name, Value, Why string
	Secret           bool
}

// Client is where a client runs, as far as the variables depend on it.
type Client struct {
	URL    string // of the server, as the client reaches it
	Bundle string // path of a PEM file with the system's CAs and the server's; "": the system knows the server's
	Config string // folder for what azure-cli and azureml-core keep of this cloud
	User   string // client ID of a service principal; "": a token of zaffre is the secret, and any ID will do
	Tenant string
}

// anyClient is sent with a token as the secret: the clients insist on an ID.
const anyClient = "00000000-0000-0000-0000-000000000000"

// Environment lists the variables that make azureml-core, azure-ai-ml, azureml-mlflow, azure-identity,
// Go's azidentity and az talk to the server. One set serves them all.
func Environment(c Client) []Variable {
	base := strings.TrimSuffix(c.URL, "/")
	id := c.User
	if id == "" {
		id = anyClient
	}
	out := []Variable{
		{Name: "ARM_CLOUD_METADATA_URL", Value: base + "/metadata/endpoints?api-version=2019-05-01", Why: "where the clients learn which server is the cloud; azureml-core reads it at import"},
		{Name: "AZUREML_CURRENT_CLOUD", Value: "AzureCloud", Why: "which cloud of that list; without it azureml-core asks the public one first"},
		{Name: "AZUREML_DEV_URL_MFE", Value: base, Why: "where azure-ai-ml finds Resource Manager"},
	}
	if c.Config != "" {
		out = append(out, Variable{Name: "AZURE_CONFIG_DIR", Value: c.Config, Why: "a cache of their own: the clients keep the list of clouds for ever"})
	}
	if c.Bundle != "" {
		out = append(out,
			Variable{Name: "REQUESTS_CA_BUNDLE", Value: c.Bundle, Why: "whom Python trusts; it replaces the defaults"},
			Variable{Name: "SSL_CERT_FILE", Value: c.Bundle, Why: "whom Python trusts at import, and Go"})
	}
	return append(out,
		Variable{Name: "AZUREML_SERVICE_PRINCIPAL_TENANT_ID", Value: c.Tenant, Why: "azureml-core logs in by these three"},
		Variable{Name: "AZUREML_SERVICE_PRINCIPAL_ID", Value: id, Why: "any ID goes with a token of zaffre"},
		Variable{Name: "AZUREML_SERVICE_PRINCIPAL_PASSWORD", Secret: true, Why: "your token, or the secret of a service principal"},
		Variable{Name: "IDENTITY_ENDPOINT", Value: base + "/msi/token", Why: "DefaultAzureCredential, of Python and Go, and az login --identity get their tokens here"},
		Variable{Name: "IDENTITY_HEADER", Secret: true, Why: "and show your token for it; of a service principal: CLIENT-ID:SECRET"},
	)
}
