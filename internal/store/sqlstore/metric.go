package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type metrics struct {
	db     *DB
	limits metric.Limits
}

// Metrics returns the store of what runs log.
func (d *DB) Metrics(l metric.Limits) metric.Store { return metrics{d, l.OrDefault()} }

// Append implements metric.Store.
func (m metrics) Append(ctx context.Context, k metric.Key, batch []metric.Point, then ...store.Effect) error {
	if len(batch) == 0 && len(then) == 0 {
		return nil
	}
	names, byName := grouped(batch)
	part := store.NextPart(ctx, "metric/"+k.Run)
	return m.db.write(ctx, func(t *tx) error {
		if err := t.admit(part); err != nil {
			return err
		}
		if err := t.lockRun(k.Run); err != nil {
			return err
		}
		a := appending{tx: t, key: k, limits: m.limits}
		if err := a.all(names, byName); err != nil {
			return err
		}
		return t.apply(then)
	})
}

// grouped returns the points by name.
func grouped(batch []metric.Point) (names []string, byName map[string][]metric.Point) {
	byName = make(map[string][]metric.Point, 1)
	if !slices.ContainsFunc(batch, func(p metric.Point) bool { return p.Name != batch[0].Name }) && len(batch) > 0 {
		byName[batch[0].Name] = batch
		return []string{batch[0].Name}, byName
	}
	for _, p := range batch {
		if _, ok := byName[p.Name]; !ok {
			names = append(names, p.Name)
		}
		byName[p.Name] = append(byName[p.Name], p)
	}
	return names, byName
}

// lockRun keeps others from changing the metrics of a run until the transaction ends. The number is
// this program's own. SQLite has one writer.
func (t *tx) lockRun(run string) error {
	if t.lock == "" {
		return nil
	}
	_, err := t.exec(`SELECT pg_advisory_xact_lock(7838104, hashtext($1))`, run)
	return err
}

// Delete implements metric.Store.
func (m metrics) Delete(ctx context.Context, run string) error {
	return m.db.write(ctx, func(t *tx) error {
		if err := t.lockRun(run); err != nil {
			return err
		}
		for _, table := range []string{"metric", "metric_part", "metric_run"} {
			if _, err := t.exec(`DELETE FROM `+table+` WHERE run = $1`, run); err != nil {
				return err
			}
		}
		return nil
	})
}

// Series implements metric.Store. The metric's row comes first: its parts only ever grow, so that what
// it says of them stays true.
func (m metrics) Series(ctx context.Context, run, name string, skip, limit int) ([]metric.Point, error) {
	const row = `SELECT points, packed, tail FROM metric WHERE run = $1 AND name = $2`
	var points, packed int
	var tail []byte
	found, err := one(ctx, m.db.engine.read(), row, []any{run, name}, &points, &packed, &tail)
	if err != nil || !found {
		return nil, err
	}
	skip = max(skip, 0)
	end := points
	if limit > 0 && limit < points-skip {
		end = skip + limit
	}
	if skip >= end {
		return nil, nil
	}
	list := make([]metric.Point, 0, end-skip)
	if skip < packed {
		if list, err = m.parts(ctx, list, run, name, skip, min(end, packed)); err != nil {
			return nil, err
		}
		skip += len(list)
	}
	if skip < end && skip >= packed {
		list, err = metric.Packed(tail).Append(list, name, skip-packed, end-skip)
	}
	return list, damaged(err)
}

const partsSQL = `SELECT part, data FROM metric_part WHERE run = $1 AND name = $2 AND part < $4
AND part >= COALESCE((SELECT MAX(part) FROM metric_part WHERE run = $1 AND name = $2 AND part <= $3), 0) ORDER BY part`

// parts appends the points from the position skip to the position end, which are all in parts.
func (m metrics) parts(ctx context.Context, list []metric.Point, run, name string, skip, end int) ([]metric.Point, error) {
	err := each(ctx, m.db.engine.read(), partsSQL, []any{run, name, skip, end}, func(rows *sql.Rows) (err error) {
		var part int
		var data sql.RawBytes
		if err := rows.Scan(&part, &data); err != nil {
			return err
		}
		at := max(skip, part)
		list, err = metric.Packed(data).Append(list, name, at-part, end-at)
		return damaged(err)
	})
	return list, err
}

func damaged(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Internal, Reason: "MetricsDamaged", What: "the points of a metric cannot be read",
		Why: "they are not in the form in which zaffre writes them", Fix: "put a backup back; run: zaffre restore", Err: err,
	}
}

const latestColumns = `SELECT run, name, kind, value, step, time, points FROM metric WHERE run `

// Latest implements metric.Store.
func (m metrics) Latest(ctx context.Context, run string) (list []metric.Latest, err error) {
	err = each(ctx, m.db.engine.read(), latestColumns+`= $1 ORDER BY name`, []any{run}, func(rows *sql.Rows) error {
		_, l, err := scanLatest(rows)
		list = append(list, l)
		return err
	})
	return list, err
}

func scanLatest(rows *sql.Rows) (run string, l metric.Latest, err error) {
	var value sql.NullFloat64
	var micros int64
	err = rows.Scan(&run, &l.Name, &l.Kind, &value, &l.Step, &micros, &l.Points)
	l.Value, l.Time = valueOf(l.Kind, value), time.UnixMicro(micros).UTC()
	return run, l, err
}

// valueOf is what a metric's column stands for.
func valueOf(kind metric.Kind, column sql.NullFloat64) float64 {
	if !column.Valid && kind == metric.Scalar {
		return math.NaN()
	}
	return column.Float64
}

// many is how many runs, and how many names, one query asks for.
const many = 256

// LatestOf implements metric.Store.
func (m metrics) LatestOf(ctx context.Context, runs, names []string) (map[string][]metric.Latest, error) {
	out := map[string][]metric.Latest{}
	for runs := range slices.Chunk(unique(runs), many) {
		if names == nil {
			if err := m.latestOf(ctx, out, runs, nil); err != nil {
				return nil, err
			}
		}
		for names := range slices.Chunk(unique(names), many) {
			if err := m.latestOf(ctx, out, runs, names); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func unique(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

func (m metrics) latestOf(ctx context.Context, out map[string][]metric.Latest, runs, names []string) error {
	w := where{}
	text := latestColumns + `IN (` + w.list(runs) + `)`
	if names != nil {
		text += ` AND name IN (` + w.list(names) + `)`
	}
	return each(ctx, m.db.engine.read(), text+` ORDER BY run, name`, w.args, func(rows *sql.Rows) error {
		run, l, err := scanLatest(rows)
		out[run] = append(out[run], l)
		return err
	})
}

// list adds arguments and returns their placeholders. Their number is rounded up by repeating the
// last, so that there are few statements to prepare.
func (w *where) list(values []string) string {
	n := 1
	for n < len(values) {
		n *= 2
	}
	marks := make([]string, n)
	for i := range marks {
		marks[i] = w.arg(values[min(i, len(values)-1)])
	}
	return strings.Join(marks, ", ")
}

func tooMuch(reason, why string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: reason, What: "cannot log more metrics of this run",
		Why: why, Fix: "log less often, or into another run",
	}
}

func tooManyNames(n int) error {
	return tooMuch("MetricNamesExceeded", fmt.Sprintf("it would have more than %d names", n))
}

func tooManyPoints(n int64) error {
	return tooMuch("MetricPointsExceeded", fmt.Sprintf("it has %d points, and so many are allowed", n))
}
