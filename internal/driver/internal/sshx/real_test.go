package sshx_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// vm returns how to reach the machine vm1 of test/engines/sshd.sh, whose environment TEST_SSHD stands for.
func vm(t testing.TB) sshx.Config {
	t.Helper()
	if os.Getenv("TEST_SSHD") == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "sshd") {
			t.Fatal(`TEST_SSHD is not set; run: eval "$(test/engines/sshd.sh env)"`)
		}
		t.Skip(`needs real sshd: test/engines/sshd.sh up; eval "$(test/engines/sshd.sh env)"`)
	}
	host, port, err := net.SplitHostPort(os.Getenv("ENGINES_VM1"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(os.Getenv("ENGINES_VM_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	return sshx.Config{
		Address: host, Port: n, User: os.Getenv("ENGINES_VM_USER"), Login: sshx.Login{Key: string(key)}, Timeout: time.Minute,
	}
}

func open(t testing.TB, c sshx.Config) *sshx.Conn {
	t.Helper()
	conn := sshx.New(c)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestExec(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	odd := "a'b \"c\" $HOME `id` \\ \\' ! * \t\n# % é \xff ~"
	for _, tc := range []struct {
		name string
		argv []string
		in   string
		exit int
		out  string
		errs string
	}{
		{name: "echo", argv: []string{"printf", "%s|", "one", "", odd}, out: "one||" + odd + "|"},
		{name: "exit", argv: []string{"sh", "-c", "exit 3"}, exit: 3},
		{name: "signal", argv: []string{"sh", "-c", "kill -TERM $$"}, exit: 143},
		{name: "stdin", argv: []string{"cat"}, in: strings.Repeat("x\x00y\n", 1000), out: strings.Repeat("x\x00y\n", 1000)},
		{name: "stderr", argv: []string{"sh", "-c", "echo out; echo err >&2"}, out: "out\n", errs: "err\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			exit, err := c.Exec(within(t, 2*time.Minute), tc.argv, driver.Stdio{In: strings.NewReader(tc.in), Out: &out, Err: &errs})
			if err != nil {
				t.Fatal(err)
			}
			if exit != tc.exit || out.String() != tc.out || tc.exit == 0 && errs.String() != tc.errs {
				t.Errorf("exit %d, out %q, err %q; want %d, %q, %q", exit, out.String(), errs.String(), tc.exit, tc.out, tc.errs)
			}
		})
	}
}

func TestExecOfNothing(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	for _, argv := range [][]string{{"/no/such/command"}, {"no-such-command", "x"}} {
		if _, err := c.Exec(within(t, 2*time.Minute), argv, driver.Stdio{}); fault.ReasonOf(err) != "ProgramMissing" {
			t.Errorf("%q: %v", argv, err)
		}
	}
	if exit, err := c.Exec(within(t, 2*time.Minute), []string{"sh", "-c", "exit 127"}, driver.Stdio{}); err != nil || exit != 127 {
		t.Errorf("a program that ends with 127: %d, %v", exit, err)
	}
}

func TestExecEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	if exit, err := c.Exec(within(t, 2*time.Minute), []string{"true"}, driver.Stdio{}); err != nil || exit != 0 {
		t.Fatal(exit, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := c.Exec(ctx, []string{"sh", "-c", "trap '' HUP TERM; exec sleep 98765"}, driver.Stdio{})
	if fault.ReasonOf(err) != "TimedOut" || time.Since(begin) > time.Minute {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		exit, err := c.Exec(within(t, 2*time.Minute), []string{"pgrep", "-f", "^sleep 98765"}, driver.Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		if exit == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the command still runs")
		}
	}
}

func TestManySessions(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			var out bytes.Buffer
			want := strings.Repeat(fmt.Sprint(i), 1000)
			exit, err := c.Exec(within(t, 2*time.Minute), []string{"printf", "%s", want}, driver.Stdio{Out: &out})
			if err != nil || exit != 0 || out.String() != want {
				t.Errorf("%d: %d, %v", i, exit, err)
			}
		})
	}
	wg.Wait()
}

