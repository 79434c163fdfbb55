package login

import (
	"crypto/ed25519"
	"encoding/json"
	"net/http"
	"strings"
)

const openIDPath = ".well-known/openid-configuration"

// cloud describes a cloud as Azure Resource Manager does. Its name must be that of the public one: the
// credentials of azureml-core take no other by default. The first path segment of its authority is
// "adfs": MSAL asks the public cloud about any other (azureml-core 1.61, azure-identity 1.27).
func cloud(base string) map[string]any {
	return map[string]any{
		"name": "AzureCloud", "resourceManager": base, "portal": "https://portal.azure.com",
		"authentication": map[string]any{
			"loginEndpoint": base + "/adfs/x", "audiences": []string{"https://management.core.windows.net/", "https://management.azure.com/"},
			"tenant": "common", "identityProvider": "AAD",
		},
		"graph": "https://graph.windows.net/", "graphAudience": "https://graph.windows.net/", "media": "https://rest.media.azure.net",
		"batch": "https://batch.core.windows.net/", "vmImageAliasDoc": base + "/metadata/aliases.json",
		"suffixes": map[string]string{
			"storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "sqlServerHostname": "database.windows.net",
			"acrLoginServer": "azurecr.io", "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
			"azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
		},
	}
}

func (s *Service) metadata(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, []any{cloud(baseURL(r))})
}

// authority answers below any authority /adfs/…: its configuration, tokens, device codes.
func (s *Service) authority(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, "/adfs/")
	lower := strings.ToLower(rest)
	switch {
	case r.Method == http.MethodGet && strings.HasSuffix(lower, openIDPath):
		s.openID(w, r, strings.Trim(rest[:len(rest)-len(openIDPath)], "/"))
	case r.Method == http.MethodPost && strings.HasSuffix(lower, "/devicecode"):
		s.deviceCode(w, r)
	case r.Method == http.MethodPost && strings.HasSuffix("/"+lower, "/token"):
		s.token(w, r)
	default:
		s.notFound(w, r)
	}
}

func (s *Service) openID(w http.ResponseWriter, r *http.Request, authority string) {
	issuer := strings.TrimSuffix(baseURL(r)+"/adfs/"+authority, "/")
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/oauth2/authorize", "token_endpoint": issuer + "/oauth2/token",
		"device_authorization_endpoint": issuer + "/oauth2/devicecode", "jwks_uri": baseURL(r) + "/adfs/discovery/keys",
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"subject_types_supported": []string{"pairwise"}, "id_token_signing_alg_values_supported": []string{"EdDSA"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"scopes_supported":                      []string{"openid", "profile", "offline_access"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "oid", "tid", "upn"},
	})
}

// keys are what others verify our tokens by.
func (s *Service) keys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": s.keyID,
		"x": enc.EncodeToString(s.Key.Public().(ed25519.PublicKey)),
	}}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}
