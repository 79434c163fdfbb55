package event_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/event"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func TestFollowSeesOldAndNew(t *testing.T) {
	t.Parallel()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	emit := func(name string) {
		err := db.Workspaces().Insert(t.Context(), workspace.Workspace{Name: name},
			store.Emit{Workspace: "ws", Subject: "run/" + name, Type: "t", Actor: "ann"},
			store.Emit{Workspace: "other", Subject: "run/" + name, Type: "t", Actor: "ann"})
		if err != nil {
			t.Error(err)
		}
	}
	emit("one")
	s := event.New(db)
	ctx := identity.With(t.Context(), identity.Caller{Name: "ann", Roles: map[string]identity.Role{"ws": identity.Reader}})
	enough := errors.New("enough")
	var got []string
	idled := make(chan struct{}, 100)
	idle := event.Idle{Every: time.Millisecond, Call: func() error { idled <- struct{}{}; return nil }}
	go func() {
		<-idled // it has seen what there was
		emit("two")
	}()
	err = s.Follow(ctx, event.Filter{Workspace: "ws", Subject: "run/"}, 0, idle, func(e store.Event) error {
		got = append(got, e.Subject)
		if e.Workspace != "ws" {
			t.Errorf("an event of %s", e.Workspace)
		}
		if len(got) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || got[0] != "run/one" || got[1] != "run/two" {
		t.Errorf("Follow = %v, saw %v", err, got)
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(enough)
	never := func(store.Event) error { return nil }
	if err := s.Follow(ended, event.Filter{Workspace: "ws", Subject: "none"}, 0, idle, never); !errors.Is(err, enough) && !errors.Is(err, context.Canceled) && fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Follow of an ended context = %v", err)
	}
	if err := s.Follow(ctx, event.Filter{Workspace: "other"}, 0, idle, never); fault.ReasonOf(err) != "RoleMissing" {
		t.Errorf("Follow of another workspace = %v", err)
	}
}
