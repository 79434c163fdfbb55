package arm

import "strings"

// secretWords are parts of names of members that hold secrets. A foreign body is kept only without
// them: what is not known to be harmless is not written down.
var secretWords = []string{
	"password", "passphrase", "secret", "token", "privatekey", "accesskey", "accountkey", "primarykey", "secondarykey", "apikey", "credential",
	"connectionstring", "sas", "certificate", "keydata", "pwd", "sharedkey", "authkey", "sshkey", "kubeconfig",
}

func isSecret(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
	if name == "key" || name == "keys" || name == "sas" {
		return true
	}
	for _, w := range secretWords {
		if w != "sas" && strings.Contains(name, w) || w == "sas" && strings.HasPrefix(name, w) {
			return true
		}
	}
	return false
}

// redact takes every member out of v, at any depth, whose name says that it is a secret, and every text
// that is one by its looks.
func redact(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if isSecret(name) || looksSecret(inner) {
				delete(v, name)
				continue
			}
			redact(inner)
		}
	case []any:
		for i, inner := range v {
			if looksSecret(inner) {
				v[i] = nil
				continue
			}
			redact(inner)
		}
	}
}

// looksSecret knows keys and tokens wherever they stand.
func looksSecret(v any) bool {
	s, ok := v.(string)
	return ok && (strings.Contains(s, "PRIVATE KEY-----") || strings.Contains(s, "SharedAccessSignature") || strings.Contains(s, "AccountKey=") ||
		strings.Contains(s, "?sig=") || strings.Contains(s, "&sig=") ||
		strings.Contains(s, "zaf_") || strings.Contains(s, "zafs_"))
}
