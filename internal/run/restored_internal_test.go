package run

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTargetsAreAskedFirst: a target gets no runs before it said which jobs hold its places, but not for ever.
func TestTargetsAreAskedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nobody, s := newSearch(Config{}), newSearch(Config{Searching: true})
		nobody.done("a") // as who was called by hand
		if nobody.awaits("b") || !s.awaits("a") {
			t.Errorf("without a search a target waits: %v; with one it waits: %v", nobody.awaits("b"), s.awaits("a"))
		}
		s.done("a")
		if s.awaits("a") || !s.awaits("b") {
			t.Errorf("one that was asked waits: %v; one that was not: %v", s.awaits("a"), s.awaits("b"))
		}
		time.Sleep(searchWithin)
		if s.awaits("b") {
			t.Error("a target waits for ever")
		}
	})
}
