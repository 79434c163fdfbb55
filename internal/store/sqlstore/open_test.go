package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/store/storetest"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	inUse := filepath.Join(dir, "used.db")
	db, err := sqlstore.Open(t.Context(), "sqlite:"+inUse, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for url, reason := range map[string]string{
		"":                              "DatabaseURLInvalid",
		"mysql://x":                     "DatabaseURLInvalid",
		"sqlite:":                       "DatabaseURLInvalid",
		"postgres://u:secret@h:bad/x":   "DatabaseURLInvalid",
		"postgres://u:secret@[::1]:1/x": "DatabaseUnreachable",
		"sqlite:" + garbage:             "DatabaseCorrupt",
		"sqlite:" + inUse:               "DatabaseInUse",
		"sqlite:" + dir + "/none/z.db":  "DatabaseNotWritable",
	} {
		_, err := sqlstore.Open(t.Context(), url, slog.New(slog.DiscardHandler))
		f := fault.From(err)
		if f == nil || f.Reason != reason || f.Fix == "" {
			t.Errorf("Open(%q) returned %v, want %s", url, err, reason)
			continue
		}
		if strings.Contains(f.What+f.Why+f.Fix+strings.Join(f.Evidence, " "), "secret") {
			t.Errorf("Open(%q) tells the password", url)
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?%41#ü.db")
	db, err := sqlstore.Open(t.Context(), "sqlite:"+path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, name := range []string{path, path + "-wal", path + ".lock"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(name, "-wal") {
			continue
		}
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want a file with mode 0600", name, info, err)
		}
	}
}

func TestReopenGivesLeasesBack(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "z.db")
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.Open(t.Context(), url, log)
	if err != nil {
		t.Fatal(err)
	}
	wakes := []store.Effect{store.Wake{Kind: "a", ID: "1"}, store.Wake{Kind: "b", ID: "1"}, store.Wake{Kind: "b", ID: "2", At: time.Now().Add(time.Hour)}}
	if err := db.Runs().Insert(t.Context(), aRun(1), wakes...); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"a", "b"} {
		if got, err := db.Claim(t.Context(), kind, 5, time.Hour); err != nil || len(got) != 1 {
			t.Fatalf("claimed %v, %v", got, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if db, err = sqlstore.Open(t.Context(), url, log); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, kind := range []string{"a", "b"} {
		if got, err := db.Claim(t.Context(), kind, 5, time.Hour); err != nil || len(got) != 1 {
			t.Errorf("claimed %v of %s, %v after the reopen; want the one that was leased", got, kind, err)
		}
	}
}

func TestClosedAndCanceled(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := aRun(1)
	if err := db.Runs().Insert(ctx, r); err == nil {
		if _, err := db.Runs().Get(t.Context(), r.Key()); err != nil {
			t.Errorf("an acknowledged insert is not there: %v", err)
		}
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("Insert with an ended context returned %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Runs().Insert(t.Context(), aRun(2)); fault.ReasonOf(err) != "DatabaseClosed" {
		t.Errorf("Insert into a closed database returned %v", err)
	}
}

// dump returns a database's dump.
func dump(t *testing.T, db *sqlstore.DB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := db.Dump(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func full(t *testing.T) *sqlstore.DB {
	t.Helper()
	db := open(t)
	r := aRun(1)
	r.Tags = map[string]string{"ü\x00<>&": "\"\\\n"}
	effects := []store.Effect{
		store.Fence{Run: r.ID, Attempt: 1},
		store.Take{Space: "s", Name: "n", Holder: "h"},
		store.Wake{Kind: "k", ID: "1"},
		store.Emit{Workspace: "ws", Subject: "run/1", Type: "t", Data: map[string]string{"a": "b"}},
	}
	inRun := store.WithOrigin(t.Context(), store.Origin{Run: r.ID, Attempt: 1, Lane: "j/0", Sequence: 7})
	for _, err := range []error{
		db.SetSetting(t.Context(), "installation", "id"), db.Experiments().Insert(t.Context(), counter, store.Fence{Run: "r", Attempt: 1}),
		db.Runs().Insert(t.Context(), r, effects...),
		db.Artifacts().Insert(inRun, object.File{Owner: r.ID, Path: "outputs/a", Blob: "objects/b"}),
		db.Artifacts().Begin(t.Context(), "objects/loose", time.UnixMicro(1)),
		db.Models().Insert(t.Context(), model.Model{Workspace: "ws", Name: "m", Aliases: map[string]int{"a": 1}}),
		db.Versions().Insert(t.Context(), model.Version{Workspace: "ws", Model: "m", Number: 1, ID: "v", RunID: r.ID}),
		db.Logged().Insert(t.Context(), model.Logged{Workspace: "ws", ID: "m-1"}),
		db.Codes().Insert(t.Context(), run.Code{Workspace: "ws", Name: "guid", Snapshot: "00", Properties: map[string]string{"a": "b"}}),
		db.Assets().Insert(t.Context(), model.Asset{Workspace: "ws", ID: "a", Run: r.Name, Files: []string{"ExperimentRun/dcid.r/a"}}),
		db.Vault().Insert(t.Context(), workspace.Secret{Workspace: "ws", Name: "s", Sealed: []byte{0, 255, 1}}),
		db.Manifests().Insert(t.Context(), image.Manifest{Workspace: "ws", Repository: "train", Digest: "sha256:0", Content: []byte{0, 255, 1}}),
		db.Tags().Insert(t.Context(), image.Tag{Workspace: "ws", Repository: "train", Name: "1", Digest: "sha256:0"}),
		db.Layers().Insert(t.Context(), image.Layer{Workspace: "ws", Name: "l", Digest: "sha256:1"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func TestDumpAndLoad(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]func(*testing.T) *sqlstore.DB{
		"sqlite":   func(t *testing.T) *sqlstore.DB { return open(t) },
		"postgres": func(t *testing.T) *sqlstore.DB { storetest.NeedPostgres(t); return openPostgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, db := dump(t, full(t)), target(t)
			if err := db.Load(t.Context(), bytes.NewReader(want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(dump(t, db))); diff != "" {
				t.Errorf("dump of what was loaded (-want +got):\n%s", diff)
			}
			if v, err := db.Setting(t.Context(), "installation"); err != nil || v != "id" {
				t.Errorf("setting %q, %v", v, err)
			}
			if err := db.Load(t.Context(), bytes.NewReader(want)); fault.ReasonOf(err) != "DatabaseNotEmpty" {
				t.Errorf("the second Load returned %v, want DatabaseNotEmpty", err)
			}
			if err := addOne(t, db, "new", 1); err != nil {
				t.Error(err)
			}
			if events, err := db.Events(t.Context(), "ws", "", 1, 10); err != nil || len(events) != 1 {
				t.Errorf("events after the loaded one: %v, %v", events, err)
			}
		})
	}
}

func TestLoadRefusesDamage(t *testing.T) {
	t.Parallel()
	good := dump(t, full(t))
	lines := bytes.SplitAfter(good, []byte("\n"))
	for name, damaged := range map[string][]byte{
		"empty":        nil,
		"cut":          good[:len(good)-3],
		"no end":       bytes.Join(lines[:len(lines)-2], nil),
		"a row less":   bytes.Join(append(lines[:1:1], lines[2:]...), nil),
		"no head":      bytes.Join(lines[1:], nil),
		"other table":  bytes.Replace(good, []byte(`"table":"run"`), []byte(`"table":"sqlite_master"`), 1),
		"other column": bytes.Replace(good, []byte(`"holder"`), []byte(`"holder) SELECT 1 --"`), 1),
		"newer":        bytes.Replace(good, []byte(`"version":`), []byte(`"version":9`), 1),
	} {
		db := open(t)
		err := db.Load(t.Context(), bytes.NewReader(damaged))
		if r := fault.ReasonOf(err); r != "DumpInvalid" && (name != "newer" || r != "DatabaseNewer") {
			t.Errorf("%s: Load returned %v", name, err)
		}
		if v, err := db.Setting(t.Context(), "installation"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("%s: a refused Load left the setting %q, %v", name, v, err)
		}
	}
}