func TestFiles(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	ctx := within(t, 2*time.Minute)
	root := fmt.Sprintf("/tmp/zaffre test %x", rand.Uint64())
	f := c.FS()
	t.Cleanup(func() {
		if err := f.RemoveAll(context.Background(), root); err != nil {
			t.Error(err)
		}
	})
	big := bytes.Repeat([]byte("0123456789abcde\x00"), 1<<16)
	odd := "new\nline 'q' \"d\" -x $é"
	for name, content := range map[string][]byte{"a/b/c.bin": big, odd: []byte("odd"), "-e": {}, ".hidden": []byte("h"), "..x": nil} {
		if err := f.WriteFile(ctx, root+"/"+name, 0o640, bytes.NewReader(content)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		r, err := f.OpenFile(ctx, root+"/"+name, 0)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%q: %d bytes, %v; want %d", name, len(got), err, len(content))
		}
	}
	r, err := f.OpenFile(ctx, root+"/a/b/c.bin", int64(len(big)-5))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "bcde\x00" {
		t.Errorf("from an offset: %q, %v", got, err)
	}
	list, err := f.ReadDir(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, fmt.Sprintf("%v %v %d", e.Mode(), e.Name(), min(e.Size(), 9)))
	}
	slices.Sort(names)
	want := []string{"-rw-r----- ..x 0", "-rw-r----- -e 0", "-rw-r----- .hidden 1", "-rw-r----- " + odd + " 3", "drwxr-xr-x a 9"}
	slices.Sort(want)
	for i, n := range names { // how large a folder is, depends on its file system
		if strings.HasPrefix(n, "d") {
			names[i] = "drwxr-xr-x a 9"
		}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("ReadDir (-want +got):\n%s", diff)
	}
	for what, err := range map[string]error{
		"FileNotFound":  second(f.OpenFile(ctx, root+"/none", 0)),
		"FileKindWrong": second(f.OpenFile(ctx, root, 0)),
		"FileDenied":    second(f.OpenFile(ctx, "/etc/shadow", 0)),
		"PathInvalid":   f.RemoveAll(ctx, "/"),
	} {
		if fault.ReasonOf(err) != what {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if err := f.WriteFile(ctx, "/proc/nothing", 0o600, strings.NewReader("x")); err == nil {
		t.Error("a file below /proc was written")
	}
	if err := f.WriteFile(ctx, root+"/cut", 0o600, io.MultiReader(strings.NewReader("half"), broken{})); err == nil {
		t.Error("half a file was written")
	}
	if _, err := f.OpenFile(ctx, root+"/cut", 0); fault.ReasonOf(err) != "FileNotFound" {
		t.Errorf("half a file is there: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fs.ErrClosed }

func second[A, B any](_ A, b B) B { return b }

func TestDial(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	ctx := within(t, 2*time.Minute)
	conn, err := c.Dial(ctx, "tcp", os.Getenv("ENGINES_VM2"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, 7)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "SSH-2.0" {
		t.Errorf("%q, %v", b, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := conn.Read(make([]byte, 1000)); !os.IsTimeout(err) {
		t.Errorf("after the deadline: %v", err)
	}
	for addr, reason := range map[string]string{
		"127.0.0.1:1": "PeerRefused", "no.such.host.invalid:22": "PeerUnknown", "nonsense": "AddressInvalid",
	} {
		if _, err := c.Dial(ctx, "tcp", addr); fault.ReasonOf(err) != reason {
			t.Errorf("%s: %v, evidence %v; want %s", addr, err, fault.From(err).Evidence, reason)
		}
	}
}

func TestVia(t *testing.T) {
	t.Parallel()
	jump := vm(t)
	far := jump
	far.Address = "10.250.2.2"
	if host, _, err := net.SplitHostPort(os.Getenv("ENGINES_VM2")); err == nil {
		far.Address = host
	}
	far.Via = []driver.Host{open(t, jump)}
	var out bytes.Buffer
	if _, err := open(t, far).Exec(within(t, 2*time.Minute), []string{"hostname"}, driver.Stdio{Out: &out}); err != nil || out.String() != "vm2\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	far.Address = "127.0.0.1"
	far.Port = 1
	_, checks, err := open(t, far).Probe(within(t, 2*time.Minute))
	if fault.ReasonOf(err) != "ConnectionRefused" {
		t.Errorf("%v\n%+v", err, checks)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	c := open(t, vm(t))
	size := make(chan [2]int, 1)
	size <- [2]int{101, 37}
	var out bytes.Buffer
	exit, err := c.Terminal(within(t, 2*time.Minute), driver.Stdio{In: strings.NewReader("stty size; exit 7\n"), Out: &out, Resize: size})
	if err != nil || exit != 7 || !strings.Contains(out.String(), "37 101") {
		t.Errorf("exit %d, %v: %q", exit, err, out.String())
	}
}
