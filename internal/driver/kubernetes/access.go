package kubernetes

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// access is where the API server is, and by what it is entered.
type access struct {
	server, serverName string
	ca, cert, key      []byte // PEM
	token, namespace   string
}

// accessOf reads a target's options.
func accessOf(t driver.Target) (a access, err error) {
	config := t.Secrets[optKubeconfig]
	if config != "" {
		a, err = readKubeconfig(config, driver.Text(t.Options[optContext]))
	} else {
		a = access{server: driver.Text(t.Options[optServer]), token: strings.TrimSpace(t.Secrets[optToken])}
		a.ca, err = pem(optCA, driver.Text(t.Options[optCA]))
	}
	if err != nil {
		return a, err
	}
	if ns := driver.Text(t.Options[optNamespace]); ns != "" {
		a.namespace = ns
	}
	if a.namespace == "" {
		a.namespace = "default"
	}
	return a, a.check()
}

func (a access) check() error {
	if a.server == "" {
		return &fault.Error{
			Code: fault.Invalid, Reason: "ClusterUnknown", What: "the cluster cannot be reached", Why: "neither a kubeconfig nor the URL of an API server is given",
			Fix: "run: zaffre compute update NAME --kubeconfig-file FILE", Field: "options." + optKubeconfig,
		}
	}
	u, err := url.Parse(a.server)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return optionFault(optServer, fmt.Sprintf("%q is no URL of an API server", a.server), "give https://HOST:PORT")
	}
	if a.token == "" && len(a.cert) == 0 {
		return &fault.Error{
			Code: fault.Invalid, Reason: "CredentialsMissing", What: "the cluster cannot be entered", Why: "there is neither a token nor a client certificate",
			Fix: "run: zaffre compute update NAME --token-file FILE", Field: "options." + optToken,
		}
	}
	if !isName(a.namespace) {
		return optionFault(optNamespace, fmt.Sprintf("%q is no name of a namespace", a.namespace), "give lower-case letters, digits and hyphens")
	}
	return nil
}

// kubeconfig is what we read of one. Source: k8s.io/client-go/tools/clientcmd/api/v1. Its programs are not run and its
// paths are not opened: it is anybody's text, and they would be on the server's machine.
type kubeconfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster   string `yaml:"cluster"`
			User      string `yaml:"user"`
			Namespace string `yaml:"namespace"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Clusters []struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server   string `yaml:"server"`
			CA       string `yaml:"certificate-authority-data"`
			CAFile   string `yaml:"certificate-authority"`
			Name     string `yaml:"tls-server-name"`
			Insecure bool   `yaml:"insecure-skip-tls-verify"`
			Proxy    string `yaml:"proxy-url"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		Name string `yaml:"name"`
		User struct {
			Cert      string         `yaml:"client-certificate-data"`
			CertFile  string         `yaml:"client-certificate"`
			Key       string         `yaml:"client-key-data"`
			KeyFile   string         `yaml:"client-key"`
			Token     string         `yaml:"token"`
			TokenFile string         `yaml:"tokenFile"`
			Name      string         `yaml:"username"`
			Exec      map[string]any `yaml:"exec"`
			Provider  map[string]any `yaml:"auth-provider"`
		} `yaml:"user"`
	} `yaml:"users"`
}

// readKubeconfig finds a context; "" is the current one.
func readKubeconfig(text, name string) (a access, err error) {
	var k kubeconfig
	if err := yaml.Unmarshal([]byte(text), &k); err != nil {
		return a, configFault("it is not valid YAML") // the error may quote it, and it is a secret
	}
	if name == "" {
		name = k.Current
	}
	for _, c := range k.Contexts {
		if c.Name != name {
			continue
		}
		a.namespace = c.Context.Namespace
		if err = k.cluster(c.Context.Cluster, &a); err == nil {
			err = k.user(c.Context.User, &a)
		}
		return a, err
	}
	return a, configFault(fmt.Sprintf("it has no context %q", name))
}

func (k kubeconfig) cluster(name string, a *access) (err error) {
	for _, e := range k.Clusters {
		c := e.Cluster
		switch {
		case e.Name != name:
			continue
		case c.Insecure:
			return configFault("it says insecure-skip-tls-verify, and a cluster that anybody could be is told nothing")
		case c.CAFile != "":
			return fileFault("certificate-authority")
		case c.Proxy != "":
			return configFault("it names a proxy (proxy-url), which is not used; set HTTPS_PROXY where the server runs, or give --via")
		}
		a.server, a.serverName = c.Server, c.Name
		a.ca, err = decode("certificate-authority-data", c.CA)
		return err
	}
	return configFault(fmt.Sprintf("it has no cluster %q", name))
}

func (k kubeconfig) user(name string, a *access) (err error) {
	for _, e := range k.Users {
		u := e.User
		switch {
		case e.Name != name:
			continue
		case u.Exec != nil || u.Provider != nil:
			return configFault("its user logs in by a program (exec or auth-provider), which the server does not run; make a service account and give its token")
		case u.CertFile != "":
			return fileFault("client-certificate")
		case u.KeyFile != "":
			return fileFault("client-key")
		case u.TokenFile != "" && u.Token == "":
			return fileFault("tokenFile")
		case u.Name != "":
			return configFault("its user has a password, which no API server of today takes")
		}
		a.token = u.Token
		if a.cert, err = decode("client-certificate-data", u.Cert); err == nil {
			a.key, err = decode("client-key-data", u.Key)
		}
		return err
	}
	return configFault(fmt.Sprintf("it has no user %q", name))
}

func decode(field, text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, configFault("its " + field + " is no base64")
	}
	return b, nil
}

// pem reads a certificate that was given as it is, or in base64 as kubeconfigs have it.
func pem(path, text string) ([]byte, error) {
	if text == "" || strings.Contains(text, "-----BEGIN") {
		return []byte(text), nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || !strings.Contains(string(b), "-----BEGIN") {
		return nil, optionFault(path, "it is no certificate", "give the PEM text, or that in base64: base64 -w0 ca.crt")
	}
	return b, nil
}

func fileFault(field string) error {
	return configFault("its " + field + " names a file, and the server's machine has not yours")
}

func configFault(why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "KubeconfigInvalid", What: "the kubeconfig cannot be used", Why: why,
		Fix: "write one that holds all itself: kubectl config view --minify --flatten > FILE; then run: zaffre compute update NAME --kubeconfig-file FILE", Field: "options." + optKubeconfig,
	}
}

// isName reports whether s is a DNS label, as most names of the API are.
func isName(s string) bool {
	for i, r := range s {
		hyphen := r == '-' && i > 0 && i < len(s)-1
		if !hyphen && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 63
}
