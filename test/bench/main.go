// Command bench measures zaffre beside the bare tool or a peer, in the same run on the same machine,
// and compares with the goals of docs/benchmarks.md. It is no test: a figure that falls short fails
// nothing. Run it with "make bench", or one figure with "go run ./test/bench -only load".
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/test/rig"
)

// Figure is one line of the result. Values are milliseconds, unless their name says otherwise.
type Figure struct {
	Name   string             `json:"name"`
	What   string             `json:"what"`
	Zaffre string             `json:"zaffre"`
	Peer   string             `json:"peer,omitempty"`
	Ratio  string             `json:"ratio,omitempty"`
	Goal   string             `json:"goal,omitempty"`
	OK     *bool              `json:"ok,omitempty"`
	Note   string             `json:"note,omitempty"`
	Values map[string]float64 `json:"values,omitempty"`
}

// bench is what the measurements share.
type bench struct {
	root, bin, scratch, cache, python string
	short                             bool
	servers                           []*rig.Server
}

// measurement makes some figures.
type measurement struct {
	name string
	run  func(context.Context, *bench) ([]Figure, error)
}

func measurements() []measurement {
	return []measurement{
		{"start", start},
		{"python", firstLine},
		{"jobs", jobs},
		{"load", load},
		{"log", logLag},
		{"resubmit", resubmit},
		{"environment", environment},
		{"images", images},
		{"store", storeSize},
		{"queue", longQueue},
		{"arm", armTimes},
		{"tracking", tracking},
		{"relay", relayed},
		{"transfer", transfer},
		{"attached", attached},
		{"remote", remote},
		{"v1", sdkV1},
		{"slurm", slurmRuns},
		{"spark", sparkRuns},
		{"livy", livyRuns},
		{"usql", usqlRuns},
		{"kubernetes", kubernetesRuns},
		{"kwok", kwokRuns},
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == reaperVerb {
		os.Exit(reap(os.Args[2:]))
	}
	only := flag.String("only", "", "names of figures, separated by commas")
	short := flag.Bool("short", false, "fewer repetitions")
	bin := flag.String("bin", "", "zaffre binary; built if empty")
	md := flag.Bool("markdown", false, "print the table as docs/benchmarks.md has it")
	out := flag.String("json", "", "file for the figures; bench.json in the cache folder if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := all(ctx, *only, *bin, *out, *short, *md); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func all(ctx context.Context, only, bin, out string, short, markdown bool) error {
	b, err := prepare(ctx, bin, short)
	if err != nil {
		return err
	}
	defer b.sweep()
	var figures []Figure
	var failed error
	for _, m := range measurements() {
		if only != "" && !slices.Contains(strings.Split(only, ","), m.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", m.name)
		some, err := m.run(ctx, b)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
			fmt.Fprintln(os.Stderr, m.name+":", err)
		}
		for i := range some {
			some[i].Name = m.name
		}
		table(os.Stderr, some)
		figures = append(figures, some...)
	}
	fmt.Println(machine())
	if markdown {
		markdownTable(os.Stdout, figures)
	} else {
		table(os.Stdout, figures)
	}
	return errors.Join(failed, save(cmp.Or(out, filepath.Join(b.cache, "bench.json")), figures))
}

func prepare(ctx context.Context, bin string, short bool) (*bench, error) {
	root, err := rig.Root()
	if err != nil {
		return nil, err
	}
	b := &bench{root: root, bin: bin, short: short}
	if b.bin == "" {
		if b.bin, err = rig.Build(ctx, root); err != nil {
			return nil, err
		}
	}
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return nil, err
	}
	if b.python, err = rig.Python(ctx, "python3"); err != nil {
		return nil, err
	}
	if b.cache, err = rig.Cache(); err != nil {
		return nil, err
	}
	b.scratch, err = rig.Scratch("zaffre-bench")
	return b, err
}

// serve starts a server on a data folder of its own.
func (b *bench) serve(ctx context.Context, o rig.Options) (*rig.Server, error) {
	if o.Data == "" {
		o.Data = filepath.Join(b.scratch, fmt.Sprintf("data%d", len(b.servers)))
	}
	port, err := rig.Port()
	if err != nil {
		return nil, err
	}
	o.Bin, o.Port = b.bin, cmp.Or(o.Port, port)
	s, err := rig.Start(ctx, o)
	if err == nil {
		b.servers = append(b.servers, s)
	}
	return s, err
}

// sweep ends and removes what is left.
func (b *bench) sweep() {
	for _, s := range b.servers {
		s.Sweep()
	}
	rig.Sweep(b.scratch)
}

// times returns how often to repeat.
func (b *bench) times(n, short int) int {
	if b.short {
		return short
	}
	return n
}

func save(path string, figures []Figure) error {
	b, err := json.MarshalIndent(map[string]any{"time": time.Now().UTC(), "machine": machine(), "figures": figures}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "figures are in", path)
	return nil
}

// ms writes a duration in milliseconds.
func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	if v < 10 {
		return fmt.Sprintf("%.2f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ratio(a, b time.Duration) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}

// middle and late are the percentiles that most figures show.
func middle(s []time.Duration) time.Duration { return rig.Percentile(s, 50) }
func late(s []time.Duration) time.Duration   { return rig.Percentile(s, 95) }
