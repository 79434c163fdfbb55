package quickstart

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/cli/run"
)

// result is what one run's training left in outputs/metrics.json.
type result struct {
	Run      string  `json:"run"`
	Gamma    float64 `json:"gamma"`
	Accuracy float64 `json:"accuracy"`
}

// results reads the metrics that the runs left.
func (q *tour) results(ctx context.Context, s *frame.Session) ([]result, error) {
	var out []result
	for _, r := range q.runs {
		file, err := s.OpenArtifact(ctx, s.WS, r.ID, "outputs/metrics.json", 0)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(io.LimitReader(file, 1<<20))
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("read outputs/metrics.json of %s: %w", r.ID, err)
		}
		res := result{Run: r.ID}
		if err := json.Unmarshal(b, &res); err != nil {
			return nil, fmt.Errorf("read outputs/metrics.json of %s: %w", r.ID, err)
		}
		out = append(out, res)
	}
	return out, nil
}

func (q *tour) show(results []result) error {
	q.a.Talk("quickstart.results")
	return q.a.Print(results, q.names(), func() *frame.Table {
		t := &frame.Table{Header: []string{q.a.Say("col.run"), "GAMMA", q.a.Say("col.accuracy")}}
		for _, r := range results {
			t.Row(r.Run, fmt.Sprintf("%g", r.Gamma), fmt.Sprintf("%.4f", r.Accuracy))
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

// keepModel downloads the files of the best run.
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
	return nil
}
