package azbatch_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/drivertest"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// files is code in memory.
type files map[string]string

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (f files) Manifest(context.Context) (list []driver.File, _ error) {
	for path, text := range f {
		list = append(list, driver.File{Path: path, Mode: 0o644, Size: int64(len(text)), Hash: hashOf(text)})
	}
	return list, nil
}

func (f files) OpenHash(_ context.Context, hash string) (io.ReadCloser, error) {
	for _, text := range f {
		if hashOf(text) == hash {
			return io.NopCloser(strings.NewReader(text)), nil
		}
	}
	return nil, os.ErrNotExist
}

// TestStorageIsAwayForAWhile, while a task runs: its log and its outputs arrive when it is back.
func TestStorageIsAwayForAWhile(t *testing.T) {
	t.Parallel()
	a := start(t)
	base := target(t, a)
	u, err := url.Parse(base.Secrets["container"])
	if err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	refused := make(chan struct{}, 1000)
	proxy := rig.Proxy(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: u.Scheme, Host: u.Host})
		r.Out.Host = r.In.Host
	}})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			refused <- struct{}{}
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	near := strings.Replace(base.Secrets["container"], u.Scheme+"://"+u.Host, s.URL, 1)
	c := connect(t, with(base, map[string]any{"container": near}))
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	j := drivertest.NewJob("sh", "-c", `wait() { while [ ! -e "$1" ]; do sleep 0.05; done; }; echo one; wait "$0"; echo two; echo kept > outputs/x; wait "$1"; echo three`, first, second)
	h := drivertest.Started(t, c, j)
	for drivertest.Log(t, c, h, 0) != "one\n" {
		drivertest.Await(t, c, h, runs)
	}
	away.Store(true)
	mark(t, first)
	for i := range 5 {
		select {
		case <-refused:
		case <-t.Context().Done():
			t.Fatalf("only %d requests were refused", i)
		}
	}
	mark(t, second)
	away.Store(false)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone || drivertest.Log(t, c, h, 0) != "one\ntwo\nthree\n" {
		t.Errorf("the job is %+v, its log %q", st, drivertest.Log(t, c, h, 0))
	}
	if list, err := c.(driver.Outputs).ListOutputs(t.Context(), h); err != nil || len(list) != 1 {
		t.Errorf("it left %v, %v", list, err)
	}
}

func mark(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMuch: code, log and outputs that take more than one request or piece.
func TestMuch(t *testing.T) {
	t.Parallel()
	c := connect(t, target(t, start(t)))
	big := make([]byte, 6<<20)
	_, _ = rand.Read(big)
	j := drivertest.NewJob("python", "main.py")
	j.Files = files{"big.bin": string(big), "lib/helper.py": "X = 'imported'\n", "main.py": `
import shutil, sys
from lib import helper
shutil.copyfile("big.bin", "outputs/copy.bin")
print(helper.X)
sys.stdout.write("y" * 5000000)
`}
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Fatalf("the job is %+v: %.2000s", st, drivertest.Log(t, c, h, 0))
	}
	if log := drivertest.Log(t, c, h, 0); log != "imported\n"+strings.Repeat("y", 5000000) {
		t.Errorf("the log has %d bytes", len(log))
	}
	for _, offset := range []int64{0, 4<<20 + 1} {
		r, err := c.(driver.Outputs).OpenOutput(t.Context(), h, "outputs/copy.bin", offset)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, big[offset:]) {
			t.Errorf("from %d the output has %d bytes, %v", offset, len(got), err)
		}
	}
}

// TestSecretsDoNotStay: the variables of a run are gone when it begins, and the command does not see how the launcher
// reached the container.
func TestSecretsDoNotStay(t *testing.T) {
	t.Parallel()
	a := start(t)
	base := target(t, a)
	c := connect(t, base)
	j := drivertest.NewJob("sh", "-c", `test "$KEY" = v4lue-canary && test -z "$ZAFFRE_FOLDER$HOME_CA" && env > outputs/env`)
	j.Env = map[string]string{"KEY": "v4lue-canary", "HOME_CA": driver.HomeCA}
	h := drivertest.Started(t, c, j)
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobDone {
		t.Fatalf("the job is %+v", st)
	}
	container, sas, _ := strings.Cut(base.Secrets["container"], "?")
	resp, err := http.Get(container + "/zaffre/" + base.ID + "/jobs/" + j.ID + "/spec.json?" + sas)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "{}" {
		t.Errorf("what it was to do is still %q, %v", b, err)
	}
	shown, _ := json.Marshal(elsewhere(t, a, http.MethodGet, "/jobs/JOB/tasks/TASK", h))
	if s := string(shown) + string(h.Data); strings.Contains(s, "v4lue-canary") || strings.Contains(string(h.Data), "sig=") {
		t.Errorf("a secret is in %s", s)
	}
}

// TestAnotherContainerMeanwhile: what runs is not lost where a target is given another container.
func TestAnotherContainerMeanwhile(t *testing.T) {
	t.Parallel()
	a := start(t)
	first := target(t, a)
	mine := connect(t, first)
	h := drivertest.Started(t, mine, drivertest.NewJob("sleep", "100"))
	drivertest.Await(t, mine, h, runs)
	c := connect(t, with(first, map[string]any{"container": target(t, a).Secrets["container"]}))
	if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobRunning || !strings.Contains(st.Message, "another container") {
		t.Errorf("by the other container the job is %+v, %v", st, err)
	}
	if err := c.Cancel(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if st := drivertest.Await(t, c, h, drivertest.Final); st.State != driver.JobLost || st.Reason != "NoRecord" {
		t.Errorf("after its cancel the job is %+v", st)
	}
}

// TestCleanTakesOnlyItsOwn: another target's jobs may have names that begin as ours do, and lists come in pages.
func TestCleanTakesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	a := start(t)
	tell(t, a, "page", map[string]any{"size": 1}, nil)
	mine := target(t, a)
	theirs := with(mine, nil)
	theirs.ID = mine.ID + "-2"
	c, other := connect(t, mine), connect(t, theirs)
	first := drivertest.Started(t, c, drivertest.NewJob("sleep", "100"))
	second := drivertest.Started(t, c, withOptions(drivertest.NewJob("sleep", "100"), map[string]any{"priority": int64(-3)}))
	kept := drivertest.Started(t, other, drivertest.NewJob("sleep", "100"))
	for _, h := range []driver.Handle{first, second} {
		drivertest.Await(t, c, h, runs)
	}
	drivertest.Await(t, other, kept, runs)
	for _, dry := range []bool{true, false} {
		items, err := c.(driver.Cleaner).Clean(t.Context(), dry)
		if err != nil || len(items) != 3 || items[0].Removed == dry || items[2].Type != "folder" || strings.Contains(fmt.Sprint(items), "sig=") {
			t.Errorf("it cleans %+v, %v", items, err)
		}
	}
	if n := count(t, a); n.Jobs != 1 || n.There != 1 {
		t.Errorf("the account has %+v, want the other target's", n)
	}
	if st := drivertest.Await(t, other, kept, runs); st.State != driver.JobRunning {
		t.Errorf("the other's is %+v", st)
	}
	for _, h := range []driver.Handle{first, second} {
		if st, err := c.Poll(t.Context(), h); err != nil || st.State != driver.JobLost {
			t.Errorf("after a clean the job is %+v, %v", st, err)
		}
	}
}
