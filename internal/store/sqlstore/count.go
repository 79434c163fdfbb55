package sqlstore

import (
	"context"
	"database/sql"
)

// RunsByState returns how many runs there are in each state, in all workspaces. It reads one index.
func (d *DB) RunsByState(ctx context.Context) (map[string]int64, error) {
	counts := map[string]int64{}
	err := each(ctx, d.engine.read(), `SELECT state, COUNT(*) FROM run GROUP BY state`, nil, func(r *sql.Rows) error {
		var state string
		var n int64
		if err := r.Scan(&state, &n); err != nil {
			return err
		}
		counts[state] = n
		return nil
	})
	return counts, err
}
