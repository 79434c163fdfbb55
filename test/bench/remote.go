package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	remoteGoal = 80 * time.Millisecond // more than ssh by a connection that is there
	treeGoal   = 64 << 10              // bytes for a tree that did not change
	remoteRuns = 50                    // at once
)

// remote measures runs on a machine behind a real sshd on loopback, beside ssh itself. All that goes there passes
// a counter.
func remote(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	machines, err := newFarm(ctx, b)
	if err != nil {
		return nil, err
	}
	defer machines.stop()
	if err := machines.start(ctx, 1); err != nil {
		return nil, err
	}
	way, err := newCounter(fmt.Sprintf("127.0.0.1:%d", machines.ports[0]))
	if err != nil {
		return nil, err
	}
	defer way.close()
	machines.ports[0], machines.slots = way.port(), remoteRuns
	if err := machines.attach(ctx, s); err != nil {
		return nil, err
	}
	var out []Figure
	for _, measure := range []func(context.Context, *bench, *rig.Server, *farm, *counter) (Figure, error){remoteFirstLine, remoteTree, remoteCrowd} {
		f, err := measure(ctx, b, s, machines, way)
		if err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

// remoteFirstLine is a submit beside "ssh host python3 -c", by a connection that is there and by a new one.
func remoteFirstLine(ctx context.Context, b *bench, s *rig.Server, f *farm, _ *counter) (Figure, error) {
	warm, cold, end, err := f.ssh(ctx)
	if err != nil {
		return Figure{}, err
	}
	defer end()
	script := strings.TrimSpace(strings.ReplaceAll(firstLineScript, "\n", "; "))
	request := command(b.python, "-c", firstLineScript)
	request.Compute = "m0"
	if _, _, err := throughZaffre(ctx, s, request); err != nil { // sends the agent
		return Figure{}, err
	}
	var ours, bare, anew []time.Duration
	for range b.times(40, 10) {
		for _, m := range []struct {
			into *[]time.Duration
			run  func() (time.Duration, string, error)
		}{
			{&ours, func() (time.Duration, string, error) { return throughZaffre(ctx, s, request) }},
			{&bare, func() (time.Duration, string, error) { return bySSH(warm, b.python+" -c '"+script+"'") }},
			{&anew, func() (time.Duration, string, error) { return bySSH(cold, b.python+" -c '"+script+"'") }},
		} {
			took, _, err := m.run()
			if err != nil {
				return Figure{}, err
			}
			*m.into = append(*m.into, took)
		}
	}
	extra := middle(ours) - middle(bare)
	return Figure{
		What:   "submit to first line of Python on a machine behind sshd, beside ssh by a connection that is there",
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))), Peer: fmt.Sprintf("ssh %s, p95 %s", ms(middle(bare)), ms(late(bare))),
		Ratio: "+" + ms(extra), Goal: "ssh + 80 ms", OK: new(extra <= remoteGoal), Note: "ssh by a new connection: " + ms(middle(anew)),
		Values: map[string]float64{"p50": millis(middle(ours)), "ssh_p50": millis(middle(bare)), "ssh_new_p50": millis(middle(anew))},
	}, nil
}

func bySSH(ssh func(command string) *exec.Cmd, command string) (time.Duration, string, error) {
	began := time.Now()
	out, err := ssh(command).Output()
	if err != nil {
		return 0, "", err
	}
	return stamps(began, strings.NewReader(string(out)))
}

// remoteTree is what goes to the machine for a folder of many files that it has.
func remoteTree(ctx context.Context, b *bench, s *rig.Server, _ *farm, way *counter) (Figure, error) {
	dir := filepath.Join(b.scratch, "remotetree")
	if err := manyFiles(dir); err != nil {
		return Figure{}, err
	}
	snapshot, err := s.Upload(ctx, dir)
	if err != nil {
		return Figure{}, err
	}
	var sent []int64
	var took []time.Duration
	for range 3 {
		request := command("true")
		request.Compute, request.Snapshot = "m0", snapshot
		before, began := way.there.Load(), time.Now()
		r, err := s.Done(ctx, request)
		if err != nil {
			return Figure{}, err
		}
		if r.State != "Completed" {
			return Figure{}, failedRun(r)
		}
		sent, took = append(sent, way.there.Load()-before), append(took, time.Since(began))
	}
	return Figure{
		What:   fmt.Sprintf("bytes to the machine for a run with an unchanged folder of %d files", resubmitFiles),
		Zaffre: fmt.Sprintf("%.1f kB", float64(sent[2])/1e3), Goal: "<= 64 kB", OK: new(sent[2] <= treeGoal),
		Note:   fmt.Sprintf("the first time %.1f kB in %s, again in %s", float64(sent[0])/1e3, ms(took[0]), ms(took[2])),
		Values: map[string]float64{"bytes": float64(sent[2]), "first_bytes": float64(sent[0])},
	}, nil
}

