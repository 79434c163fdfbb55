package quickstart

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
)

// result is what one run's training logged.
type result struct {
	Run      string  `json:"run"`
	Gamma    string  `json:"gamma"`
	Accuracy float64 `json:"accuracy"`
}

// results reads what the runs logged.
func (q *tour) results(ctx context.Context, s *frame.Session) ([]result, error) {
	var out []result
	for _, r := range q.runs {
		metrics, err := s.Metrics(ctx, s.WS, r.ID)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(metrics, func(m client.Metric) bool { return m.Name == "accuracy" })
		if at < 0 {
			return nil, &client.Fault{
				Code: client.CodeNotFound, Reason: "MetricMissing", Title: "the run logged no accuracy",
				Detail: "run " + r.ID + " ended without it", Fix: "look at its log; run: zaffre run logs " + r.ID,
			}
		}
		out = append(out, result{r.ID, r.Tags["gamma"], float64(metrics[at].Value)})
	}
	return out, nil
}

func (q *tour) show(results []result) error {
	q.a.Talk("quickstart.results")
	return q.a.Print(results, q.names(), func() *frame.Table {
		t := &frame.Table{Header: []string{q.a.Say("col.run"), "GAMMA", q.a.Say("col.accuracy")}}
		for _, r := range results {
			t.Row(r.Run, r.Gamma, fmt.Sprintf("%.4f", r.Accuracy))
		}
		return t
	})
}

func (q *tour) names() []string {
	var ids []string
	for _, r := range q.runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func best(results []result) result {
	b := results[0]
	for _, r := range results {
		if r.Accuracy > b.Accuracy {
			b = r
		}
	}
	return b
}

// keepModel downloads the files of the best run, and registers its model.
func (q *tour) keepModel(ctx context.Context, s *frame.Session, r result) error {
	dir := filepath.Join(q.dir, "models", r.Run)
	if _, err := run.Download(ctx, q.a, s, r.Run, "outputs/", dir); err != nil {
		return err
	}
	model := filepath.Join(dir, "outputs", "model.joblib")
	info, err := os.Stat(model)
	if err != nil {
		return &client.Fault{
			Code: client.CodeNotFound, Reason: "ModelMissing", Title: "the run left no model", Detail: err.Error(), Fix: "look at the run; run: zaffre run show " + r.Run,
		}
	}
	q.a.Talk("quickstart.model", r.Accuracy, model, frame.Bytes(info.Size()))
	v, err := s.RegisterModel(ctx, s.WS, experiment, client.ModelVersionRequest{
		Request: r.Run, Run: r.Run, Path: "outputs/model.joblib", Framework: "scikit-learn",
		Properties: map[string]string{"accuracy": fmt.Sprintf("%.4f", r.Accuracy)},
	})
	if err != nil {
		return err
	}
	q.a.Talk("quickstart.registered", v.Model, v.Version)
	return nil
}
