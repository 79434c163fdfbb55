package sqlstore

import (
	"cmp"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/metric"
)

const (
	tailPoints = 64      // in a metric's row, which is written anew for each point
	tailBytes  = 2 << 10 // the same, of points that hold data; PostgreSQL keeps less than this in the row
	fullPart   = 1 << 10 // points of a part that gets no more
	partPoints = 8 << 10 // at most
	partBytes  = 1 << 18 // about
)

// appending is one Append in its transaction.
type appending struct {
	*tx
	key    metric.Key
	limits metric.Limits
	names  int       // that are new
	points int64     // that went into parts
	dirty  []*series // rows to be written
}

// series is the row of a metric.
type series struct {
	name             string
	known            bool // has a row
	latest           metric.Point
	points           int
	packed, part     int
	stepMax, timeMax int64
	tail             metric.Packed
}

func (a *appending) all(names []string, batch map[string][]metric.Point) error {
	rows, err := a.read(names)
	if err != nil {
		return err
	}
	for _, s := range rows {
		if err := a.add(s, batch[s.name]); err != nil {
			return err
		}
	}
	if err := a.write(); err != nil {
		return err
	}
	return a.count()
}

const seriesColumns = `SELECT name, kind, value, step, time, points, packed, part, step_max, time_max, tail FROM metric WHERE run = `

