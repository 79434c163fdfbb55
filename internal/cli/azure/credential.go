package azure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// credential asks the server for a token as Azure's clients do, with what this environment has. It asks
// nobody else: an environment of another server is a finding of its own.
func (p place) credential(ctx context.Context, getenv func(string) string, url string) error {
	endpoint, header := getenv("IDENTITY_ENDPOINT"), getenv("IDENTITY_HEADER")
	if header == "" || !strings.HasPrefix(endpoint, url+"/") {
		return nil
	}
	if password := getenv("AZUREML_SERVICE_PRINCIPAL_PASSWORD"); password != header && getenv("AZUREML_SERVICE_PRINCIPAL_ID")+":"+password != header {
		return refused("$AZUREML_SERVICE_PRINCIPAL_PASSWORD and $IDENTITY_HEADER are of two logins")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"?api-version=2019-08-01&resource=https://management.azure.com", nil)
	if err != nil {
		return refused(err.Error())
	}
	req.Header.Set("X-IDENTITY-HEADER", header)
	t := http.DefaultTransport.(*http.Transport).Clone()
	defer t.CloseIdleConnections()
	if p.ca != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(p.ca)
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return refused("the server did not answer")
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode != http.StatusOK {
		return refused(fmt.Sprintf("the server answers %s to the token or secret in $IDENTITY_HEADER: it expired, was revoked or rotated, or is of another server", resp.Status))
	}
	return nil
}

func refused(why string) error {
	return &fault.Error{
		Code: fault.Unauthorized, Reason: "CredentialRefused", What: "Azure's clients cannot log in", Why: why, Fix: `run: eval "$(zaffre env)"`,
	}
}
