package kubernetes

import (
	"crypto/tls"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// checkTLS reads what a service on the target is to be reached by. It is kept for such services, and held to be whole.
func checkTLS(options map[string]any, secrets map[string]string) error {
	status, name := driver.Text(options[optTLSStatus]), driver.Text(options[optTLSName])
	cert, key := secrets[optTLSCert], secrets[optTLSKey]
	switch {
	case status == "Auto":
		return optionFault(optTLSStatus, "a name below a domain of Azure (leaf_domain_label), with its certificate, only Azure gives", "give a name of your own with its certificate and key: ssl_cname, ssl_cert_pem_file, ssl_key_pem_file")
	case status == "Disabled" || name+cert+key == "":
		return nil
	case name == "" || cert == "" || key == "":
		return optionFault(optTLSName, "a name, a certificate and a key go together", "give all: --ssl-cname NAME --ssl-cert-file FILE --ssl-key-file FILE")
	}
	if _, err := tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		return optionFault(optTLSCert, "the certificate and the key are no pair in PEM", "look at them: openssl x509 -in CERT -noout -pubkey; openssl pkey -in KEY -pubout")
	}
	return nil
}

// tlsShown is what a document says of it: neither the certificate nor the key.
func tlsShown(options map[string]any) any {
	name := driver.Text(options[optTLSName])
	if name == "" || driver.Text(options[optTLSStatus]) == "Disabled" {
		return nil
	}
	return map[string]any{"status": "Enabled", "cname": name}
}
