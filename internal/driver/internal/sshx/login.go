package sshx

import (
	"crypto/x509"
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Check reports whether something is there to log in with, and can be read. It connects to nothing.
func (l Login) Check() error {
	if l.Key == "" && l.Password == "" {
		return loginFault("CredentialsMissing", "there is neither a password nor a private key",
			"give one; run: zaffre compute update NAME --key-file FILE; or --password-file FILE")
	}
	_, err := l.signer()
	return err
}

// Describe says in a few words what there is to log in with, without any secret.
func (l Login) Describe() string {
	var list []string
	if s, err := l.signer(); err == nil && s != nil {
		list = append(list, "key "+s.PublicKey().Type()+" "+ssh.FingerprintSHA256(s.PublicKey()))
	}
	if l.Password != "" {
		list = append(list, "a password")
	}
	return strings.Join(list, ", ")
}

// PublicKey returns the public part of the private key, as it stands in authorized_keys; "" if there is none.
func (l Login) PublicKey() string {
	s, err := l.signer()
	if err != nil || s == nil {
		return ""
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

// signer reads the private key; nil if there is none.
func (l Login) signer() (ssh.Signer, error) {
	switch {
	case l.Key == "":
		return nil, nil
	case l.read != nil:
		return l.read()
	}
	return ParseKey(l.Key, l.Passphrase)
}

// ParseKey reads a private key. A passphrase that the key does not need is not looked at.
func ParseKey(text, passphrase string) (ssh.Signer, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) + "\n"
	s, err := ssh.ParsePrivateKey([]byte(text))
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return unlock(text, passphrase)
	}
	if err == nil {
		return newer(s), nil
	}
	return nil, keyFault(text)
}

// newer has an RSA key sign as OpenSSH's client does, by SHA-512 first: some servers take nothing else.
func newer(s ssh.Signer) ssh.Signer {
	if a, ok := s.(ssh.AlgorithmSigner); ok && s.PublicKey().Type() == ssh.KeyAlgoRSA {
		if m, err := ssh.NewSignerWithAlgorithms(a, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}); err == nil {
			return m
		}
	}
	return s
}

func unlock(text, passphrase string) (ssh.Signer, error) {
	if passphrase == "" {
		return nil, loginFault("PassphraseMissing", "the private key is locked by a passphrase, and none was given",
			"give it; run: zaffre compute update NAME --passphrase-file FILE")
	}
	s, err := ssh.ParsePrivateKeyWithPassphrase([]byte(text), []byte(passphrase))
	switch {
	case err == nil:
		return newer(s), nil
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, loginFault("PassphraseWrong", "the passphrase does not open the private key",
			"try it with: ssh-keygen -y -f FILE; then give the right one; run: zaffre compute update NAME --passphrase-file FILE")
	}
	return nil, keyFault(text)
}

// keyFault says what the text is instead of a private key. It never holds the text.
func keyFault(text string) error {
	switch {
	case strings.HasPrefix(text, "PuTTY-User-Key-File"):
		return loginFault("KeyFormat", "the private key is in PuTTY's form", "convert it: puttygen KEY.ppk -O private-openssh -o FILE; then run: zaffre compute update NAME --key-file FILE")
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-"), strings.HasPrefix(text, "sk-"), strings.Contains(text, "BEGIN PUBLIC KEY"), strings.Contains(text, "BEGIN SSH2 PUBLIC KEY"):
		return loginFault("KeyIsPublic", "this is a public key, where the private one is needed", "give the file whose name does not end in .pub; run: zaffre compute update NAME --key-file FILE")
	case !strings.Contains(text, "PRIVATE KEY-----"):
		return loginFault("KeyUnreadable", "this is no private key: it has no line -----BEGIN … PRIVATE KEY-----",
			"give the whole file, as ssh-keygen made it, not its name; run: zaffre compute update NAME --key-file FILE")
	}
	return loginFault("KeyUnreadable", "the private key is damaged, or of a type that is not known here",
		"try it with: ssh-keygen -y -f FILE; it must keep its line breaks; then run: zaffre compute update NAME --key-file FILE")
}

func loginFault(reason, why, fix string) error {
	return &fault.Error{Code: fault.Invalid, Reason: reason, What: "cannot log in", Why: why, Fix: fix}
}
