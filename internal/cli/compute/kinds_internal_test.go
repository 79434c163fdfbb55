package compute

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// TestOptionRow: defaults stand there as one would write them.
func TestOptionRow(t *testing.T) {
	t.Parallel()
	table := &frame.Table{}
	for _, o := range []client.Option{
		{Path: "wait", Type: "duration", Default: float64(10 * time.Minute)},
		{Path: "nodes", Type: "int", Default: float64(1)},
		{Path: "name", Type: "string", Required: true},
	} {
		optionRow(table, o.Path, o)
	}
	want := [][]string{{"wait", "duration", "10m0s", ""}, {"nodes", "int", "1", ""}, {"name", "string!", "", ""}}
	if diff := cmp.Diff(want, table.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
