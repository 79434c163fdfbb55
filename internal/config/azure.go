package config

import (
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// Azure says with which credentials, and where, real Azure is asked what stands behind a resource ID.
type Azure struct {
	Tenant     string // ID or name; "" with Ambient: that of the surroundings
	Client     string // ID of the application
	SecretFile string // holds the application's secret
	Ambient    bool   // take the credentials that the surroundings give: variables, a managed identity, az
	Login      string // URL of the authority that hands out tokens
	Endpoint   string // URL of Azure Resource Manager
	Address    string // which address of a machine is taken if it has both: "private" or "public"
}

// Asked reports whether real Azure is to be asked at all.
func (a Azure) Asked() bool { return a.Ambient || a.Tenant != "" }

// check reports which settings do not go together.
func (a Azure) check() (key string, err error) {
	own := a.Tenant != "" && a.Client != "" && a.SecretFile != ""
	switch {
	case a.Ambient && (a.Client != "" || a.SecretFile != ""):
		return "azure.ambient", errors.New("azure.client and azure.secret-file are credentials of their own: it is either these or those of the surroundings")
	case a.Ambient || own || a.Tenant+a.Client+a.SecretFile == "":
		return "", nil
	}
	return "azure.tenant", errors.New("credentials are azure.tenant, azure.client and azure.secret-file together, or azure.ambient")
}

func azureSettings() []Setting {
	return []Setting{
		{
			Key: "azure.tenant", Help: "tenant of the application that asks real Azure where machines are",
			set: func(c *Config, v string) error { c.Azure.Tenant = v; return oneWord(v) },
			get: func(c *Config) string { return c.Azure.Tenant },
		},
		{
			Key: "azure.client", Help: "ID of that application",
			set: func(c *Config, v string) error { c.Azure.Client = v; return oneWord(v) },
			get: func(c *Config) string { return c.Azure.Client },
		},
		{
			Key: "azure.secret-file", Help: "file that holds the application's secret",
			set: func(c *Config, v string) (err error) {
				if v != "" {
					v, err = filepath.Abs(v)
				}
				c.Azure.SecretFile = v
				return err
			},
			get: func(c *Config) string { return c.Azure.SecretFile },
		},
		{
			Key: "azure.ambient", Default: "false", Bool: true, Help: "ask real Azure with the credentials of the surroundings: AZURE_* variables, a managed identity, az",
			set: func(c *Config, v string) (err error) { c.Azure.Ambient, err = strconv.ParseBool(v); return err },
			get: func(c *Config) string { return strconv.FormatBool(c.Azure.Ambient) },
		},
		{
			Key: "azure.address", Default: "private", Help: "address that is taken of a machine in Azure which has both: private or public",
			set: func(c *Config, v string) error { c.Azure.Address = v; return oneOf(v, "private", "public") },
			get: func(c *Config) string { return c.Azure.Address },
		},
		{
			// Source: Azure's public cloud; the sovereign clouds and Azure Stack have others.
			Key: "azure.login", Default: "https://login.microsoftonline.com/", Help: "URL of the authority that hands out Azure's tokens",
			set: func(c *Config, v string) error { c.Azure.Login = v; return checkAzureURL(v) },
			get: func(c *Config) string { return c.Azure.Login },
		},
		{
			Key: "azure.endpoint", Default: "https://management.azure.com", Help: "URL of Azure Resource Manager",
			set: func(c *Config, v string) error { c.Azure.Endpoint = v; return checkAzureURL(v) },
			get: func(c *Config) string { return c.Azure.Endpoint },
		},
	}
}

func oneWord(v string) error {
	if strings.ContainsAny(v, " \t\r\n/") {
		return errors.New("it is no ID")
	}
	return nil
}

// checkAzureURL insists on TLS: tokens go there.
func checkAzureURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("it is no URL of the scheme https")
	}
	return nil
}
