package azbatch

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// TestSignaturesOfTheOfficialClient: the answers are those of azure-batch 15.1.0, BatchSharedKeyAuthPolicy, for the same
// requests.
func TestSignaturesOfTheOfficialClient(t *testing.T) {
	t.Parallel()
	sign, ok := signer("acct", base64.StdEncoding.EncodeToString([]byte("zaffre known answer key, not a secret")))
	if !ok {
		t.Fatal("it takes no key")
	}
	const host = "https://acct.westeurope.batch.azure.com"
	for _, tt := range []struct{ method, target, header, body, want string }{
		{"GET", "/pools/p1?api-version=2025-06-01", "", "", "b6jgknk7EesvEu1G3Xiyfo73Re6MBXpeym56xLr9nb0="},
		{"GET", "/jobs?api-version=2025-06-01&%24filter=startswith%28id%2C%27zaffre-t1-%27%29&%24select=id%2Cstate&maxresults=1", "", "", "hNwLqD870s7WF/m172xFczdQ97Mwlkn68BttVrRu6CE="},
		{"POST", "/jobs/j/tasks?api-version=2025-06-01", "Content-Type: application/json; odata=minimalmetadata", `{"id":"task"}`, "jPaA/4MRFTJAmPem0/if2EaLSv0AWNBS0tRL01LiLlQ="},
		{"POST", "/jobs/j/tasks/t/terminate?api-version=2025-06-01", "", "", "RP8c9gPxKjoo9Jm5uVgFrDgC5KE2+/tQc8LhDNsjmss="},
		{"DELETE", "/jobs/j/tasks/t?api-version=2025-06-01", "", "", "uYgE/DuXuUIxCkNrVTnt4BRrG9GJNTseKFthpaFSJpk="},
		{"GET", "/jobs/j/tasks/t/files/wd%2Fa%20b.txt?api-version=2025-06-01", "Ocp-Range: bytes=4-", "", "+oGYWvjyDnwGPL56boFBQgkeMBhHOj0RSNHP2S/e6Zg="},
		{"HEAD", "/jobs/j/tasks/t/files/stdout.txt?api-version=2025-06-01", "", "", "YB9DIf0QvELuTsnzl92YwZUpEDxw84qrVyGjYOOY1DA="},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, host+tt.target, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Ocp-Date", "Sun, 29 Nov 2026 12:00:00 GMT")
		if name, value, ok := strings.Cut(tt.header, ": "); ok {
			r.Header.Set(name, value)
		}
		sign(r)
		if got := r.Header.Get("Authorization"); got != "SharedKey acct:"+tt.want {
			t.Errorf("%s %s is signed %q, want %q", tt.method, tt.target, got, tt.want)
		}
	}
	if _, ok := signer("acct", "not base64"); ok {
		t.Error("it takes what is no key")
	}
}
