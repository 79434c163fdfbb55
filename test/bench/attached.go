package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	attachedGoal = 1 << 20 // bytes a machine
	attachedAsk  = 8       // attaches at once
)

// attached attaches 200 real sshd on loopback, each with a host key of its own, and measures what the
// server's memory grows by for each while its connection is kept.
func attached(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	farm, err := newFarm(ctx, b)
	if err != nil {
		return nil, err
	}
	defer farm.stop()
	n := b.times(200, 20)
	if err := farm.start(ctx, n); err != nil {
		return nil, err
	}
	before, began := rig.RSS(s.PID), time.Now()
	if err := farm.attach(ctx, s); err != nil {
		return nil, err
	}
	took, each := time.Since(began), (rig.RSS(s.PID)-before)/int64(n)
	return []Figure{{
		What:   fmt.Sprintf("memory of an attached machine, %d real sshd, each with a host key of its own", n),
		Zaffre: fmt.Sprintf("%.0f kB resident", float64(each)/1e3), Goal: "< 1 MB", OK: new(each < attachedGoal),
		Note:   fmt.Sprintf("all attached, with their checks, in %s", took.Round(100*time.Millisecond)),
		Values: map[string]float64{"bytes": float64(each), "seconds": took.Seconds()},
	}}, nil
}

// farm is many sshd of the same user on loopback.
type farm struct {
	dir, bin, user string
	ports          []int
	slots          int // of each; 0: its own choice
	procs          []*exec.Cmd
}

func newFarm(ctx context.Context, b *bench) (*farm, error) {
	bin, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		return nil, errors.New("there is no sshd here: install Debian's package openssh-server")
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	f := &farm{dir: filepath.Join(b.scratch, "farm"), bin: bin, user: me.Username}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, err
	}
	if me.Uid == "0" {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd's own, for its unprivileged part
			return nil, err
		}
	}
	return f, f.keygen(ctx, "login")
}

func (f *farm) keygen(ctx context.Context, name string) error {
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(f.dir, name)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	return nil
}

func (f *farm) start(ctx context.Context, n int) error {
	for i := range n {
		port, err := rig.Port()
		if err != nil {
			return err
		}
		key := fmt.Sprintf("host%d", i)
		if err := f.keygen(ctx, key); err != nil {
			return err
		}
		cmd := exec.Command(f.bin, "-D", "-e", "-f", "/dev/null", "-h", filepath.Join(f.dir, key), "-p", fmt.Sprint(port),
			"-o", "ListenAddress=127.0.0.1", "-o", "AuthorizedKeysFile="+filepath.Join(f.dir, "login.pub"), "-o", "StrictModes=no",
			"-o", "PidFile=none", "-o", "PermitRootLogin=prohibit-password", "-o", "LogLevel=ERROR")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		f.ports, f.procs = append(f.ports, port), append(f.procs, cmd)
		if err := dialable(ctx, fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			return err
		}
	}
	return nil
}

// attach attaches all and waits until each was looked at.
func (f *farm) attach(ctx context.Context, s *rig.Server) error {
	key, err := os.ReadFile(filepath.Join(f.dir, "login"))
	if err != nil {
		return err
	}
	next := make(chan int, len(f.ports))
	for i := range f.ports {
		next <- i
	}
	close(next)
	_, _, err = crowd(ctx, attachedAsk, time.Hour, func(ctx context.Context, _, _ int) error {
		i, ok := <-next
		if !ok {
			return errEnough
		}
		return f.attachOne(ctx, s, i, string(key))
	})
	return err
}

func (f *farm) attachOne(ctx context.Context, s *rig.Server, i int, key string) error {
	c, err := s.C.AttachCompute(ctx, s.WS, f.attachedMachine(i, key))
	for err == nil && c.State == "Creating" {
		if err = pause(ctx, 50*time.Millisecond); err == nil {
			c, err = s.C.Compute(ctx, s.WS, c.Name)
		}
	}
	if err == nil && c.State != "Succeeded" {
		err = fmt.Errorf("%s is %s: %v", c.Name, c.State, c.Error)
	}
	return err
}

func (f *farm) stop() {
	for _, p := range f.procs {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGTERM)
		_ = p.Wait()
	}
}
