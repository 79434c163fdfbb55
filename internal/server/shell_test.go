package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
)

// shellKind is the fake kind on this machine: its commands are real, and its login shell says how large
// its terminal is, whenever that changes, until its input ends.
func shellKind(world *fake.World) driver.Kind {
	k := fake.Kind(world)
	connect := k.Connect
	k.Name, k.Prototype = "shell", shellConn{}
	k.Connect = func(ctx context.Context, t driver.Target) (driver.Conn, error) {
		c, err := connect(ctx, t)
		return shellConn{Conn: c}, err
	}
	return k
}

type shellConn struct {
	driver.Conn
	driver.Host // for the methods that no test calls
}

func (c shellConn) Observe(ctx context.Context) (driver.Observation, error) {
	return c.Conn.Observe(ctx)
}
func (c shellConn) Close() error { return c.Conn.Close() }

func (c shellConn) Exec(ctx context.Context, argv []string, std driver.Stdio) (int, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = std.In, std.Out, std.Err
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode(), context.Cause(ctx)
	}
	return 0, err
}

func (c shellConn) OpenShell(ctx context.Context, _ *driver.Handle, std driver.Stdio) (int, error) {
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, std.In) }()
	for {
		select {
		case size := <-std.Resize:
			fmt.Fprintf(std.Out, "%dx%d\n", size[0], size[1])
		case <-ended:
			return 7, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// attachShell attaches a target of that kind.
func attachShell(t *testing.T) *box {
	t.Helper()
	world := fake.NewWorld()
	b := startWith(t, t.TempDir(), nil, world, fake.Kind(world), shellKind(world))
	if _, err := b.AttachCompute(t.Context(), "default", client.Compute{Name: "box", Kind: "shell"}); err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t *testing.T, b *box, q client.ShellRequest) *client.Shell {
	t.Helper()
	sh, err := b.OpenShell(t.Context(), "default", "box", q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sh.Close() })
	return sh
}

func TestCommandOnATarget(t *testing.T) {
	t.Parallel()
	b := attachShell(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than any frame, pipe or window
	for _, tc := range []struct {
		reason    string
		command   []string
		in        []byte
		exit      int
		out, errs string
	}{
		{"both streams and the exit code", []string{"sh", "-c", "echo out; echo err >&2; exit 3"}, nil, 3, "out\n", "err\n"},
		{"words as they are", []string{"printf", "%s|", "a b", "$HOME", "", "日本"}, nil, 0, "a b|$HOME||日本|", ""},
		{"all of the input and its end", []string{"cat"}, large, 0, string(large), ""},
		{"input that nobody reads", []string{"true"}, large, 0, "", ""},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			sh := open(t, b, client.ShellRequest{Command: tc.command})
			go func() { _ = sh.Send(bytes.NewReader(tc.in)) }()
			var out, errs bytes.Buffer
			exit, err := sh.Wait(&out, &errs)
			if err != nil || exit != tc.exit || out.String() != tc.out || errs.String() != tc.errs {
				t.Errorf("exit %d, %v, %d bytes out, %q", exit, err, out.Len(), errs.String())
			}
		})
	}
}

func TestTerminalOnATarget(t *testing.T) {
	t.Parallel()
	b := attachShell(t)
	sh := open(t, b, client.ShellRequest{Terminal: true, Columns: 90, Rows: 30})
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		exit, err := sh.Wait(w, io.Discard)
		if exit != 7 {
			err = fmt.Errorf("exit %d, %w", exit, err)
		}
		done <- err
	}()
	line := make([]byte, 6)
	for _, want := range []string{"90x30\n", "70x20\n"} {
		if _, err := io.ReadFull(r, line); err != nil || string(line) != want {
			t.Fatalf("%q, %v, want %q", line, err, want)
		}
		if err := sh.Resize(70, 20); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := sh.Send(strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	events, err := b.Events(t.Context(), "default", client.EventFilter{Subject: "compute/box"})
	if err != nil || !strings.Contains(fmt.Sprint(events.Items), "compute.shell") {
		t.Errorf("no event says that there was a shell: %v, %v", events.Items, err)
	}
}

// TestShellEndsWithItsReader checks that a command does not outlive who wanted it.
func TestShellEndsWithItsReader(t *testing.T) {
	t.Parallel()
	b := attachShell(t)
	sh := open(t, b, client.ShellRequest{Command: []string{"sh", "-c", "echo $$; exec sleep 600"}})
	r, w := io.Pipe()
	go func() { _, _ = sh.Wait(w, io.Discard) }()
	var pid int
	if _, err := fmt.Fscan(r, &pid); err != nil {
		t.Fatal(err)
	}
	sh.Close()
	eventually(t, func() bool { return exec.Command("kill", "-0", fmt.Sprint(pid)).Run() != nil })
}

func TestShellRefuses(t *testing.T) {
	t.Parallel()
	b := attachShell(t)
	b.attach(t, "plain", nil)
	reader, err := b.CreateToken(t.Context(), client.Token{Name: "ro", Workspace: "default", Role: "Reader"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		reason string
		c      *client.Client
		name   string
		want   string
	}{
		{"a reader", b.as(t, reader.Secret), "box", "RoleMissing"},
		{"no such target", b.Client, "nothing", "ComputeNotFound"},
		{"the server's own machine", b.Client, "server", "TargetImplicit"},
		{"a kind without shells", b.Client, "plain", "CapabilityMissing"},
	} {
		if _, err := tc.c.OpenShell(t.Context(), "default", tc.name, client.ShellRequest{}); client.ReasonOf(err) != tc.want {
			t.Errorf("%s: %v, want %s", tc.reason, err, tc.want)
		}
	}
	resp, body := b.do(t, "POST", "/api/v1/workspaces/default/computes/box/shell", strings.NewReader(`{}`))
	if f := faultOf(t, resp, body); f.Reason != "UpgradeMissing" {
		t.Errorf("without an upgrade: %s", body)
	}
}
