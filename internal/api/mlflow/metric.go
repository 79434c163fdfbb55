package mlflow

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// pageOf is how many points are read at once.
const pageOf = 50_000

// packed is a point without its name.
type packed struct {
	value    float64
	step, ms int64
}

// comparePacked is the order in which MLflow's server answers: by time, step and value.
// Source: mlflow/store/tracking/sqlalchemy_store.py, 3.17.
func comparePacked(x, y packed) int {
	return cmp.Or(cmp.Compare(x.ms, y.ms), cmp.Compare(x.step, y.step), cmp.Compare(x.value, y.value))
}

// series reads points of a metric from a position on; limit 0 is all.
func (a *api) series(ctx context.Context, k store.Key, name string, skip, limit int) ([]packed, error) {
	r, err := a.Runs.Get(ctx, k)
	if err != nil {
		return nil, err
	}
	var out []packed
	for {
		n := pageOf
		if limit > 0 {
			n = min(n, limit-len(out))
		}
		page, err := a.Metrics.Series(ctx, r.ID, name, skip+len(out), n)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			if p.Kind == metric.Scalar || p.Kind == "" {
				out = append(out, packed{p.Value, p.Step, p.Time.UnixMilli()})
			}
		}
		if len(page) < n || limit > 0 && len(out) >= limit {
			return out, nil
		}
	}
}

type historyRequest struct {
	runID
	Key  string   `json:"metric_key"`
	Max  *integer `json:"max_results"`
	Page string   `json:"page_token"`
}

// getHistory answers with points in MLflow's order. Most metrics are logged in that order: then a page is
// read by its position ("p" in the token), and otherwise the whole is sorted for each ("s").
func (a *api) getHistory(w http.ResponseWriter, c call) error {
	in, err := decode[historyRequest](c.Request)
	if err != nil {
		return err
	}
	id, err := in.check()
	if err != nil {
		return err
	}
	if in.Key == "" {
		return missing("metric_key")
	}
	limit := 0
	if in.Max != nil {
		if limit = int(*in.Max); limit <= 0 {
			return invalid("max_results", strconv.Itoa(limit), "It must be a positive integer")
		}
	}
	points, next, err := a.historyPage(c.Context(), a.key(c, id), in.Key, in.Page, limit)
	if err == nil {
		writeHistory(w, in.Key, points, next)
	}
	return err
}

func (a *api) historyPage(ctx context.Context, k store.Key, name, token string, limit int) (page []packed, next string, err error) {
	from := 0
	if token != "" {
		if from, err = strconv.Atoi(token[1:]); err != nil || from < 0 || !strings.ContainsRune("ps", rune(token[0])) {
			return nil, "", invalid("page_token", `"`+shortened(token)+`"`, "it is none that this server gave")
		}
	}
	if strings.HasPrefix(token, "p") && limit > 0 {
		page, err = a.series(ctx, k, name, from, limit+1)
		return cutPage(page, "p", 0, from, limit, err)
	}
	all, err := a.series(ctx, k, name, 0, 0)
	mark := "p"
	if !slices.IsSortedFunc(all, comparePacked) {
		slices.SortStableFunc(all, comparePacked)
		mark = "s"
	}
	return cutPage(all, mark, min(from, len(all)), from, limit, err)
}

func cutPage(all []packed, mark string, at, from, limit int, err error) ([]packed, string, error) {
	all = all[at:]
	if err != nil || limit <= 0 || len(all) <= limit {
		return all, "", err
	}
	return all[:limit], mark + strconv.Itoa(from+limit), nil
}

// writeHistory streams the answer.
func writeHistory(w http.ResponseWriter, name string, points []packed, next string) {
	w.Header().Set("Content-Type", "application/json")
	key := appendString(nil, name)
	b := make([]byte, 0, 64<<10)
	out := httpx.Download(w)
	b = append(b, '{')
	if len(points) > 0 {
		b = append(b, `"metrics":[`...)
	}
	for i, p := range points {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPoint(b, key, p)
		b = append(b, '}')
		if len(b) > 60<<10 {
			if _, err := out.Write(b); err != nil {
				return // the caller has gone
			}
			b = b[:0]
		}
	}
	if len(points) > 0 {
		b = append(b, ']')
	}
	if next != "" {
		if len(points) > 0 {
			b = append(b, ',')
		}
		b = append(b, `"next_page_token":`...)
		b = appendString(b, next)
	}
	_, _ = out.Write(append(b, '}')) // the caller may have gone
}

// appendPoint appends a point without the closing brace.
func appendPoint(b, key []byte, p packed) []byte {
	b = append(b, `{"key":`...)
	b = append(b, key...)
	b = append(b, `,"value":`...)
	b = appendDouble(b, p.value)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, p.ms, 10)
	b = append(b, `,"step":`...)
	return strconv.AppendInt(b, p.step, 10)
}

type intervalRequest struct {
	IDs   []string `json:"run_ids"`
	Key   string   `json:"metric_key"`
	Start *integer `json:"start_step"`
	End   *integer `json:"end_step"`
	Max   *integer `json:"max_results"`
}

// getInterval answers with at most max_results points of each run, spread evenly over the steps.
func (a *api) getInterval(c call) (any, error) {
	in, err := decode[intervalRequest](c.Request)
	switch {
	case err != nil:
		return nil, err
	case len(in.IDs) == 0:
		return nil, missing("run_ids")
	case len(in.IDs) > 100:
		return nil, invalid("run_ids", strconv.Itoa(len(in.IDs))+" runs", "it must be at most 100 run_ids")
	case in.Max != nil && (*in.Max < 1 || *in.Max > 2500):
		return nil, invalid("max_results", strconv.Itoa(int(*in.Max)), "max_results must be between 1 and 2500")
	case in.Key == "":
		return nil, missing("metric_key")
	case (in.Start == nil) != (in.End == nil):
		return nil, invalid("start_step", "one of two", "start_step and end_step must both be specified")
	case in.Start != nil && *in.Start > *in.End:
		return nil, invalid("end_step", strconv.Itoa(int(*in.End)), "end_step must be greater than start_step")
	}
	most := 2500
	if in.Max != nil {
		most = int(*in.Max)
	}
	out := struct {
		Metrics []wireMetric `json:"metrics,omitempty"`
	}{}
	for _, id := range in.IDs {
		all, err := a.series(c.Context(), a.key(c, id), in.Key, 0, 0)
		if err != nil {
			return nil, err
		}
		if in.Start != nil {
			all = slices.DeleteFunc(all, func(p packed) bool { return p.step < int64(*in.Start) || p.step > int64(*in.End) })
		}
		for _, p := range spread(all, most) {
			out.Metrics = append(out.Metrics, wireMetric{Key: in.Key, Value: double(p.value), Timestamp: p.ms, Step: p.step, RunID: id})
		}
	}
	return out, nil
}

// spread picks at most n points by their steps, with the first and the last.
func spread(all []packed, n int) []packed {
	slices.SortStableFunc(all, func(x, y packed) int { return cmp.Or(cmp.Compare(x.step, y.step), cmp.Compare(x.ms, y.ms)) })
	if len(all) <= n {
		return all
	}
	out := make([]packed, n)
	for i := range out {
		out[i] = all[i*len(all)/n]
	}
	out[n-1] = all[len(all)-1]
	return out
}
