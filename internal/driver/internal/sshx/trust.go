package sshx

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Trust says which host keys are accepted. The zero value takes the first key that it sees.
type Trust struct {
	prints []string        // demanded fingerprints, SHA256:…
	keys   []ssh.PublicKey // demanded keys, or authorities whose certificates are accepted
	pinned ssh.PublicKey   // seen at attach; looked at where nothing is demanded
}

// maxTrust bounds the length of a demand.
const maxTrust = 64 << 10

// ParseTrust reads what is demanded and what was pinned. demand holds a fingerprint (SHA256:…), or
// lines as in known_hosts or in a public key file: the host's own keys, or the key of an authority
// that signs host certificates. Host names in them are not looked at.
func ParseTrust(demand, pinned string) (Trust, error) {
	var t Trust
	if len(demand) > maxTrust {
		return t, trustFault("it is too long")
	}
	for line := range strings.Lines(demand) {
		if err := t.demand(strings.TrimSpace(line)); err != nil {
			return Trust{}, err
		}
	}
	if pinned != "" {
		k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(pinned))
		if err != nil {
			return Trust{}, trustFault("the pinned key cannot be read")
		}
		t.pinned = k
	}
	return t, nil
}

func (t *Trust) demand(line string) error {
	switch {
	case line == "" || line[0] == '#':
		return nil
	case strings.HasPrefix(line, "SHA256:"):
		if len(line) != len("SHA256:")+43 || strings.ContainsAny(line, " \t") {
			return trustFault("a fingerprint is SHA256: and 43 characters, as ssh-keygen -l shows it")
		}
		t.prints = append(t.prints, line)
		return nil
	case strings.HasPrefix(line, "@revoked"):
		return trustFault("it is a key that was revoked")
	case strings.HasPrefix(line, "MD5:"):
		return trustFault("it is an MD5 fingerprint, which proves nothing")
	}
	k, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		_, _, k, _, rest, err = ssh.ParseKnownHosts([]byte(line))
	}
	if err == io.EOF || err != nil || len(rest) > 0 {
		return trustFault("it is neither a fingerprint (SHA256:…) nor a public key nor a line of known_hosts")
	}
	if _, cert := k.(*ssh.Certificate); cert {
		return trustFault("it is a certificate: give the public key of the authority that signed it")
	}
	t.keys = append(t.keys, k)
	return nil
}

func trustFault(why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "HostKeyUnreadable", What: "the host key that is demanded cannot be read", Why: why,
		Fix: "run on that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, and give what begins with SHA256:", Field: "options.hostKey",
	}
}

// demands reports whether the user said which key it must be.
func (t Trust) demands() bool { return len(t.prints)+len(t.keys) > 0 }

// algorithms returns the host key algorithms to ask for, the one first whose key is wanted: a
// server has keys of several types and shows the one that is asked for.
func (t Trust) algorithms(first string) []string {
	all := ssh.SupportedAlgorithms().HostKeys
	if len(t.keys) == 0 {
		all = slices.DeleteFunc(all, func(a string) bool { return strings.Contains(a, "-cert-") })
	}
	if first == "" && t.pinned != nil && !t.demands() {
		first = plain(t.pinned).Type()
	}
	if first == "" {
		first = ssh.KeyAlgoED25519 // what ssh-keyscan and the console show first
	}
	slices.SortStableFunc(all, func(a, b string) int { return fits(a, first) - fits(b, first) })
	return all
}

// fits is 0 for an algorithm of certificates or of the wanted key type, and 1 for others.
func fits(algorithm, keyType string) int {
	rsa := keyType == ssh.KeyAlgoRSA && strings.HasPrefix(algorithm, "rsa-sha2-")
	if strings.Contains(algorithm, "-cert-") || algorithm == keyType || rsa {
		return 0
	}
	return 1
}

