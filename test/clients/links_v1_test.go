package clients_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

// stepsAway is how many steps of a tenth of a second v1_away.py makes.
const stepsAway = 200

// TestV1LogsWhileTheServerIsKilled: azureml-core and MLflow log in one script, whose server is killed in the middle and is
// away for 25 seconds. The script ends well, and each value is there once and in order.
func TestV1LogsWhileTheServerIsKilled(t *testing.T) {
	t.Parallel()
	python := venv(t, "v1-mlflow-3.11", "3.11", "azureml-core==1.61.0.post4", "mlflow-skinny==3.17.2", "setuptools<81")
	text, err := os.ReadFile("testdata/v1_away.py")
	if err != nil {
		t.Fatal(err)
	}
	b := mortalServer(t, sameUser)
	if b.profile, err = client.Load(b.options.Data); err != nil {
		t.Fatal(err)
	}
	b.bundle(t)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{
		Name: "away", Compute: "server", Command: []string{python, "-c", strings.ReplaceAll(string(text), "STEPS", fmt.Sprint(stepsAway))},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first points", func() bool { return b.points(t, r.ID, "m") >= 20 })
	b.kill()
	<-time.After(25 * time.Second) // for so long it is away; the script waits at its tag in the middle
	b.start(t)
	log := b.finished(t, r.ID, "Completed")
	t.Log(lastLines(log, 5))
	holds(t, log, "FLUSHED at once")
	for _, name := range []string{"m", "b"} {
		b.inOrder(t, r.ID, name, stepsAway)
	}
	var kept int
	if _, after, found := strings.Cut(log, "KEPT "); !found {
		t.Errorf("the log is %s", log)
	} else if _, err := fmt.Sscan(after, &kept); err != nil || kept < 40 {
		t.Errorf("%d requests were kept, %v", kept, err)
	}
	said := b.must(t, script{python: python, text: `
import json
from azureml.core import Workspace
run = Workspace.from_config().get_run("away")
print(json.dumps({"metrics": run.get_metrics(), "tags": {k: run.tags.get(k) for k in ("before", "meanwhile", "after")}}))
`})
	var got, want awayRun
	if err := json.Unmarshal([]byte(lastLines(said, 1)), &got); err != nil {
		t.Fatal(err, said)
	}
	want.Tags = map[string]string{"before": "1", "meanwhile": "2", "after": "3"}
	for step := range stepsAway {
		n := float64(step)
		want.Metrics.Loss, want.Metrics.M = append(want.Metrics.Loss, 1/(n+1)), append(want.Metrics.M, n)
		want.Metrics.Row.X, want.Metrics.Row.Y = append(want.Metrics.Row.X, n), append(want.Metrics.Row.Y, n/2)
		if step%10 == 0 {
			want.Metrics.List = append(want.Metrics.List, n, n+1, n+2)
		}
	}
	want.Metrics.B, want.Metrics.Numbered = want.Metrics.M, want.Metrics.M
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what azureml-core reads (-want +got):\n%s", diff)
	}
}

// awayRun is what v1_away.py leaves, as azureml-core reads it.
type awayRun struct {
	Metrics struct {
		Loss, Numbered, M, B, List []float64
		Row                        struct{ X, Y []float64 }
	}
	Tags map[string]string
}

// points returns how many points a metric has.
func (b *box) points(t testing.TB, id, name string) int64 {
	t.Helper()
	list, _ := b.Metrics(t.Context(), "default", id) // there may be none yet
	for _, m := range list {
		if m.Name == name {
			return m.Points
		}
	}
	return 0
}
