// Command chaos kills the real server again and again while runs are submitted and run, and then
// checks that nothing was lost and nothing happened twice: each run that was acknowledged has ended
// once, in the state that its command earns, with its whole log; each point of a metric that was
// acknowledged is there once; no process and no slot is left.
//
// "chaos links" does so with machines behind links that are cut, refused, unplugged and lossy, while servers, agents and
// sessions are killed, clocks are set and a disk fills; "chaos crowd" measures how soon many machines are usable again
// that were cut off together. Both take root, and make namespaces of their own.
//
// It prints a summary, keeps a log, and exits with 1 if anything is wrong.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

const slots = 8 // of the target "server"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wrong, err := choose(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if err != nil || wrong > 0 {
		stop()
		os.Exit(1)
	}
}

// choose runs the trial that the first argument names, and returns how many things were wrong.
func choose(ctx context.Context, args []string) (int, error) {
	switch {
	case len(args) > 0 && args[0] == "links":
		return enclosed(ctx, args, linkTrials)
	case len(args) > 0 && args[0] == "crowd":
		return enclosed(ctx, args, crowdTrials)
	}
	return killTrials(ctx, args)
}

func killTrials(ctx context.Context, args []string) (int, error) {
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	kills := f.Int("kills", 100, "how often to kill the server")
	seed := f.Uint64("seed", 0, "of the random choices; from the clock if 0")
	bin := f.String("bin", "", "zaffre binary; built if empty")
	out := f.String("log", "", "file for the log; chaos.log in the cache folder if empty")
	keep := f.Bool("keep", false, "keep the data folder")
	if err := f.Parse(args); err != nil {
		return 0, err
	}
	return run(ctx, *kills, cmp.Or(*seed, uint64(time.Now().UnixNano())), *bin, *out, *keep)
}

// run returns how many things were wrong.
func run(ctx context.Context, kills int, seed uint64, bin, out string, keep bool) (int, error) {
	bin, out, err := places(ctx, bin, out)
	if err != nil {
		return 0, err
	}
	file, err := os.Create(out)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	scratch, err := rig.Scratch("zaffre-chaos")
	if err != nil {
		return 0, err
	}
	if keep {
		fmt.Fprintln(os.Stderr, "the data folder is in", scratch)
	} else {
		defer rig.Sweep(scratch)
	}
	talk := log.New(io.MultiWriter(file, os.Stderr), "", log.Ltime|log.Lmicroseconds)
	talk.Printf("seed %d, log %s", seed, out)
	t, err := newTrial(ctx, trialOptions{bin: bin, scratch: scratch, seed: seed, log: log.New(file, "", log.Ltime|log.Lmicroseconds)})
	if err != nil {
		return 0, err
	}
	defer t.end(keep)
	if err := t.storm(ctx, kills); err != nil {
		return 0, err
	}
	wrong, err := t.verify(ctx)
	for i, w := range wrong {
		if i == 50 {
			talk.Printf("… and %d more", len(wrong)-i)
			break
		}
		talk.Print("WRONG: ", w)
	}
	talk.Print(t.summary(len(wrong)))
	return len(wrong), err
}

func places(ctx context.Context, bin, out string) (string, string, error) {
	root, err := rig.Root()
	if err != nil {
		return "", "", err
	}
	if bin == "" {
		if bin, err = rig.Build(ctx, root); err != nil {
			return "", "", err
		}
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return "", "", err
	}
	cache, err := rig.Cache()
	return bin, cmp.Or(out, filepath.Join(cache, "chaos.log")), err
}
