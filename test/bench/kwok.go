package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	fakeNodes  = 50
	engineRuns = 100 // that the server gives to a cluster at once; the others wait at the server. Source: internal/run
	flatGoal   = 1.0 // requests a second that the most runs may cost more than the fewest
)

// traffic is what the API server has done for the resources that runs are made of, as it counts itself.
type traffic struct {
	requests, bytes, events, cpu, ours float64
	at                                 time.Time
}

// sample is a line of its metrics.
var sample = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? (\S+)$`)

// look reads the counters. Only we get and list these; controllers, nodes and kwok watch them.
func (c *kube) look(ctx context.Context, s *rig.Server) (t traffic, err error) {
	text, err := c.kubectl(ctx, "", "get", "--raw", "/metrics")
	if err != nil {
		return t, err
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := sample.FindStringSubmatch(lines.Text()); m != nil {
			t.add(m[1], m[2], m[3])
		}
	}
	own, _ := rig.Look(s.PID)
	t.ours, t.at = own.Own.Seconds(), time.Now()
	return t, lines.Err()
}

func (t *traffic) add(name, labels, value string) {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return
	}
	reads := (strings.Contains(labels, `verb="GET"`) || strings.Contains(labels, `verb="LIST"`) || strings.Contains(labels, `verb="WATCH"`)) && runsAre(labels)
	switch {
	case name == "process_cpu_seconds_total":
		t.cpu += v
	case name == "apiserver_request_total" && reads:
		t.requests += v
	case name == "apiserver_response_sizes_sum" && reads:
		t.bytes += v
	case name == "apiserver_watch_events_total" && runsAre(labels):
		t.events += v
	}
}

// runsAre reports whether a sample is of a resource that runs are made of.
func runsAre(labels string) bool {
	return slices.ContainsFunc([]string{"jobs", "pods", "events", "configmaps"}, func(r string) bool { return strings.Contains(labels, `resource="`+r+`"`) })
}

// since returns what happened in a second.
func (t traffic) since(was traffic) traffic {
	s := t.at.Sub(was.at).Seconds()
	return traffic{requests: (t.requests - was.requests) / s, bytes: (t.bytes - was.bytes) / s, events: (t.events - was.events) / s, cpu: (t.cpu - was.cpu) / s, ours: (t.ours - was.ours) / s}
}

func (t traffic) String() string {
	return fmt.Sprintf("%.1f requests, %.1f kB and %.1f watch events a second; %.1f %% of a core for the API server, %.1f %% for zaffre", t.requests, t.bytes/1e3, t.events, 100*t.cpu, 100*t.ours)
}

// waiting has many runs wait on fake nodes, and asks the API server what that costs it.
func (c *kube) waiting(ctx context.Context, b *bench, s *rig.Server) (out []Figure, err error) {
	if err := kwok(ctx, fakeNodes); err != nil {
		return nil, err
	}
	defer func() { _ = kwok(context.WithoutCancel(ctx), 0) }()
	var names []string
	var few float64
	for _, n := range []int{10, 100, 500} {
		began := time.Now()
		for len(names) < n {
			r, err := s.C.Submit(ctx, s.WS, c.onFakeNodes())
			if err != nil {
				return out, err
			}
			names = append(names, r.ID)
		}
		if err := c.made(ctx, min(n, engineRuns)); err != nil {
			return out, err
		}
		took := time.Since(began)
		t, err := c.settled(ctx, s, time.Duration(b.times(60, 20))*time.Second)
		if err != nil {
			return out, err
		}
		if n == 10 {
			few = t.requests
		}
		out = append(out, Figure{
			What: fmt.Sprintf("API server's work for %d runs that wait on a cluster of %d fake nodes", n, fakeNodes), Zaffre: fmt.Sprintf("%.1f requests a second", t.requests),
			Goal: "flat", OK: new(t.requests <= few+flatGoal), Note: fmt.Sprintf("%s; pods were there %.1f s after the first submit; load %.1f", t, took.Seconds(), loadAverage()),
			Values: map[string]float64{"requests": t.requests, "bytes": t.bytes, "events": t.events, "apiserver_cpu": t.cpu, "zaffre_cpu": t.ours},
		})
	}
	return out, nil
}

// kwok has the cluster have that many fake nodes.
func kwok(ctx context.Context, n int) error {
	out, err := exec.CommandContext(ctx, "bash", os.Getenv("ENGINES_KUBERNETES"), "kwok", strconv.Itoa(n)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kwok: %w: %s", err, out)
	}
	return nil
}

// onFakeNodes asks for a run that goes there and nowhere else.
func (c *kube) onFakeNodes() client.RunRequest {
	r := command("true")
	r.Compute = "k8s"
	r.Options = map[string]any{"nodeSelector": map[string]any{"type": "kwok"}, "tolerations": []any{map[string]any{"key": "kwok", "operator": "Exists"}}}
	return r
}

// made waits until so many runs have their pods.
func (c *kube) made(ctx context.Context, n int) error {
	for {
		out, err := c.kubectl(ctx, "", "get", "pods", "-o", "name")
		if err != nil || strings.Count(out, "\n") >= n {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// settled measures for a while, after what making them set off.
func (c *kube) settled(ctx context.Context, s *rig.Server, d time.Duration) (t traffic, err error) {
	if err := pause(ctx, 15*time.Second); err != nil {
		return t, err
	}
	was, err := c.look(ctx, s)
	if err != nil {
		return t, err
	}
	if err := pause(ctx, d); err != nil {
		return t, err
	}
	now, err := c.look(ctx, s)
	return now.since(was), err
}
