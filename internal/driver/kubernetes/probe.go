package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// What a probe has shown counts for a while, so that a target that is looked at each minute costs no pod each minute.
// What is not well is tried again sooner, and more rarely the longer it stays so.
const (
	goodFor   = time.Hour
	badFor    = time.Minute
	badAtMost = 10 * time.Minute
)

// probed is what the last probe showed.
type probed struct {
	driver.Observation           // its checks and facts, and when
	bad                time.Time // since when something is wrong; zero: nothing is
	until              time.Time // so long it counts
}

// next is what is known when another probe has shown something; again: it is to be asked once more.
func (p probed) next(o driver.Observation, again bool) probed {
	out := probed{Observation: o, until: o.Observed.Add(goodFor)}
	if !slices.ContainsFunc(o.Checks, func(c driver.Check) bool { return !c.OK }) {
		return out
	}
	if out.bad = p.bad; p.bad.IsZero() {
		out.bad = o.Observed
	}
	out.until = o.Observed.Add(min(max(o.Observed.Sub(out.bad), badFor), badAtMost))
	if again {
		out.until = o.Observed
	}
	return out
}

// show adds it to an observation, and says how old it is.
func (p probed) show(l *look, now time.Time) {
	minutes := int(now.Sub(p.Observed).Minutes())
	for _, c := range p.Checks {
		if minutes > 0 && len(c.Evidence) > 0 {
			c.Evidence = slices.Clone(c.Evidence)
			c.Evidence[0] += fmt.Sprintf(" (%d min ago)", minutes)
		}
		l.Checks = append(l.Checks, c)
	}
	maps.Copy(l.Facts, p.Facts)
}

// probes makes the checks image, exec and egress, or says what they have shown a while ago. Where they cannot be made the
// fact "probe" says why. None is required: runs may name other images.
func (c *conn) probes(ctx context.Context, l *look, nodes error) {
	if why := c.unprobed(nodes); why != "" {
		l.Facts["probe"] = "not made: " + why
		return
	}
	select {
	case c.probing <- struct{}{}:
	case <-ctx.Done():
		l.Facts["probe"] = "not made: the time for it ran out"
		return
	}
	defer func() { <-c.probing }()
	if time.Now().After(c.probed.until) {
		t := c.try(ctx)
		again := t.stays()
		if !again {
			t.end(ctx)
		}
		c.probed = c.probed.next(t.Observation, again || ctx.Err() != nil)
	}
	c.probed.show(l, time.Now())
}

// unprobed says why no probe is made, if none is; nodes is what became of the check of that name.
func (c *conn) unprobed(nodes error) string {
	switch {
	case c.image == "":
		return "the target names no image, and its runs do"
	case fault.ReasonOf(nodes) == "NodesUnschedulable" && len(c.types.types[c.types.usual].Tolerations) == 0:
		return "no node takes pods"
	}
	return ""
}
