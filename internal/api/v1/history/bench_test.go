package history_test

import (
	"fmt"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/run"
)

// BenchmarkPoll is one poll of the details of a run that ended, as wait_for_completion makes them.
func BenchmarkPoll(b *testing.B) {
	r := newRig(b)
	v := r.Await(b, r.Submit(b, "echo", "x"), run.Completed)
	for b.Loop() {
		r.must(b, "GET", "/experiments/Default/runs/"+v.Name+"/details", "")
	}
}

// BenchmarkQuery lists the newest 500 of 2,000 runs, as Experiment.get_runs does.
func BenchmarkQuery(b *testing.B) {
	r := newRig(b)
	for i := range 2000 {
		r.must(b, "PATCH", fmt.Sprintf("/experiments/e/runs/r%d", i), fmt.Sprintf(`{"status":"Running","tags":{"fold":"%d"},"properties":{"p":"%d"}}`, i%10, i%100))
	}
	for _, c := range []struct{ name, filter string }{
		{"all", "(ParentRunId eq null)"},
		{"by tag", `((ParentRunId eq null) and (Tags/fold eq \"3\"))`},
		{"by property", `((ParentRunId eq null) and (Properties/p eq \"3\"))`},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				r.must(b, "POST", "/experiments/e/runs:query", `{"filter":"`+c.filter+`","orderby":"StartTimeUtc desc","top":500}`)
			}
		})
	}
}
