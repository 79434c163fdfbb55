package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// Claiming takes what the record wanted before: what a wake asks for during the lease stands alone
// in due_at, and settle takes the earlier of it and its own time. SKIP LOCKED keeps PostgreSQL from
// handing a record out twice, and claims of several records from deadlocks.
const claimSQL = `WITH due AS MATERIALIZED (
  SELECT id FROM work WHERE kind = $1 AND next_at <= $2 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE work SET lease_token = $4, next_at = $5, due_at = $6
WHERE kind = $1 AND id IN (SELECT id FROM due)
RETURNING id, attempt, wakes`

// heldSQL finds what a claim took whose answer was lost: nobody else knows its token.
const heldSQL = `SELECT id, attempt, wakes FROM work WHERE kind = $1 AND lease_token = $2`

const heldTries = 3

// Claim implements store.Queue. Where the answer was lost it asks again, since nobody would work on what it may have
// taken until the leases end.
func (d *DB) Claim(ctx context.Context, kind string, n int, ttl time.Duration) ([]store.Lease, error) {
	token := rand.Text()
	leases, err := d.claim(ctx, claimSQL, kind, token, func(now time.Time) []any {
		return []any{kind, now.UnixMicro(), n, token, now.Add(ttl).UnixMicro(), never}
	})
	for try := 0; errors.Is(err, store.ErrUnanswered) && try < heldTries; try++ {
		held, again := d.claim(ctx, heldSQL, kind, token, func(time.Time) []any { return []any{kind, token} })
		if again == nil && len(held) > 0 {
			return held, nil
		} else if again == nil {
			break
		}
	}
	return leases, err
}

func (d *DB) claim(ctx context.Context, text, kind, token string, args func(now time.Time) []any) (leases []store.Lease, err error) {
	err = d.lease(ctx, func(t *tx) error {
		leases = leases[:0]
		return each(t.ctx, t.q, text, args(time.Now()), func(rows *sql.Rows) error {
			l := store.Lease{Kind: kind, Token: token}
			err := rows.Scan(&l.ID, &l.Attempt, &l.Wakes)
			leases = append(leases, l)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return leases, nil
}

const extendSQL = `UPDATE work SET next_at = $4 WHERE kind = $1 AND id = $2 AND lease_token = $3`

// Extend implements store.Queue.
func (d *DB) Extend(ctx context.Context, l store.Lease, ttl time.Duration) error {
	return d.lease(ctx, func(t *tx) error {
		n, err := t.exec(extendSQL, l.Kind, l.ID, l.Token, time.Now().Add(ttl).UnixMicro())
		if err == nil && n == 0 {
			return leaseLost(l)
		}
		return err
	})
}

const settleSQL = `UPDATE work SET lease_token = '',
  due_at = CASE WHEN due_at < $4 THEN due_at ELSE $4 END,
  next_at = CASE WHEN due_at < $4 THEN due_at ELSE $4 END, attempt = `

const (
	settleGood = settleSQL + `0 WHERE kind = $1 AND id = $2 AND lease_token = $3 RETURNING next_at`
	settleBad  = settleSQL + `attempt + 1 WHERE kind = $1 AND id = $2 AND lease_token = $3 RETURNING next_at`
)

// Wake implements store.Queue.
func (d *DB) Wake(ctx context.Context, w store.Wake) error {
	return d.lease(ctx, func(t *tx) error { return t.wake([]store.Wake{w}) })
}

// Settle implements store.Queue.
func (d *DB) Settle(ctx context.Context, l store.Lease, next time.Time) error {
	return d.settle(ctx, settleGood, l, next)
}

// Fail implements store.Queue.
func (d *DB) Fail(ctx context.Context, l store.Lease, next time.Time) error {
	return d.settle(ctx, settleBad, l, next)
}

func (d *DB) settle(ctx context.Context, text string, l store.Lease, next time.Time) error {
	return d.lease(ctx, func(t *tx) error {
		var at int64
		found, err := t.one(text, []any{l.Kind, l.ID, l.Token, due(next)}, &at)
		switch {
		case err != nil:
			return err
		case !found:
			return leaseLost(l)
		case at < due(next): // it was woken during the lease, when it could not be claimed
			t.news.woken = append(t.news.woken, l.Kind)
		}
		return nil
	})
}

const nextSQL = `SELECT next_at FROM work WHERE kind = $1 AND next_at < $2 ORDER BY next_at LIMIT 1`

// NextDue implements store.Queue. A leased record is due when its lease ends.
func (d *DB) NextDue(ctx context.Context, kind string) (time.Time, error) {
	var at micros
	_, err := one(ctx, d.engine.read(), nextSQL, []any{kind, never}, &at)
	return at.time(), err
}

const recallSQL = `UPDATE work SET due_at = $3, next_at = $3
WHERE kind = $1 AND next_at > $2 AND next_at < $4 AND lease_token = ''`

// Recall implements store.Queue.
func (d *DB) Recall(ctx context.Context, kind string, later time.Time) error {
	return d.lease(ctx, func(t *tx) error {
		_, err := t.exec(recallSQL, kind, later.UnixMicro(), time.Now().UnixMicro(), never)
		return err
	})
}

// Taken implements store.Claims.
func (d *DB) Taken(ctx context.Context, space string) ([]store.Take, error) {
	const text = `SELECT name, holder FROM claim WHERE space = $1 ORDER BY name`
	var taken []store.Take
	err := each(ctx, d.engine.read(), text, []any{space}, func(rows *sql.Rows) error {
		t := store.Take{Space: space}
		err := rows.Scan(&t.Name, &t.Holder)
		taken = append(taken, t)
		return err
	})
	return taken, err
}
