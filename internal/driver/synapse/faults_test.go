package synapse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

type batch struct {
	ID    int64
	Name  string
	State string
}

// batches asks the endpoint itself.
func batches(t *testing.T, endpoint string) []batch {
	t.Helper()
	var out struct{ Sessions []batch }
	if err := json.Unmarshal(request(t, http.MethodGet, endpoint+"/batches?size=1000"), &out); err != nil {
		t.Fatal(err)
	}
	return out.Sessions
}

func deleteBatch(t *testing.T, endpoint string, id int64) {
	t.Helper()
	request(t, http.MethodDelete, fmt.Sprintf("%s/batches/%d", endpoint, id))
}

func request(t *testing.T, method, url string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Requested-By", "test")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, b, err)
	}
	return b
}
