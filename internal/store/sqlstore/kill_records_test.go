package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// writeRecords writes code, assets and secrets one after the other until the database dies, and returns what it said of
// each; the secret is replaced each time, and an old asset goes.
func writeRecords(t *testing.T, db *sqlstore.DB) (done []string) {
	said := func(what string, err error) bool {
		if err == nil {
			done = append(done, what)
		} else if fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s: a dead database is %v, want %s", what, err, fault.Unavailable)
		}
		return err == nil
	}
	emit := func(what string) store.Effect { return store.Emit{Workspace: "ws", Subject: what, Type: "t"} }
	for i := range 20 {
		name := fmt.Sprint(i)
		code := run.Code{Workspace: "ws", Name: name, Snapshot: name, Parent: fmt.Sprint(i - 1)}
		asset := model.Asset{Workspace: "ws", ID: name, Run: "r", Files: []string{name}}
		if !said("code "+name, db.Codes().Insert(t.Context(), code, emit("code "+name))) {
			return done
		}
		if !said("asset "+name, db.Assets().Insert(t.Context(), asset, emit("asset "+name))) {
			return done
		}
		_, err := db.Vault().Update(t.Context(), store.Key{Workspace: "ws", Name: "s"}, func(s *workspace.Secret) ([]store.Effect, error) {
			s.Sealed, s.ContentType = []byte{byte(i)}, name
			return []store.Effect{emit("secret " + name)}, nil
		})
		if !said("secret "+name, err) {
			return done
		}
	}
	return done
}

// TestKillPointsOfRecords has the database die at each statement of it: each record is there with its event or not at
// all, and all that were acknowledged are.
func TestKillPointsOfRecords(t *testing.T) {
	t.Parallel()
	points, step := int64(60), int64(1)
	if testing.Short() {
		step = 7
	}
	for _, answered := range []bool{false, true} {
		for n := int64(1); n <= points; n += step {
			d, path := &faultsql.Driver{}, filepath.Join(t.TempDir(), "z.db")
			db := openFile(t, path, sqlstore.Options{Wrap: d.Wrap, NoSync: true})
			if err := db.Vault().Insert(t.Context(), workspace.Secret{Workspace: "ws", Name: "s", Sealed: []byte{255}, ContentType: "255"}); err != nil {
				t.Fatal(err)
			}
			d.DieIn(n, answered)
			done := writeRecords(t, db)
			db.Close() // what it says of dead connections is of no interest
			if !d.Dead() {
				t.Fatalf("the workload has fewer than %d statements", n)
			}
			db = openFile(t, path, sqlstore.Options{NoSync: true})
			checkRecords(t, db, done)
			db.Close()
			if t.Failed() {
				t.Fatalf("after the death at statement %d, answered %t", n, answered)
			}
		}
	}
}

// checkRecords compares records and events with what was acknowledged.
func checkRecords(t *testing.T, db *sqlstore.DB, done []string) {
	t.Helper()
	events, err := db.Events(t.Context(), "ws", "", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range events {
		told = append(told, e.Subject)
	}
	if len(told) < len(done) || len(told) > len(done)+1 || !slices.Equal(told[:len(done)], done) {
		t.Errorf("events tell of %v, and acknowledged were %v", told, done)
	}
	secret, err := db.Vault().Get(t.Context(), store.Key{Workspace: "ws", Name: "s"})
	if err != nil || len(secret.Sealed) != 1 || fmt.Sprint(secret.Sealed[0]) != secret.ContentType {
		t.Errorf("the secret is %+v, %v", secret, err)
	}
	last := "255"
	for i := range 20 {
		name := fmt.Sprint(i)
		k := store.Key{Workspace: "ws", Name: name}
		c, err := db.Codes().Get(t.Context(), k)
		if slices.Contains(told, "code "+name) != (err == nil) || err == nil && c.Snapshot != name {
			t.Errorf("code %s is %+v, %v", name, c, err)
		}
		a, err := db.Assets().Get(t.Context(), k)
		if slices.Contains(told, "asset "+name) != (err == nil) || err == nil && !slices.Equal(a.Files, []string{name}) {
			t.Errorf("asset %s is %+v, %v", name, a, err)
		}
		if slices.Contains(told, "secret "+name) {
			last = name
		}
	}
	if secret.ContentType != last {
		t.Errorf("the secret is that of %s, want %s", secret.ContentType, last)
	}
}
