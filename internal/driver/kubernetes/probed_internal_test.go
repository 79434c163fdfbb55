package kubernetes

import (
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// TestProbed: how long it counts what a probe has shown.
func TestProbed(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	known := probed{}
	for _, tt := range []struct {
		after     time.Duration
		ok, stays bool
		want      time.Duration
		why       string
	}{
		{0, true, false, time.Hour, "all is well"},
		{time.Hour, false, false, time.Minute, "it was just found"},
		{61 * time.Minute, false, false, time.Minute, "it is as old"},
		{65 * time.Minute, false, false, 5 * time.Minute, "it stays so"},
		{65 * time.Minute, false, true, 0, "the probe is still there"},
		{5 * time.Hour, false, false, 10 * time.Minute, "it has been so for long"},
		{6 * time.Hour, true, false, time.Hour, "it is well again"},
		{7 * time.Hour, false, false, time.Minute, "it is another time"},
	} {
		at := start.Add(tt.after)
		known = known.next(driver.Observation{Observed: at, Checks: []driver.Check{{OK: tt.ok}}}, tt.stays)
		if got := known.until.Sub(at); got != tt.want {
			t.Errorf("at %v it counts for %v, want %v: %s", tt.after, got, tt.want, tt.why)
		}
	}
}

// TestProbedAge: who is shown what was seen a while ago is told so.
func TestProbedAge(t *testing.T) {
	t.Parallel()
	at := time.Now()
	known := probed{}.next(driver.Observation{Observed: at, Checks: []driver.Check{{Name: "exec", OK: true, Evidence: []string{"well"}}}, Facts: map[string]string{"egress": "far"}}, false)
	for age, want := range map[time.Duration]string{time.Second: "well", 17*time.Minute + time.Second: "well (17 min ago)"} {
		l := &look{driver.Observation{Facts: map[string]string{}}}
		known.show(l, at.Add(age))
		if got := l.Checks[0].Evidence[0]; got != want || l.Facts["egress"] != "far" {
			t.Errorf("after %v it is %q, facts %v", age, got, l.Facts)
		}
	}
}
