package environment_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

func newService(t testing.TB) *environment.Service {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return environment.New(environment.Config{Environments: db.Environments(), Builds: db.Builds(), Log: slog.New(slog.DiscardHandler)})
}

func as(ctx context.Context, r identity.Role) context.Context {
	return identity.With(ctx, identity.Caller{Name: "ann", Roles: map[string]identity.Role{"ws": r}})
}

func define(pip ...string) environment.Environment {
	return environment.Environment{Workspace: "ws", Name: "train", Definition: driver.Definition{Pip: pip}}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t.Context(), identity.Contributor)
	with := func(e environment.Environment, document string, version int) environment.Environment {
		e.Document, e.Version = []byte(document), version
		return e
	}
	for _, tc := range []struct {
		reason   string
		register func(context.Context, environment.Environment) (environment.Environment, error)
		e        environment.Environment
		want     int
		refused  string
	}{
		{"the first", s.Register, define("a"), 1, ""},
		{"the same", s.Register, define("a"), 1, ""},
		{"the same with a document", s.Register, with(define("a"), "{}", 0), 2, ""},
		{"that document again", s.Register, with(define("a"), "{}", 0), 2, ""},
		{"another document", s.Register, with(define("a"), "[]", 0), 3, ""},
		{"a version of its own", s.RegisterAs, with(define("b"), "{}", 7), 7, ""},
		{"and again", s.RegisterAs, with(define("b"), "{}", 7), 7, ""},
		{"what is taken", s.RegisterAs, with(define("c"), "{}", 7), 0, "EnvironmentVersionTaken"},
		{"after the highest", s.Register, define("c"), 8, ""},
	} {
		e, err := tc.register(ctx, tc.e)
		if fault.ReasonOf(err) != tc.refused || err == nil && e.Version != tc.want {
			t.Errorf("%s: version %d, %v, want %d", tc.reason, e.Version, err, tc.want)
		}
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	s, ctx := newService(t), as(t.Context(), identity.Contributor)
	for _, pip := range []string{"a", "b", "c"} {
		if _, err := s.Register(ctx, define(pip)); err != nil {
			t.Fatal(err)
		}
	}
	put := func(ref string, labels ...string) {
		t.Helper()
		if _, err := s.Label(ctx, "ws", ref, labels); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(label string, version int) {
		t.Helper()
		e, err := s.Labelled(as(t.Context(), identity.Reader), "ws", "train", label)
		if version == 0 && fault.ReasonOf(err) == "EnvironmentNotFound" || err == nil && e.Version == version {
			return
		}
		t.Errorf("label %s is on version %d, %v, want %d", label, e.Version, err, version)
	}
	put("train:1", "prod", "old")
	put("train:2", "prod")
	put("train:2", "prod")
	wants("prod", 2)
	wants("old", 1)
	wants("latest", 3)
	wants("none", 0)
	if _, err := s.Label(ctx, "ws", "train:1", []string{"latest"}); fault.ReasonOf(err) != "LabelReserved" {
		t.Errorf("labelled latest: %v", err)
	}
	if _, err := s.Label(as(t.Context(), identity.Tracker), "ws", "train:1", []string{"x"}); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("a run labels: %v", err)
	}
	if _, err := s.Label(ctx, "ws", "train:9", []string{"x"}); fault.ReasonOf(err) != "EnvironmentNotFound" {
		t.Errorf("no such version: %v", err)
	}
}
