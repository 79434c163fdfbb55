package envwire

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Scrub takes the password of an image's registry out of a document, an environment or what holds one: documents
// are kept and shown as they came. found says that there was one; without, raw comes back as it is.
func Scrub(raw []byte) (clean []byte, found bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil || !scrub(doc, false) {
		return raw, false
	}
	clean, err := json.Marshal(doc)
	if err != nil {
		return nil, true // what was decoded can be encoded
	}
	return clean, true
}

// scrub reports whether it changed v; registry says that v is one.
func scrub(v any, registry bool) (found bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			found = scrub(e, registry) || found
		}
	case map[string]any:
		for name, e := range v {
			if registry && strings.EqualFold(name, "password") && e != nil && e != "" {
				v[name], found = nil, true
				continue
			}
			found = scrub(e, strings.EqualFold(name, "baseImageRegistry")) || found
		}
	}
	return found
}
