package zoo_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/sshvm"
	"github.com/zaffre-ml/zaffre/internal/server"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// TestMain lets many cases wait at once: most of them do little else. The CLI asks ssh what it knows: here that is
// nothing, whatever the user of this machine has connected to.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "zoo-")
	if err == nil {
		err = errors.Join(flag.Set("test.parallel", "8"), rig.BlankSSH(dir), os.Setenv("PATH", dir+":"+os.Getenv("PATH")))
	}
	if err != nil {
		panic(err)
	}
	exit := m.Run()
	os.RemoveAll(dir)
	os.Exit(exit)
}

// desk is where a user sits: the CLI, a server of his own, and a shell.
type desk struct {
	*lab
	data string
	dir  string // of files that are given
}

// sit starts a server.
func sit(t *testing.T, l *lab) *desk {
	t.Helper()
	d := &desk{lab: l, data: filepath.Join(t.TempDir(), "data"), dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(d.dir, ".ssh"), 0o700); err != nil { // ssh-copy-id needs it
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{Env: map[string]string{"HOME": d.dir}, Flags: map[string]string{"data": d.data, "listen": "127.0.0.1:0", "grace": "1s"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ready, out := io.Pipe()
	go func() {
		done <- server.RunWith(ctx, cfg, out, slog.New(slog.DiscardHandler), server.Options{Kinds: []driver.Kind{sshvm.Kind()}})
		out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server failed: %v", err)
		}
	})
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, ready) }()
	return d
}

// said is how a command of the CLI ended.
type said struct {
	exit      int
	out, errs string
}

// first is the first line of the error.
func (s said) first() string {
	i := strings.Index("\n"+s.errs, "\nerror: ") // before it there may be talk
	line, _, _ := strings.Cut(s.errs[max(i, 0):], "\n")
	return line
}

// zaffre runs the CLI.
func (d *desk) zaffre(args ...string) said {
	var mu sync.Mutex // the CLI writes errors from several goroutines
	var out, errs bytes.Buffer
	exit := cli.Main(args, cli.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: locked{&mu, &errs},
		Getenv: func(name string) string {
			return map[string]string{"ZAFFRE_DATA": d.data, "HOME": d.dir, "LANG": "C"}[name]
		},
	})
	mu.Lock()
	defer mu.Unlock()
	return said{exit, out.String(), errs.String()}
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// file keeps a text in a file and returns its path.
func (d *desk) file(t testing.TB, text string) string {
	t.Helper()
	f, err := os.CreateTemp(d.dir, "given")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// flags are the arguments that say what target is, beside its name. Its jump hosts are attached first.
func (d *desk) flags(t testing.TB, name string, target driver.Target) []string {
	t.Helper()
	args := []string{"--shared"}
	for path, flag := range map[string]string{
		address: "address", port: "port", user: "user", work: "work-directory", hostKey: "host-key", timeout: "connect-timeout",
	} {
		if v, ok := target.Options[path]; ok {
			args = append(args, "--"+flag, fmt.Sprint(v))
		}
	}
	for path, flag := range map[string]string{
		key: "key-file", password: "password-file", passphrase: "passphrase-file",
	} {
		if v := target.Secrets[path]; v != "" {
			args = append(args, "--"+flag, d.file(t, v))
		}
	}
	for i, c := range target.On[via] {
		jump, ok := d.leaps.Load(c)
		if !ok {
			t.Fatal("the jump host is not known")
		}
		other := fmt.Sprintf("%s-jump%d", name, i+1)
		d.attach(t, other, jump.(driver.Target))
		args = append(args, "--via", other)
	}
	return args
}

// attach attaches a target, and has it detached at the end.
func (d *desk) attach(t testing.TB, name string, target driver.Target) said {
	t.Helper()
	args := append([]string{"compute", "attach", "sshvm", name}, d.flags(t, name, target)...)
	s := d.zaffre(args...)
	t.Cleanup(func() { d.zaffre("compute", "detach", "--force", name) })
	return s
}

// show returns a target as the CLI shows it to programs.
func (d *desk) show(t testing.TB, name string) client.Compute {
	t.Helper()
	var c client.Compute
	s := d.zaffre("compute", "show", name, "-o", "json")
	if err := json.Unmarshal([]byte(s.out), &c); err != nil {
		t.Fatalf("%v: %+v", err, s)
	}
	return c
}

// failing is the check of a target that failed.
func failing(c client.Compute, name string) client.Check {
	i := slices.IndexFunc(c.Checks, func(k client.Check) bool { return k.Name == name && !k.OK })
	if i < 0 {
		return client.Check{}
	}
	return c.Checks[i]
}

// shell runs a command line of a user's own shell; what asks for a password gets that of the machines.
func (d *desk) shell(t testing.TB, line string) (string, error) {
	t.Helper()
	bin := t.TempDir()
	ask := filepath.Join(bin, "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\nprintf '%s\\n' \"$ENGINES_VM_PASSWORD\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "HOME="+d.dir)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), cmp.Or(ctx.Err(), err)
}