// types are the types of the demanded keys, or all if only a fingerprint is known. The first of
// them is the one that servers prefer.
func (t Trust) types() []string {
	var list []string
	for _, k := range t.keys {
		if !slices.Contains(list, k.Type()) {
			list = append(list, k.Type())
		}
	}
	if len(t.prints) > 0 {
		return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSA}
	}
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// check reports whether a host key is accepted at a place, host:port.
func (t Trust) check(place string, remote net.Addr, k ssh.PublicKey) error {
	if t.demands() {
		return t.checkDemand(place, remote, k)
	}
	if t.pinned == nil || bytes.Equal(plain(t.pinned).Marshal(), plain(k).Marshal()) {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "HostKeyChanged", What: "cannot connect to " + place,
		Why: fmt.Sprintf("its SSH host key changed: %s is pinned, it shows %s %s",
			Fingerprint(t.pinned), plain(k).Type(), Fingerprint(k)),
		Fix: "find out why: was the machine set up anew, or does another one answer? compare with ssh-keygen -lf on its console; " +
			"if it is right, run: zaffre compute trust NAME",
		Evidence: []string{"pinned " + keyText(t.pinned), "shown " + keyText(k)},
	}
}

func (t Trust) checkDemand(place string, remote net.Addr, k ssh.PublicKey) error {
	if slices.Contains(t.prints, Fingerprint(k)) {
		return nil
	}
	for _, want := range t.keys {
		if bytes.Equal(want.Marshal(), plain(k).Marshal()) {
			return nil
		}
	}
	cert, ok := k.(*ssh.Certificate)
	if !ok || len(t.keys) == 0 {
		return t.refused(place, k)
	}
	return t.checkCertificate(place, remote, cert)
}

func (t Trust) refused(place string, k ssh.PublicKey) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "HostKeyRefused", What: "cannot connect to " + place,
		Why: fmt.Sprintf("its SSH host key is not the demanded one: %s is demanded, it shows %s %s",
			strings.Join(t.wanted(), " or "), plain(k).Type(), Fingerprint(k)),
		Fix:      "compare with ssh-keygen -lf on its console; if the shown one is right, run: zaffre compute update NAME --host-key " + Fingerprint(k),
		Evidence: []string{"demanded " + strings.Join(t.wanted(), ", "), "shown " + keyText(k)},
	}
}

func (t Trust) wanted() []string {
	list := slices.Clone(t.prints)
	for _, k := range t.keys {
		list = append(list, Fingerprint(k))
	}
	return list
}

func (t Trust) checkCertificate(place string, remote net.Addr, cert *ssh.Certificate) error {
	checker := ssh.CertChecker{IsHostAuthority: func(auth ssh.PublicKey, _ string) bool {
		return slices.ContainsFunc(t.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), auth.Marshal()) })
	}}
	err := checker.CheckHostKey(place, remote, cert)
	if err == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "HostCertificateRefused", What: "cannot connect to " + place,
		Why: "its SSH host certificate cannot be accepted: " + certProblem(cert, place, err),
		Fix: "sign it anew for this address, by the authority that is demanded: ssh-keygen -s CA -h -n ADDRESS -I NAME KEY.pub; or give another --host-key",
		Evidence: []string{
			"signed by " + keyText(cert.SignatureKey), "for " + strings.Join(cert.ValidPrincipals, ", "), "demanded " + strings.Join(t.wanted(), ", "),
		},
	}
}

// certProblem says in users' words what is wrong with a certificate.
func certProblem(c *ssh.Certificate, place string, err error) string {
	host, _, _ := net.SplitHostPort(place)
	now := uint64(time.Now().Unix())
	switch {
	case len(c.ValidPrincipals) > 0 && !slices.Contains(c.ValidPrincipals, host):
		return "it is for " + strings.Join(c.ValidPrincipals, ", ") + ", not for " + host
	case c.ValidBefore != ssh.CertTimeInfinity && now >= c.ValidBefore:
		return "it ended at " + time.Unix(int64(c.ValidBefore), 0).UTC().Format(time.RFC3339)
	case now < c.ValidAfter:
		return "it begins only at " + time.Unix(int64(c.ValidAfter), 0).UTC().Format(time.RFC3339)
	case c.CertType != ssh.HostCert:
		return "it is one for users"
	}
	return strings.TrimPrefix(err.Error(), "ssh: ")
}

// Fingerprint returns a host key's fingerprint as ssh-keygen shows it: SHA256:….
func Fingerprint(k ssh.PublicKey) string { return ssh.FingerprintSHA256(plain(k)) }

// Pin returns a host key in the form that ParseTrust reads as pinned.
func Pin(k ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(plain(k))))
}

func keyText(k ssh.PublicKey) string { return plain(k).Type() + " " + Fingerprint(k) }
