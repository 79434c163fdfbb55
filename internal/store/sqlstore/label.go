package sqlstore

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// label is a tag or a parameter of a run, as searches find it.
type label struct{ kind, name, value string }

const (
	putLabel = `INSERT INTO run_label (run, kind, name, value, workspace) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (run, kind, name) DO UPDATE SET value = excluded.value`
	dropLabel  = `DELETE FROM run_label WHERE run = $1 AND kind = $2 AND name = $3`
	dropLabels = `DELETE FROM run_label WHERE run IN (SELECT id FROM run WHERE workspace = $1 AND name = $2)`
)

// labels keeps the table run_label.
func labels() *beside[run.Run] {
	return &beside[run.Run]{
		of: func(r *run.Run) any { return labelsOf(r) },
		put: func(t *tx, r *run.Run, before any) error {
			old, _ := before.([]label)
			return putLabels(t, r, old)
		},
		drop: func(t *tx, k store.Key) error {
			_, err := t.exec(dropLabels, k.Workspace, k.Name)
			return err
		},
	}
}

// labelsOf returns the labels of a run in the order of their keys.
func labelsOf(r *run.Run) []label {
	list := make([]label, 0, len(r.Params)+len(r.Tags))
	return appendLabels(appendLabels(list, "param", r.Params), "tag", r.Tags)
}

// appendLabels leaves out what holds a NUL: PostgreSQL keeps none, and no search asks for it.
func appendLabels(list []label, kind string, values map[string]string) []label {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if v := values[name]; !strings.Contains(name+v, "\x00") {
			list = append(list, label{kind, name, v})
		}
	}
	return list
}

// putLabels writes what differs: both lists are sorted.
func putLabels(t *tx, r *run.Run, old []label) error {
	now := labelsOf(r)
	for len(now) > 0 || len(old) > 0 {
		var err error
		switch c := compareLabels(now, old); {
		case c > 0:
			_, err = t.exec(dropLabel, r.ID, old[0].kind, old[0].name)
			old = old[1:]
		case c < 0 || now[0] != old[0]:
			l := now[0]
			_, err = t.exec(putLabel, r.ID, l.kind, l.name, l.value, r.Workspace)
			now, old = now[1:], old[min(c+1, 1):]
		default:
			now, old = now[1:], old[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareLabels compares the keys of the first ones; an empty list comes last.
func compareLabels(a, b []label) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return cmp.Or(cmp.Compare(a[0].kind, b[0].kind), cmp.Compare(a[0].name, b[0].name))
}
