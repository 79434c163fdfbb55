package hostagent

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// gatherScript asks all at once: one session, one round trip.
//
//go:embed gather.sh
var gatherScript string

const (
	gatherWithin = 15 * time.Second
	maxFacts     = 64 << 10
)

// Facts are what a machine says of itself, in lines KEY=VALUE.
type Facts struct {
	One   map[string]string
	Many  map[string][]string      // all lines of a key
	took  map[string]time.Duration // by the section's name
	clock time.Duration            // how far the machine's clock is ahead
}

// gather runs the script.
func (p Place) gather(ctx context.Context) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, gatherWithin)
	defer cancel()
	out := &capped{}
	errs := &capped{}
	begin := time.Now()
	exit, err := p.Script(ctx, workScript+gatherScript, []string{p.Work}, driver.Stdio{Out: out, Err: errs})
	if err != nil {
		return Facts{}, err
	}
	f := ParseFacts(out.text.String())
	if _, whole := f.took["end"]; !whole {
		return f, &fault.Error{
			Code: fault.Precondition, Reason: "ShellUnusable", What: "no command can be run on the machine",
			Why: fmt.Sprintf("its shell began the preflight's script and ended before the end, with code %d", exit),
			Fix: "see whether the user's processes are limited (ulimit -a), or something kills them", Evidence: []string{strconv.Quote(errs.text.String())},
		}
	}
	if at, ok := parseTime(f.One["time"]); ok {
		f.clock = at.Sub(begin)
		if end := time.Now(); f.clock > 0 { // it was asked somewhere between begin and end
			f.clock = max(0, at.Sub(end))
		}
	}
	return f, nil
}

// capped keeps the beginning of what is written.
type capped struct{ text strings.Builder }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxFacts - c.text.Len(); room > 0 {
		c.text.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// ParseFacts reads such lines. What is none of them is left out.
func ParseFacts(out string) Facts {
	f := Facts{One: map[string]string{}, Many: map[string][]string{}, took: map[string]time.Duration{}}
	section, since := "", 0.0
	for line := range strings.Lines(out) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !ok {
			continue
		}
		value = strings.ToValidUTF8(value, "?")
		if key != "at" {
			f.One[key] = value
			f.Many[key] = append(f.Many[key], value)
			continue
		}
		name, up, _ := strings.Cut(value, " ")
		now, err := strconv.ParseFloat(up, 64)
		if err != nil || math.IsNaN(now) || math.IsInf(now, 0) {
			continue
		}
		f.took[section] = time.Duration(max(0, min(now-since, 60)) * float64(time.Second))
		section, since = name, now
	}
	if section != "" {
		f.took[section] += 0
	}
	return f
}

// parseTime reads seconds with or without a fraction: not every date knows %N.
func parseTime(s string) (time.Time, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nano, err := strconv.ParseInt(frac, 10, 64)
	if err != nil || len(frac) != 9 {
		nano = int64(500 * time.Millisecond)
	}
	return time.Unix(sec, nano), true
}

// Number returns a fact that is one; 0 if it is none.
func (f Facts) Number(key string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(f.One[key]), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Took returns for how long the script was in a section, which begins with a line at=NAME UPTIME.
func (f Facts) Took(section string) time.Duration { return f.took[section] }

// Has reports whether a fact is there and not empty.
func (f Facts) Has(key string) bool { return f.One[key] != "" }
