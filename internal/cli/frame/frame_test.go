package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/text"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func app(out *bytes.Buffer, format string) *frame.App {
	return &frame.App{Stdout: out, Stderr: out, Output: format, Getenv: func(string) string { return "" }, Text: text.In(text.English)}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"submit", "list", "show", "logs", "gpu-box", "gpu-box-2"}
	for written, want := range map[string][]string{
		"sbmit": {"submit"}, "lsit": {"list"}, "LOGS": {"logs"}, "gp": {"gpu-box", "gpu-box-2"}, "gpu-bix": {"gpu-box"}, "nothing": nil, "": nil,
	} {
		if diff := cmp.Diff(want, frame.Nearest(written, names)); diff != "" {
			t.Errorf("Nearest(%q) (-want +got):\n%s", written, diff)
		}
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"abc": 3, "実行": 4, "ü": 1, "u\u0308": 1, "ｱ": 1, "🙂": 2} {
		if got := frame.Columns(s); got != want {
			t.Errorf("Columns(%q) = %d, want %d", s, got, want)
		}
	}
}

// TestTable checks that columns stand under each other, wide letters or not, and that a name cannot
// break out of its line.
func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := app(&out, "table").Print(nil, nil, func() *frame.Table {
		tab := &frame.Table{Header: []string{"NAME", "STATE"}}
		tab.Row("実験", "Running")
		tab.Row("a\nb\x1b[31m", "Failed")
		return tab
	})
	want := "NAME      STATE\n実験      Running\na·b·[31m  Failed\n"
	if diff := cmp.Diff(want, out.String()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	tab := &frame.Table{Header: []string{"RUN", "COMMAND", "STATE"}}
	tab.Row("4kz7q2ab", "python train.py --with many --arguments that go on and on", "Completed")
	for _, width := range []int{40, 60, 200} {
		var out bytes.Buffer
		if err := tab.Write(app(&out, "table"), &out, width); err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(out.Bytes()) {
			if n := frame.Columns(string(bytes.TrimRight(line, "\n"))); n > width {
				t.Errorf("width %d: a line takes %d columns: %s", width, n, line)
			}
		}
	}
}

// TestYAML checks that YAML has the names and the order of JSON, and that text stays text.
func TestYAML(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := struct {
		Zebra string            `json:"zebra"`
		Apple []string          `json:"apple"`
		Tags  map[string]string `json:"tags"`
	}{"1.10", []string{"yes", "two\nlines"}, map[string]string{}}
	if err := app(&out, "yaml").Print(v, nil, nil); err != nil {
		t.Fatal(err)
	}
	want := "zebra: \"1.10\"\napple:\n  - \"yes\"\n  - |-\n    two\n    lines\ntags: {}\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	notFound := &fault.Error{Code: fault.NotFound, Reason: "X", What: "x", Why: "y", Fix: "z"}
	tests := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("any"), 1},
		{&client.Fault{Code: client.CodeUnavailable}, 1},
		{frame.Usage(notFound), 2},
		{fmt.Errorf("doing: %w", notFound), 3},
		{&client.Fault{Code: client.CodeDenied}, 4},
		{&client.Fault{Code: client.CodeUnauthorized}, 4},
		{frame.Exit(frame.ExitInterrupted), 130},
	}
	for _, tt := range tests {
		if got := frame.ExitCode(tt.err); got != tt.want {
			t.Errorf("ExitCode(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		1500 * time.Millisecond: "1.5s", 90 * time.Second: "90s", 45 * time.Minute: "45m", 30 * time.Hour: "30h", 72 * time.Hour: "3d",
	} {
		if got := frame.Span(d); got != want {
			t.Errorf("Span(%s) = %s, want %s", d, got, want)
		}
	}
}

// TestFlagValue: who mistypes a value reads what it should be.
func TestFlagValue(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"--count=x", `--count takes a whole number, and "x" is none`},
		{"--within=5x", `--within takes a time like 90s, 15m or 2h30m, and "5x" is none`},
		{"--quiet=maybe", `--quiet takes true or false, and "maybe" is none`},
		{"--share=x", `--share takes a number, and "x" is none`},
		{"--cuont=3", "unknown flag: --cuont"},
	} {
		var out bytes.Buffer
		cmd := app(&out, "table").Command("run.list", "list", nil, nil)
		cmd.Flags().Int("count", 0, "")
		cmd.Flags().Duration("within", 0, "")
		cmd.Flags().Bool("quiet", false, "")
		cmd.Flags().Float64("share", 0, "")
		f := fault.From(cmd.FlagErrorFunc()(cmd, cmd.ParseFlags([]string{c[0]})))
		if f.Reason != "FlagInvalid" || f.Why != c[1] {
			t.Errorf("%s: %s: %s, want %s", c[0], f.Reason, f.Why, c[1])
		}
	}
}
