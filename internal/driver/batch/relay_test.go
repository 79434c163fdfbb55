package batch_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// asking is a program that waits for a file and then asks the server.
const asking = `
import os, ssl, sys, time, urllib.request
if "HOME_URL" not in os.environ:
    print("no server", os.environ.get("KEPT")); sys.exit()
while not os.path.exists(sys.argv[1]): time.sleep(0.05)
r = urllib.request.Request(os.environ["HOME_URL"] + "/x", headers={"Authorization": "Bearer a-token"})
print(urllib.request.urlopen(r, context=ssl.create_default_context(cafile=os.environ["CA"])).read().decode())
`

// TestServerFromAnotherNode: sockets of the work directory lead nowhere there, the login node's port does.
func TestServerFromAnotherNode(t *testing.T) {
	target := cluster(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	target.Home = func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	c := connect(t, target)
	root := filepath.Join(target.Options["workDirectory"].(string), target.ID)
	began := filepath.Join(t.TempDir(), "began")
	j := job("python3", "-c", asking, began)
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA}
	h := start(t, c, j)
	await(t, c, h, "the job to run", running)
	crash(t, target) // the next agent opens the port too, another one
	if _, err := c.Poll(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(root, "home.sock")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(began, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st := await(t, c, h, "the end", final)
	log, _ := os.ReadFile(filepath.Join(root, "jobs", j.ID, "log"))
	if st.State != driver.JobDone || !strings.Contains(string(log), "hello Bearer a-token") {
		t.Errorf("the job is %+v, and says %q", st, log)
	}
	if list := doorsOf(t, root); strings.Contains(list, "PRIVATE") {
		t.Errorf("the login node's key is in a file: %s", list)
	}
}

// doorsOf returns what nodes are told.
func doorsOf(t *testing.T, root string) string {
	t.Helper()
	name := filepath.Join(root, "door.json")
	fi, err := os.Stat(name)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", fi, err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestServerUnreachable: where the login node's ports are closed, runs are told of no server.
func TestServerUnreachable(t *testing.T) {
	target := with(cluster(t), "relay", false)
	c := connect(t, target)
	j := job("python3", "-c", asking, "never")
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA, "KEPT": "kept"}
	h := start(t, c, j)
	st := await(t, c, h, "the end", final)
	root := filepath.Join(target.Options["workDirectory"].(string), target.ID)
	log, _ := os.ReadFile(filepath.Join(root, "jobs", j.ID, "log"))
	if st.State != driver.JobDone || string(log) != "no server kept\n" {
		t.Errorf("the job is %+v, and says %q", st, log)
	}
	if _, err := os.Stat(filepath.Join(root, "door.json")); err == nil {
		t.Error("a port is open")
	}
}
