package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

func testEvents(t *testing.T, open func(*testing.T) Store) {
	on(t, open, "are kept in order", keepsEvents)
	on(t, open, "are selected", selectsEvents)
	on(t, open, "are told", tellsEvents)
	on(t, open, "become visible in order", eventsInOrder)
}

func emit(workspace, subject string) store.Emit {
	return store.Emit{Workspace: workspace, Subject: subject, Type: "t", Actor: "me"}
}

func keepsEvents(t *testing.T, s Store) {
	before := time.Now().Add(-time.Millisecond)
	first := store.Emit{
		Workspace: "ws", Subject: "run/ü'\"", Type: "run.state_changed", Actor: "admin",
		Data: map[string]string{"state": "Running", "note": "a\nb"},
	}
	must(t, write(t, s, "a", first, emit("ws", "run/2")))
	must(t, write(t, s, "b", emit("ws", "run/3")))
	got, err := s.Events(t.Context(), "ws", "", 0, 0)
	must(t, err)
	if len(got) != 3 {
		t.Fatalf("%d events, want 3", len(got))
	}
	if diff := cmp.Diff(first, got[0].Emit); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	last := int64(0)
	for _, e := range got {
		if e.Sequence <= last || e.Time.Before(before) || e.Time.After(time.Now()) {
			t.Errorf("event %d after %d, at %v", e.Sequence, last, e.Time)
		}
		last = e.Sequence
	}
}

func selectsEvents(t *testing.T, s Store) {
	must(t, write(t, s, "a", emit("ws", "run/a"), emit("ws", "run/a/b"), emit("ws", "run"), emit("ws", "compute/a"),
		emit("ws2", "run/a"), emit("ws", "run0")))
	for _, c := range []struct{ workspace, subject, want string }{
		{"", "", "run/a run/a/b run compute/a run/a run0"},
		{"ws", "", "run/a run/a/b run compute/a run0"},
		{"ws", "run/", "run/a run/a/b"},
		{"ws", "run/a", "run/a"},
		{"", "run/a", "run/a run/a"},
		{"", "run/", "run/a run/a/b run/a"},
		{"ws3", "", ""},
	} {
		var got []string
		after := int64(0)
		for { // one by one
			page, err := s.Events(t.Context(), c.workspace, c.subject, after, 1)
			must(t, err)
			if len(page) == 0 {
				break
			}
			got, after = append(got, page[0].Subject), page[0].Sequence
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c, diff)
		}
	}
}

func tellsEvents(t *testing.T, s Store) {
	type sub struct{ workspace, subject string }
	subs := map[sub]<-chan struct{}{}
	for _, p := range []sub{{"ws", "run/a"}, {"", "run/a"}, {"ws", "run/"}, {"ws", "run/a/"}, {"", ""}, {"ws", ""}, {"ws2", ""}, {"ws", "run/b"}, {"ws", "ru"}} {
		changed, stop := s.Subscribe(p.workspace, p.subject)
		defer stop()
		subs[p] = changed
	}
	stopped, stop := s.Subscribe("ws", "run/a")
	stop()
	stop()
	check := func(what string, want ...sub) {
		t.Helper()
		got, expected := map[sub]bool{}, map[sub]bool{}
		for p, c := range subs {
			if told(c) {
				got[p] = true
			}
		}
		for _, p := range want {
			expected[p] = true
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s told (-want +got):\n%s", what, diff)
		}
	}
	must(t, write(t, s, "a", emit("ws", "run/a"), emit("ws", "run/a")))
	check("run/a", sub{"ws", "run/a"}, sub{"", "run/a"}, sub{"ws", "run/"}, sub{"", ""}, sub{"ws", ""})
	must(t, write(t, s, "b", emit("ws", "run/a/x")))
	check("run/a/x", sub{"ws", "run/"}, sub{"ws", "run/a/"}, sub{"", ""}, sub{"ws", ""})
	if err := write(t, s, "b", emit("ws", "run/a")); err == nil {
		t.Error("the name was not taken")
	}
	check("a write that failed")
	if told(stopped) {
		t.Error("a subscription that was stopped was told")
	}
}

// eventsInOrder has a reader go by sequence numbers while 8 writers emit: it must miss none.
func eventsInOrder(t *testing.T, s Store) {
	const writers, each = 8, 20
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			for j := range each {
				w := workspace.Workspace{Name: fmt.Sprintf("w%d-%d", i, j)}
				if err := s.Workspaces().Insert(t.Context(), w, emit("ws", "x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	seen, after := 0, int64(0)
	for last := false; ; {
		page, err := s.Events(t.Context(), "ws", "", after, 10)
		must(t, err)
		for _, e := range page {
			seen, after = seen+1, e.Sequence
		}
		if last && len(page) == 0 {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if seen != writers*each {
		t.Errorf("a reader saw %d of %d events", seen, writers*each)
	}
}
