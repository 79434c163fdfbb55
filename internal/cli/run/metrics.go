package run

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/chart"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// metricsOptions are the flags of "run metrics".
type metricsOptions struct {
	last  int
	csv   bool
	watch bool
	every time.Duration
}

func metrics(a *frame.App) *cobra.Command {
	o := metricsOptions{}
	cmd := a.Command("run.metrics", "metrics RUN [NAME] [--last N] [--csv] [--watch]", cobra.RangeArgs(1, 2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		name := ""
		if len(args) > 1 {
			name = args[1]
		}
		m := metricsView{App: a, s: s, run: r, name: name, o: o}
		if !o.watch {
			return m.show(cmd.Context())
		}
		return m.watch(cmd.Context())
	})
	f := cmd.Flags()
	f.IntVar(&o.last, "last", 0, a.Say("flag.metrics.last"))
	f.BoolVar(&o.csv, "csv", false, a.Say("flag.metrics.csv"))
	f.BoolVar(&o.watch, "watch", false, a.Say("flag.metrics.watch"))
	f.DurationVar(&o.every, "every", 2*time.Second, a.Say("flag.metrics.every"))
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

// metricsView shows the metrics of a run, or the points of one.
type metricsView struct {
	*frame.App
	s    *frame.Session
	run  client.Run
	name string
	o    metricsOptions
}

// watch shows the metrics again and again until the run has ended.
func (m metricsView) watch(ctx context.Context) error {
	tick := time.NewTicker(max(m.o.every, 100*time.Millisecond))
	defer tick.Stop()
	for {
		r, err := m.s.Run(ctx, m.s.WS, m.run.ID)
		if err != nil {
			return err
		}
		if frame.IsTerminal(m.Stdout) {
			fmt.Fprint(m.Stdout, "\x1b[H\x1b[2J") // from the top of an empty screen
		}
		if err := m.show(ctx); err != nil && client.CodeOf(err) != client.CodeNotFound || r.Final() {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m metricsView) show(ctx context.Context) error {
	list, err := m.s.Metrics(ctx, m.s.WS, m.run.ID)
	if err != nil {
		return err
	}
	if m.name == "" {
		if m.o.csv {
			return m.csv(latest(list))
		}
		return m.table(list)
	}
	from := 0
	if i := slices.IndexFunc(list, func(l client.Metric) bool { return l.Name == m.name }); i >= 0 && m.o.last > 0 {
		from = max(int(list[i].Points)-m.o.last, 0)
	}
	var points []client.Point
	for p, err := range m.s.Series(ctx, m.s.WS, m.run.ID, m.name, from) {
		if err != nil {
			return m.Suggest(err, m.name, func() []string { return names(list) })
		}
		points = append(points, p)
	}
	slices.SortStableFunc(points, func(a, b client.Point) int { return a.Time.Compare(b.Time) })
	switch {
	case m.o.csv:
		return m.csv(points)
	case m.Output != "table":
		return m.Print(points, values(points), nil)
	}
	return m.draw(points)
}

func latest(list []client.Metric) (out []client.Point) {
	for _, l := range list {
		out = append(out, l.Point)
	}
	return out
}

func names(list []client.Metric) (out []string) {
	for _, l := range list {
		out = append(out, l.Name)
	}
	return out
}

func values(points []client.Point) (out []string) {
	for _, p := range points {
		out = append(out, number(p))
	}
	return out
}

// number writes a point's value, to the last digit; of one that is no number, what it holds.
func number(p client.Point) string {
	if len(p.Data) > 0 {
		return string(p.Data)
	}
	return strconv.FormatFloat(float64(p.Value), 'g', -1, 64)
}

func (m metricsView) table(list []client.Metric) error {
	return m.Print(list, names(list), func() *frame.Table {
		t := &frame.Table{Header: []string{m.Say("col.metric"), m.Say("col.value"), m.Say("col.step"), m.Say("col.points"), m.Say("col.age")}}
		for _, l := range list {
			value := l.Kind
			if l.Kind == "scalar" {
				value = number(l.Point)
			}
			t.Row(l.Name, value, l.Step, l.Points, frame.Age(l.Time))
		}
		return t
	})
}

// csv writes points for spreadsheets and programs.
func (m metricsView) csv(points []client.Point) error {
	w := csv.NewWriter(m.Stdout)
	_ = w.Write([]string{"name", "step", "time", "value"})
	for _, p := range points {
		at := ""
		if !p.Time.IsZero() {
			at = p.Time.UTC().Format(time.RFC3339Nano)
		}
		_ = w.Write([]string{p.Name, strconv.FormatInt(p.Step, 10), at, number(p)})
	}
	w.Flush()
	return w.Error()
}

const (
	chartWidth  = 80 // where Stdout is no terminal
	chartHeight = 12
)

// draw shows a metric as a chart by step, or by seconds where the steps are all the same. Lists, tables
// and images are listed.
func (m metricsView) draw(points []client.Point) error {
	t := &frame.Table{Header: []string{m.Say("col.step"), m.Say("col.value"), m.Say("col.age")}}
	line, label := abscissa(points)
	c := chart.Chart{Width: cmp.Or(m.Width(), chartWidth), Height: chartHeight, ASCII: !m.unicode(), XLabel: label}
	lines := c.Draw(line)
	if lines == nil {
		for _, p := range points {
			t.Row(p.Step, number(p), frame.Age(p.Time))
		}
		return t.Write(m.App, m.Stdout, m.Width())
	}
	_, err := fmt.Fprintln(m.Stdout, strings.Join(lines, "\n"))
	if err == nil {
		_, err = fmt.Fprintln(m.Stdout, m.summary(points))
	}
	return err
}

// abscissa returns the scalars with their steps, or with the seconds since the first one.
func abscissa(points []client.Point) (line []chart.Point, label string) {
	scalars := slices.DeleteFunc(slices.Clone(points), func(p client.Point) bool { return p.Kind != "scalar" })
	steps := slices.ContainsFunc(scalars, func(p client.Point) bool { return p.Step != scalars[0].Step })
	for _, p := range scalars {
		x := float64(p.Step)
		if !steps {
			x = p.Time.Sub(scalars[0].Time).Seconds()
		}
		line = append(line, chart.Point{X: x, Y: float64(p.Value)})
	}
	if steps {
		return line, "step"
	}
	return line, "seconds"
}

// summary is the line below a chart: the lowest, the highest and the last of the values.
func (m metricsView) summary(points []client.Point) string {
	var low, high client.Point
	n, gaps := 0, 0
	for _, p := range points {
		v := float64(p.Value)
		if p.Kind != "scalar" || math.IsNaN(v) || math.IsInf(v, 0) {
			gaps++
			continue
		}
		if n == 0 || p.Value < low.Value {
			low = p
		}
		if n == 0 || p.Value > high.Value {
			high = p
		}
		n++
	}
	last := points[len(points)-1]
	s := m.Say("metrics.summary", m.name, len(points), at(low), at(high), at(last))
	if gaps > 0 {
		s += m.Say("metrics.gaps", gaps)
	}
	return s
}

func at(p client.Point) string {
	return fmt.Sprintf("%s @%d", strconv.FormatFloat(float64(p.Value), 'g', 6, 64), p.Step)
}

// unicode reports whether the terminal shows the dots of Braille: not where its locale says otherwise,
// and not on the console of Linux.
func (m metricsView) unicode() bool {
	locale := strings.ToLower(cmp.Or(m.Getenv("LC_ALL"), m.Getenv("LC_CTYPE"), m.Getenv("LANG"), "utf-8"))
	return (strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")) && m.Getenv("TERM") != "linux"
}
