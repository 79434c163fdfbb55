package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// errUndo takes a transaction back and counts as success.
var errUndo = errors.New("nothing to do")

// A lane's row moves on to a greater sequence, or takes another part of the same one, where the fence lets it. Two that bring
// the same at once wait for each other at the row, and the later one finds that there is nothing to do. The fence is locked,
// so that the next attempt begins before this write or after it.
const markSQL = `INSERT INTO spool (run, lane, sequence, parts)
SELECT run, $1, CAST($2 AS BIGINT), $3 FROM fence WHERE run = $4 AND attempt <= $5 FOR SHARE
ON CONFLICT (run, lane) DO UPDATE SET sequence = excluded.sequence,
  parts = CASE WHEN spool.sequence = excluded.sequence THEN spool.parts || excluded.parts ELSE excluded.parts END
WHERE spool.sequence < excluded.sequence
  OR spool.sequence = excluded.sequence AND spool.parts NOT LIKE '%' || excluded.parts || '%'`

// admit lets a job's write in; nil: it is no job's. errUndo: it is known. One statement is enough where it is let in.
func (t *tx) admit(p *store.Part) error {
	if p == nil {
		return nil
	}
	if p.Sequence > 0 {
		n, err := t.exec(markSQL, p.Lane, p.Sequence, partMark(p.Name), p.Run, p.Attempt)
		if err != nil || n > 0 {
			return err
		}
	}
	var attempt int
	found, err := t.one(`SELECT attempt FROM fence WHERE run = $1 FOR SHARE`, []any{p.Run}, &attempt)
	switch {
	case err != nil:
		return err
	case !found || attempt > p.Attempt:
		return fenced(p.Origin, attempt)
	case p.Sequence > 0:
		return errUndo
	}
	return nil
}

// partMark is a part's name in the row: it holds nothing that a pattern reads otherwise, and none is in another.
func partMark(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8]) + "|"
}

func fenced(o store.Origin, current int) error {
	why := "the run has ended"
	if current > 0 {
		why = fmt.Sprintf("attempt %d goes on instead", current)
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "Fenced", What: fmt.Sprintf("attempt %d of the run writes nothing more", o.Attempt),
		Why: why, Fix: "nothing: what the run's last attempt writes counts",
	}
}

const fenceSQL = `INSERT INTO fence (run, attempt) VALUES ($1, $2) ON CONFLICT (run) DO UPDATE SET attempt = excluded.attempt`

func (t *tx) fence(e store.Fence) error {
	text, args := fenceSQL, []any{e.Run, e.Attempt}
	if e.Attempt == 0 {
		text, args = `DELETE FROM fence WHERE run = $1`, args[:1]
	}
	if _, err := t.exec(text, args...); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM spool WHERE run = $1`, e.Run)
	return err
}
