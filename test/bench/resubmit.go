package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	resubmitFiles = 2000
	resubmitGoal  = 100 * time.Millisecond
)

// resubmit measures the CLI's submit of a folder that did not change, beside "git status" in it.
func resubmit(ctx context.Context, b *bench) ([]Figure, error) {
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	dir := filepath.Join(b.scratch, "tree")
	if err := manyFiles(dir); err != nil {
		return nil, err
	}
	cli := func(prefix ...string) *exec.Cmd {
		argv := append(prefix, b.bin, "run", "submit", "--source", dir, "-o", "name", "--", "true")
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "ZAFFRE_DATA="+s.Data, "XDG_CACHE_HOME="+filepath.Join(b.scratch, "cache"))
		cmd.Stderr = os.Stderr
		return cmd
	}
	if err := pause(ctx, 200*time.Millisecond); err != nil { // so that the files are older than the clock's grain
		return nil, err
	}
	first, err := timed(cli())
	if err != nil {
		return nil, err
	}
	git, gitErr := gitTree(ctx, dir)
	if _, err := timed(cli()); err != nil { // git has come between, which changed the folder
		return nil, err
	}
	var ours, peer []time.Duration
	for range b.times(40, 10) {
		z, err := timed(cli())
		if err != nil {
			return nil, err
		}
		ours = append(ours, z)
		if gitErr == nil {
			if p, err := timed(git()); err == nil {
				peer = append(peer, p)
			}
		}
	}
	f := resubmitFigure(first, ours, peer)
	f.note(countOpens(b, cli))
	return []Figure{f}, nil
}

func resubmitFigure(first time.Duration, ours, peer []time.Duration) Figure {
	return Figure{
		What:   fmt.Sprintf("submit an unchanged folder of %d files again, by the CLI", resubmitFiles),
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))), Peer: "git status " + ms(middle(peer)),
		Ratio: ratio(middle(ours), middle(peer)), Goal: "< 100 ms, none read", OK: new(late(ours) < resubmitGoal),
		Note:   "the first submit took " + ms(first),
		Values: map[string]float64{"p50": millis(middle(ours)), "p95": millis(late(ours)), "git": millis(middle(peer)), "first": millis(first)},
	}
}

// note takes over how many files were opened.
func (f *Figure) note(opened int, err error) {
	if err != nil {
		f.Note += "; files opened again: not counted (" + err.Error() + ")"
		return
	}
	f.Note += fmt.Sprintf("; files opened again: %d", opened)
	f.Values["opened"] = float64(opened)
	*f.OK = *f.OK && opened == 0
}

func manyFiles(dir string) error {
	for i := range resubmitFiles {
		name := fmt.Sprintf("package%02d/unit_%04d.py", i%40, i)
		if err := rig.WriteFile(dir, name, strings.Repeat(fmt.Sprintf("# unit %d\n", i), 100)); err != nil {
			return err
		}
	}
	return nil
}

// gitTree makes the folder a repository with all its files in the index.
func gitTree(ctx context.Context, dir string) (func() *exec.Cmd, error) {
	git := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		return cmd
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		if err := git(args...).Run(); err != nil {
			return nil, err
		}
	}
	return func() *exec.Cmd { return git("status", "--porcelain") }, nil
}

// countOpens counts the units that a submit opens.
func countOpens(b *bench, cli func(...string) *exec.Cmd) (int, error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return 0, err
	}
	out := filepath.Join(b.scratch, "opens")
	if _, err := timed(cli(strace, "-f", "-qq", "-e", "trace=open,openat,openat2", "-o", out)); err != nil {
		return 0, err
	}
	return strings.Count(read(out), "unit_"), nil
}