// remoteCrowd has many runs on the machine at once, which wait for one another: they end only if they were all there
// at the same time.
func remoteCrowd(ctx context.Context, b *bench, s *rig.Server, _ *farm, way *counter) (Figure, error) {
	meet := filepath.Join(b.scratch, "meet")
	if err := os.MkdirAll(meet, 0o777); err != nil {
		return Figure{}, err
	}
	wait := fmt.Sprintf(`touch %s/$ZAFFRE_RUN_ID; until [ "$(ls %[1]s | wc -l)" -ge %d ]; do sleep 0.2; done`, meet, remoteRuns)
	before, began := way.made.Load(), time.Now()
	done := make(chan error, remoteRuns)
	for range remoteRuns {
		go func() {
			request := command("sh", "-c", wait)
			request.Compute = "m0"
			r, err := s.Done(ctx, request)
			if err == nil && r.State != "Completed" {
				err = failedRun(r)
			}
			done <- err
		}()
	}
	for range remoteRuns {
		if err := <-done; err != nil {
			return Figure{}, err
		}
	}
	took, made, most := time.Since(began), way.made.Load()-before, way.most.Load()
	return Figure{
		What:   fmt.Sprintf("%d runs at once on the machine, all submitted to all ended", remoteRuns),
		Zaffre: took.Round(time.Millisecond).String(), Goal: "by one connection", OK: new(made == 0),
		Note:   fmt.Sprintf("connections made meanwhile: %d; open at once, with the preflight's: at most %d", made, most),
		Values: map[string]float64{"seconds": took.Seconds(), "connections": float64(made)},
	}, nil
}

// ssh returns how ssh runs a command on the first machine: by a connection that is there, and by a new one.
func (f *farm) ssh(ctx context.Context) (warm, cold func(string) *exec.Cmd, end func(), err error) {
	if _, err := exec.LookPath("ssh"); err != nil {
		return nil, nil, nil, err
	}
	base := []string{
		"-F", "/dev/null", "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes",
		"-i", filepath.Join(f.dir, "login"), "-p", fmt.Sprint(f.ports[0]), "-l", f.user,
	}
	socket := filepath.Join(f.dir, "mux")
	run := func(more ...string) func(string) *exec.Cmd {
		return func(command string) *exec.Cmd {
			return exec.CommandContext(ctx, "ssh", append(append(append([]string{}, base...), more...), "127.0.0.1", command)...)
		}
	}
	warm, cold = run("-o", "ControlPath="+socket), run("-o", "ControlPath=none")
	master := exec.CommandContext(ctx, "ssh", append(append([]string{}, base...), "-M", "-N", "-f", "-S", socket, "127.0.0.1")...)
	if out, err := master.CombinedOutput(); err != nil {
		return nil, nil, nil, fmt.Errorf("ssh: %w: %s", err, out)
	}
	return warm, cold, func() { _ = exec.Command("ssh", "-S", socket, "-O", "exit", "127.0.0.1").Run() }, nil
}

// attachedMachine asks for the i-th machine.
func (f *farm) attachedMachine(i int, key string) client.Compute {
	c := client.Compute{Name: fmt.Sprintf("m%d", i), Kind: "sshvm", Shared: true, Options: map[string]any{
		"address": "127.0.0.1", "sshPort": f.ports[i], "administratorAccount.username": f.user, "administratorAccount.privateKeyData": key,
		"workDirectory": filepath.Join(f.dir, fmt.Sprintf("work%d", i)),
	}}
	if f.slots > 0 {
		c.Options["slots"] = f.slots
	}
	return c
}
