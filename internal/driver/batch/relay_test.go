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
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
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
	j := drivertest.NewJob("python3", "-c", asking, began)
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA}
	h := drivertest.Started(t, c, j)
	drivertest.Await(t, c, h, drivertest.Running)
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
	st := drivertest.Await(t, c, h, drivertest.Final)
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
	j := drivertest.NewJob("python3", "-c", asking, "never")
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL, "CA": driver.HomeCA, "KEPT": "kept"}
	h := drivertest.Started(t, c, j)
	st := drivertest.Await(t, c, h, drivertest.Final)
	root := filepath.Join(target.Options["workDirectory"].(string), target.ID)
	log, _ := os.ReadFile(filepath.Join(root, "jobs", j.ID, "log"))
	if st.State != driver.JobDone || string(log) != "no server kept\n" {
		t.Errorf("the job is %+v, and says %q", st, log)
	}
	if _, err := os.Stat(filepath.Join(root, "door.json")); err == nil {
		t.Error("a port is open")
	}
}

// TestNodesTell: a run says itself that it began and ended, to a login node whose Slurm says nothing of it.
func TestNodesTell(t *testing.T) {
	target := cluster(t)
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "squeue"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	target = with(target, "slurmBin", bin)
	target.Home = func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	c := connect(t, target)
	told := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() {
		watched <- c.(driver.Watcher).Watch(ctx, func(job string) {
			select {
			case told <- job:
			default:
			}
		})
	}()
	defer func() {
		cancel()
		if err := <-watched; err != nil {
			t.Errorf("Watch: %v", err)
		}
	}()
	gate := filepath.Join(t.TempDir(), "gate")
	j := drivertest.NewJob("sh", "-c", `until [ -e "$1" ]; do sleep 0.05; done`, "sh", gate)
	j.Token, j.Env = "a-token", map[string]string{"HOME_URL": driver.HomeURL}
	h := drivertest.Started(t, c, j)
	hear := func(what string) {
		t.Helper()
		select {
		case job := <-told:
			if job != j.ID {
				t.Errorf("%s was told of %q", what, job)
			}
		case <-time.After(3 * time.Minute):
			t.Fatalf("nobody told %s", what)
		}
	}
	hear("the beginning")
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobRunning {
		t.Errorf("after its beginning was told the run is %+v, %v", st, err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hear("the end")
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobDone {
		t.Errorf("after its end was told the run is %+v, %v", st, err)
	}
}
