package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// apply makes all effects true. Claims and fences come in the order given, then wake-ups in the order
// of their keys, so that transactions lock rows in one order, and events last.
func (t *tx) apply(effects []store.Effect) error {
	var wakes []store.Wake
	var emits []store.Emit
	for _, e := range effects {
		var err error
		switch e := e.(type) {
		case store.Take:
			err = t.take(e)
		case store.Free:
			_, err = t.exec(`DELETE FROM claim WHERE space = $1 AND holder = $2`, e.Space, e.Holder)
		case store.Fence:
			err = t.fence(e)
		case store.Wake:
			wakes = append(wakes, e)
		case store.Emit:
			emits = append(emits, e)
		}
		if err != nil {
			return err
		}
	}
	if err := t.wake(wakes); err != nil {
		return err
	}
	return t.emit(emits)
}

const takeSQL = `INSERT INTO claim (space, name, holder) VALUES ($1, $2, $3)
ON CONFLICT (space, name) DO UPDATE SET holder = claim.holder RETURNING holder`

func (t *tx) take(e store.Take) error {
	var holder string
	if _, err := t.one(takeSQL, []any{e.Space, e.Name, e.Holder}, &holder); err != nil {
		return err
	}
	if holder == e.Holder {
		return nil
	}
	return &fault.Error{
		Code: fault.Conflict, Reason: "Taken", What: fmt.Sprintf("cannot take %s in %s", e.Name, e.Space),
		Why: "another has it", Fix: "wait until it is free, or take another", Evidence: []string{holder},
	}
}

// A wake counts, and makes the record due no later than it is. A leased record cannot be claimed
// earlier: it is due when its lease has ended.
const wakeSQL = `INSERT INTO work (kind, id, due_at, next_at, lease_token, wakes, attempt)
VALUES ($1, $2, $3, $3, '', 1, 0)
ON CONFLICT (kind, id) DO UPDATE SET wakes = work.wakes + 1,
  due_at = CASE WHEN excluded.due_at < work.due_at THEN excluded.due_at ELSE work.due_at END,
  next_at = CASE WHEN work.lease_token = '' AND excluded.due_at < work.next_at THEN excluded.due_at ELSE work.next_at END`

func (t *tx) wake(wakes []store.Wake) error {
	slices.SortFunc(wakes, func(a, b store.Wake) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	now := time.Now()
	for _, w := range wakes {
		if w.At.IsZero() {
			w.At = now
		}
		if _, err := t.exec(wakeSQL, w.Kind, w.ID, w.At.UnixMicro()); err != nil {
			return err
		}
		if !slices.Contains(t.news.woken, w.Kind) {
			t.news.woken = append(t.news.woken, w.Kind)
		}
	}
	return nil
}

const emitSQL = `INSERT INTO event (time, workspace, subject, type, actor, data) VALUES ($1, $2, $3, $4, $5, $6)`

func (t *tx) emit(emits []store.Emit) error {
	if len(emits) > 0 && t.lock != "" {
		if _, err := t.exec(t.lock); err != nil {
			return err
		}
	}
	now := time.Now().UnixMicro()
	for _, e := range emits {
		data, err := json.Marshal(e.Data)
		if err != nil {
			return fmt.Errorf("encode an event: %w", err)
		}
		if _, err := t.exec(emitSQL, now, e.Workspace, e.Subject, e.Type, e.Actor, string(data)); err != nil {
			return err
		}
		t.news.events = append(t.news.events, place{e.Workspace, e.Subject})
	}
	return nil
}
