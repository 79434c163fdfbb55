package azbatch

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signedHeaders are those whose values are signed, in this order. Source: azure-batch 15.1.0, BatchSharedKeyAuthPolicy.
var signedHeaders = [...]string{
	"Content-Encoding", "Content-Language", "Content-Length", "Content-Md5", "Content-Type", "Date",
	"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
}

// signer returns what signs requests by a key of an account; false where the key is none.
func signer(account, key string) (func(*http.Request), bool) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) == 0 {
		return nil, false
	}
	return func(r *http.Request) {
		if r.Header.Get("Ocp-Date") == "" {
			r.Header.Set("Ocp-Date", time.Now().UTC().Format(http.TimeFormat))
		}
		mac := hmac.New(sha256.New, raw)
		mac.Write([]byte(textToSign(account, r)))
		r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}, true
}

// textToSign is the request as the service reads it.
func textToSign(account string, r *http.Request) string {
	lines := []string{r.Method}
	for _, name := range signedHeaders {
		v := r.Header.Get(name)
		if name == "Content-Length" && r.Method != http.MethodGet && r.Method != http.MethodHead {
			v = strconv.FormatInt(r.ContentLength, 10)
		}
		lines = append(lines, v)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if low := strings.ToLower(name); strings.HasPrefix(low, "ocp-") {
			lines = append(lines, low+":"+r.Header.Get(name))
		}
	}
	lines = append(lines, "/"+account+r.URL.EscapedPath())
	q := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if v := q.Get(name); v != "" {
			lines = append(lines, name+":"+v)
		}
	}
	return strings.Join(lines, "\n")
}
