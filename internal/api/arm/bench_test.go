package arm_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkARM reads in a workspace of 1,000 compute targets.
func BenchmarkARM(b *testing.B) {
	r := newRig(b)
	r.fill(b, 1000)
	for _, bench := range []struct{ name, line string }{
		{"get", "GET {ws}/computes/vm-0500?api-version=2020-02-02"},
		{"list", "GET {ws}/computes?api-version=2020-02-02"},
		{"operation", "GET {ws}/computes/vm-0500/operations/x.1.attach"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if w := r.do(b, bench.line, ""); w.Code != http.StatusOK {
					b.Fatalf("%d: %s", w.Code, w.Body)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