// read returns the rows of the names, those that are not there as new ones, in the order of names.
func (a *appending) read(names []string) ([]*series, error) {
	rows, at := make([]*series, len(names)), make(map[string]*series, len(names))
	for i, name := range names {
		rows[i] = &series{name: name}
		at[name] = rows[i]
	}
	for names := range slices.Chunk(names, many) {
		w := where{}
		text := seriesColumns + w.arg(a.key.Run) + ` AND name IN (` + w.list(names) + `)`
		if err := each(a.ctx, a.q, text, w.args, func(r *sql.Rows) error { return scanSeries(r, at) }); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func scanSeries(r *sql.Rows, at map[string]*series) error {
	var row series
	var value sql.NullFloat64
	var micros int64
	err := r.Scan(&row.name, &row.latest.Kind, &value, &row.latest.Step, &micros,
		&row.points, &row.packed, &row.part, &row.stepMax, &row.timeMax, &row.tail)
	if err != nil {
		return err
	}
	row.known, row.latest.Name = true, row.name
	row.latest.Value, row.latest.Time = valueOf(row.latest.Kind, value), time.UnixMicro(micros).UTC()
	*at[row.name] = row
	return nil
}

// add writes the points of one metric that are not there yet.
func (a *appending) add(s *series, batch []metric.Point) error {
	fresh, err := a.fresh(s, batch)
	if err != nil || len(fresh) == 0 {
		return err
	}
	for i, p := range fresh {
		if s.points == 0 && i == 0 || p.After(s.latest) {
			s.latest = p
		}
	}
	s.tail, s.points = s.tail.Add(fresh), s.points+len(fresh)
	if s.points-s.packed > tailPoints || len(s.tail) > tailBytes {
		if err := a.pack(s); err != nil {
			return err
		}
	}
	a.dirty = append(a.dirty, s)
	return nil
}

// fresh returns the points that are not there: not in the tail, and not in a part that lies where they do.
func (a *appending) fresh(s *series, batch []metric.Point) ([]metric.Point, error) {
	u := metric.NewUnknown(batch)
	if s.points == 0 {
		return u.Points(), nil
	}
	if err := strike(u, s.tail); err != nil {
		return nil, err
	}
	r := u.Range()
	if s.packed == 0 || r.Points == 0 || r.StepMin > s.stepMax || r.TimeMin > s.timeMax {
		return u.Points(), nil
	}
	const parts = `SELECT data FROM metric_part WHERE run = $1 AND name = $2
AND time_max >= $3 AND time_min <= $4 AND step_max >= $5 AND step_min <= $6`
	err := each(a.ctx, a.q, parts, []any{a.key.Run, s.name, r.TimeMin, r.TimeMax, r.StepMin, r.StepMax}, func(rows *sql.Rows) error {
		var data sql.RawBytes
		if err := rows.Scan(&data); err != nil {
			return err
		}
		return damaged(u.Strike(metric.Packed(data)))
	})
	return u.Points(), err
}

// strike takes out what is in the tail, unless no point can be: the usual case.
func strike(u *metric.Unknown, tail metric.Packed) error {
	have, err := tail.Range()
	if err != nil {
		return damaged(err)
	}
	if r := u.Range(); have.Points == 0 || r.StepMin > have.StepMax || r.TimeMin > have.TimeMax {
		return nil
	}
	return damaged(u.Strike(tail))
}

// pack moves the tail into parts.
func (a *appending) pack(s *series) error {
	n := s.points - s.packed
	data := s.tail
	if last := s.packed - s.part; last > 0 && last < fullPart && last+n <= partPoints {
		var before []byte
		const part = `SELECT data FROM metric_part WHERE run = $1 AND name = $2 AND part = $3`
		if _, err := a.one(part, []any{a.key.Run, s.name, s.part}, &before); err != nil {
			return err
		}
		if len(before) < partBytes {
			data = metric.Packed(before).Join(s.tail)
			s.packed = s.part
		}
	}
	pieces, err := data.Split(partPoints, partBytes)
	if err != nil {
		return damaged(err)
	}
	for _, piece := range pieces {
		if err := a.writePart(s, piece); err != nil {
			return err
		}
	}
	a.points += int64(n)
	s.tail = nil
	return nil
}

const partSQL = `INSERT INTO metric_part (run, name, part, step_min, step_max, time_min, time_max, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (run, name, part) DO UPDATE SET step_min = excluded.step_min, step_max = excluded.step_max,
  time_min = excluded.time_min, time_max = excluded.time_max, data = excluded.data`

func (a *appending) writePart(s *series, data metric.Packed) error {
	r, err := data.Range()
	if err != nil {
		return damaged(err)
	}
	if _, err := a.exec(partSQL, a.key.Run, s.name, s.packed, r.StepMin, r.StepMax, r.TimeMin, r.TimeMax, []byte(data)); err != nil {
		return err
	}
	if s.packed == 0 {
		s.stepMax, s.timeMax = r.StepMax, r.TimeMax
	}
	s.stepMax, s.timeMax = max(s.stepMax, r.StepMax), max(s.timeMax, r.TimeMax)
	s.part, s.packed = s.packed, s.packed+r.Points
	return nil
}

const (
	metricColumns   = `INSERT INTO metric (kind, value, step, time, points, packed, part, step_max, time_max, tail, run, workspace, name) VALUES `
	updateMetricSQL = `UPDATE metric SET kind = $1, value = $2, step = $3, time = $4, points = $5, packed = $6, part = $7,
  step_max = $8, time_max = $9, tail = $10 WHERE run = $11 AND workspace = $12 AND name = $13`
	replaceMetricSQL = ` ON CONFLICT (run, name) DO UPDATE SET kind = excluded.kind, value = excluded.value, step = excluded.step,
  time = excluded.time, points = excluded.points, packed = excluded.packed, part = excluded.part,
  step_max = excluded.step_max, time_max = excluded.time_max, tail = excluded.tail`
)

// write writes the rows, many in one statement where there are many. Statements are prepared by their
// texts: there are few.
func (a *appending) write() error {
	for len(a.dirty) > 0 {
		n := 1
		for _, size := range []int{64, 8} {
			if len(a.dirty) >= size {
				n = size
				break
			}
		}
		if err := a.writeRows(a.dirty[:n]); err != nil {
			return err
		}
		a.dirty = a.dirty[n:]
	}
	return nil
}

func (a *appending) writeRows(rows []*series) error {
	w := where{}
	var values []string
	for _, s := range rows {
		if !s.known {
			a.names++
		}
		var marks []string
		for _, v := range append(s.columns(), a.key.Run, a.key.Workspace, s.name) {
			marks = append(marks, w.arg(v))
		}
		values = append(values, "("+strings.Join(marks, ", ")+")")
	}
	text := updateMetricSQL
	if len(rows) > 1 || !rows[0].known {
		text = metricColumns + strings.Join(values, ", ") + replaceMetricSQL
	}
	_, err := a.exec(text, w.args...)
	return err
}

// columns are those of the row but its key.
func (s *series) columns() []any {
	l, tail := s.latest, []byte(s.tail)
	if tail == nil {
		tail = []byte{}
	}
	return []any{
		string(cmp.Or(l.Kind, metric.Scalar)),
		sql.NullFloat64{Float64: l.Value, Valid: l.Number()},
		l.Step, l.Time.UnixMicro(),
		s.points, s.packed, s.part, s.stepMax, s.timeMax, tail,
	}
}

const countSQL = `INSERT INTO metric_run (run, names, points) VALUES ($1, $2, $3)
ON CONFLICT (run) DO UPDATE SET names = metric_run.names + excluded.names, points = metric_run.points + excluded.points
RETURNING names, points`

// count keeps the run within its limits.
func (a *appending) count() error {
	if a.names == 0 && a.points == 0 {
		return nil
	}
	var names, points int64
	if _, err := a.one(countSQL, []any{a.key.Run, a.names, a.points}, &names, &points); err != nil {
		return err
	}
	switch {
	case a.names > 0 && names > int64(a.limits.Names):
		return tooManyNames(a.limits.Names)
	case a.points > 0 && points > a.limits.Points:
		return tooManyPoints(a.limits.Points)
	}
	return nil
}
