package oci_test

import (
	"encoding/base64"
	"iter"
	"maps"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func keys(m map[string]string) iter.Seq[string] { return maps.Keys(m) }
