package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/test/chaos/lab"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// enclosed runs a trial in namespaces of its own. What it needs of this machine's network is made before.
func enclosed(ctx context.Context, args []string, trial func(context.Context, []string) (int, error)) (int, error) {
	inside, err := lab.Inside()
	if err != nil || inside {
		if err != nil {
			return 0, err
		}
		return trial(ctx, args[1:])
	}
	if lack := lab.Missing(); lack != "" {
		return 0, fmt.Errorf("this needs %s", lack)
	}
	if !slices.Contains(args, "-bin") {
		bin, _, err := places(ctx, "", "-")
		if err != nil {
			return 0, err
		}
		args = append(args, "-bin", bin)
	}
	return lab.Enter(ctx, args...)
}

// linkTrials runs the trial of links, and returns how many things were wrong.
func linkTrials(ctx context.Context, args []string) (int, error) {
	o := linkOptions{}
	f := flag.NewFlagSet("links", flag.ContinueOnError)
	f.IntVar(&o.cuts, "cuts", 100, "how often to cut the link")
	f.IntVar(&o.kills, "kills", 20, "how often to kill the server")
	f.IntVar(&o.others, "others", 8, "how often to kill an agent, to kill sessions of sshd, and to set a clock: each")
	f.DurationVar(&o.loss, "loss", 2*time.Minute, "how long to lose packets of a machine")
	f.Float64Var(&o.part, "part", 0.56, "of the packets that is lost then")
	f.DurationVar(&o.full, "full", 30*time.Second, "how long a disk is full")
	f.BoolVar(&o.long, "long", true, "some cuts last longer than a connection does")
	f.IntVar(&o.machines, "machines", 3, "machines")
	f.Uint64Var(&o.seed, "seed", 0, "of the random choices; from the clock if 0")
	f.StringVar(&o.lie, "lie", "", "what to get wrong on purpose, to see that it is found: line, point, twice, output, end")
	f.StringVar(&o.bin, "bin", "", "zaffre binary; built if it is not given")
	out := f.String("log", "", "file for the log; chaos-links.log in the cache folder if empty")
	f.BoolVar(&o.keep, "keep", false, "keep the data folder")
	if err := f.Parse(args); err != nil {
		return 0, err
	}
	o.seed = cmp.Or(o.seed, uint64(time.Now().UnixNano()))
	return logged(*out, "chaos-links.log", func(talk *log.Logger) (int, error) {
		o.log = talk
		return runLinks(ctx, o)
	})
}

// logged has a trial talk to a file, and here.
func logged(out, name string, trial func(*log.Logger) (int, error)) (int, error) {
	cache, err := rig.Cache()
	if err != nil {
		return 0, err
	}
	file, err := os.Create(cmp.Or(out, filepath.Join(cache, name)))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	talk := log.New(io.MultiWriter(file, os.Stderr), "", log.Ltime)
	talk.Printf("log %s", file.Name())
	return trial(talk)
}
