package sqlstore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/faultsql"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/store/storetest"
)

// Before migration 00006 of the rows below.
const oldVersion = 5

// oldRun writes a run as version 5 did.
func oldRun(n int, parent string) string {
	name := fmt.Sprintf("r%02d", n)
	doc := fmt.Sprintf(`{"workspace":"ws","name":"%s","id":"id-%s","experiment":"e","parent":"%s","origin":"managed","display":"it''s %d","created_by":"ann","created":%d,`+
		`"tags":{"lr":"0.%d","note":"ü\n\"x\""},"spec":{"target":"t","command":["a"]},"status":{"state":"Completed","started":%d,"ended":%d}}`, name, name, parent, n, 1000+n, n, 2000+n, 3000+n)
	return fmt.Sprintf(`INSERT INTO run (workspace, name, revision, id, experiment, target, parent, state, active, queue, rank, tags, doc)
VALUES ('ws', '%s', 1, 'id-%s', 'e', 't', '%s', 'Completed', 0, '', 0, '', '%s')`, name, name, parent, doc)
}

// fixture is the rows of a database that version 5 wrote: trees of runs, and experiments.
func fixture() (list []string) {
	parent := ""
	for n := range 14 { // deeper than three rounds of doubling reach
		list = append(list, oldRun(n, parent))
		parent = fmt.Sprintf("r%02d", n)
	}
	list = append(list, oldRun(20, ""), oldRun(21, "r20"), oldRun(22, "r20"), oldRun(23, "gone"))
	list = append(list, `INSERT INTO run (workspace, name, revision, id, experiment, target, parent, state, active, queue, rank, tags, doc)
VALUES ('busy', 'on', 1, 'id-on', 'e', 't', '', 'Running', 1, '', 0, '', '{"workspace":"busy","name":"on","id":"id-on","origin":"managed","status":{"state":"Running","attempts":[{"number":1},{"number":2}]}}')`)
	for i, name := range []string{"Default", "e"} {
		list = append(list, fmt.Sprintf(`INSERT INTO experiment (workspace, name, revision, doc) VALUES ('ws', '%s', 1, '{"workspace":"ws","name":"%s","runs":3,"created":%d}')`, name, name, 77+i))
	}
	return list
}

// oldSQLite returns a function that makes another database of version 5, and its URL.
func oldSQLite(t *testing.T) func() string {
	path := filepath.Join(t.TempDir(), "old.db")
	sqlstore.WriteOld(t, "sqlite:"+path, oldVersion, fixture())
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		path := filepath.Join(t.TempDir(), "z.db")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + path
	}
}

func oldPostgres(t *testing.T) func() string {
	storetest.NeedPostgres(t)
	return func() string {
		url := storetest.Postgres(t)
		sqlstore.WriteOld(t, url, oldVersion, fixture())
		return url
	}
}

// opened opens a database and dumps it.
func opened(t *testing.T, url string) string {
	t.Helper()
	db, err := sqlstore.OpenWith(t.Context(), url, slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return string(dump(t, db))
}

// TestMigrationsAtKillPoints has the server die at each statement of the migrations from version 5 on: the next one
// goes on, and the database is the same as if nobody had died.
func TestMigrationsAtKillPoints(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		old  func(t *testing.T) func() string
		step int64
	}{"sqlite": {oldSQLite, 2}, "postgres": {oldPostgres, 5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := c.old(t)
			want := opened(t, old())
			for i, answered := range []bool{false, true} { // before one statement, and after the next
				for n, dead := int64(1+i), true; dead; n += c.step {
					url, d := old(), &faultsql.Driver{}
					d.DieIn(n, answered)
					db, err := sqlstore.OpenWith(t.Context(), url, slog.New(slog.DiscardHandler), sqlstore.Options{Wrap: d.Wrap, NoSync: true})
					dead = d.Dead()
					if err == nil {
						db.Close() // what it says of dead connections is of no interest
					}
					if diff := cmp.Diff(want, opened(t, url)); diff != "" {
						t.Fatalf("after the death at statement %d, answered %t (-want +got):\n%s", n, answered, diff)
					}
				}
			}
		})
	}
}

// TestMigratedRows looks at what became of a database of version 5.
func TestMigratedRows(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]func(t *testing.T) func() string{"sqlite": oldSQLite, "postgres": oldPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sqlstore.Open(t.Context(), old(t)(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, name := range []string{"r00", "r13", "r21"} { // what is written again keeps its place
				_, err := db.Runs().Update(t.Context(), store.Key{Workspace: "ws", Name: name}, func(r *run.Run) ([]store.Effect, error) {
					r.Display += "!"
					return nil, nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			for want, filter := range map[string]run.Filter{
				"r13 r12 r11 r10 r09 r08 r07 r06 r05 r04 r03 r02 r01 r00": {Workspace: "ws", Root: "r00"},
				"r22 r21 r20": {Workspace: "ws", Root: "r20"},
				"r23":         {Workspace: "ws", Root: "gone"},
			} {
				runs, _, err := db.Runs().List(t.Context(), filter, store.Page{Limit: 100})
				var got []string
				for _, r := range runs {
					got = append(got, r.Name)
					if r.Top() != filter.Root && r.Parent != "" {
						t.Errorf("%s is below %s, and says %q", r.Name, filter.Root, r.Root)
					}
				}
				if err != nil || strings.Join(got, " ") != want {
					t.Errorf("below %s are %v, %v; want %s", filter.Root, got, err, want)
				}
			}
			e, err := db.Experiments().Get(t.Context(), store.Key{Workspace: "ws", Name: "e"})
			if err != nil || e.ID != "78" {
				t.Errorf("the experiment is %+v, %v", e, err)
			}
			if list, _, err := db.Experiments().List(t.Context(), run.ExperimentFilter{Workspace: "ws", ID: "78"}, store.Page{}); err != nil || len(list) != 1 || list[0].Name != "e" {
				t.Errorf("by its ID there are %+v, %v", list, err)
			}
			for attempt, want := range map[int]string{1: "Fenced", 2: "", 3: ""} { // the run that goes on has its second
				ctx := store.WithOrigin(t.Context(), store.Origin{Run: "id-on", Attempt: attempt})
				_, err := db.Experiments().Update(ctx, e.Key(), func(*run.Experiment) ([]store.Effect, error) { return nil, nil })
				if fault.ReasonOf(err) != want {
					t.Errorf("attempt %d: %v", attempt, err)
				}
			}
			ended := store.WithOrigin(t.Context(), store.Origin{Run: "id-r01", Attempt: 1})
			if err := db.Metrics(metric.Limits{}).Append(ended, metric.Key{Workspace: "ws", Run: "id-r01"}, []metric.Point{{Name: "m"}}); fault.ReasonOf(err) != "Fenced" {
				t.Errorf("a run that has ended: %v", err)
			}
			r, err := db.Runs().Get(t.Context(), store.Key{Workspace: "ws", Name: "r01"})
			if err != nil || r.Display != "it's 1" || r.Tags["note"] != "ü\n\"x\"" {
				t.Errorf("the run is %+v, %v", r, err)
			}
			if n := bytes.Count(dump(t, db), []byte(`"table":"run_label"`)); n != 36 {
				t.Errorf("%d tags to search by, want 36", n)
			}
		})
	}
}
