package history

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zaffre-ml/zaffre/internal/run"
)

func TestEveryStateHasAWord(t *testing.T) {
	t.Parallel()
	for _, s := range run.States() {
		if word := words[s]; word == "" || states[word] != s {
			t.Errorf("%s is %q, which is %q", s, word, states[word])
		}
	}
	for word := range states {
		if words[states[word]] == "" {
			t.Errorf("%s leads nowhere", word)
		}
	}
	for word, s := range eventStates {
		if words[s] == "" {
			t.Errorf("the event %s leads nowhere", word)
		}
	}
}

// TestLastLines follows runs to their end, at polls of the details and between them.
func TestLastLines(t *testing.T) {
	t.Parallel()
	started := run.Status{Attempts: []run.Attempt{{Number: 1}}}
	for _, c := range []struct {
		reason string
		run    run.Run
		before int // polls before the end
		wait   time.Duration
		want   string
	}{
		{"at the first poll after the end", run.Run{Origin: run.Managed, Status: started}, 0, 0, "Finalizing Completed"},
		{"polled once", run.Run{Origin: run.Managed, Status: started}, 1, time.Second, "Finalizing Completed"},
		{"followed", run.Run{Origin: run.Managed, Status: started}, 2, 0, "Completed Completed"},
		{"two seconds later", run.Run{Origin: run.Managed, Status: started}, 0, tailFor, "Completed Completed"},
		{"without a log", run.Run{Origin: run.Managed}, 0, 0, "Completed Completed"},
		{"of a script that logs", run.Run{Origin: run.External}, 0, 0, "Completed Completed"},
		{"of the client's own machine", run.Run{Origin: run.External, Definition: []byte("{}")}, 0, 0, "Finalizing Completed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var a tail
			c.run.Status.State = run.Running
			for range c.before {
				if got := a.poll(c.run); got != run.Running {
					t.Errorf("%s: before the end it is %s", c.reason, got)
				}
			}
			c.run.Status.State, c.run.Status.Changed = run.Completed, time.Now()
			time.Sleep(c.wait)
			between := a.state(c.run)
			got := fmt.Sprint(a.poll(c.run), " ", a.state(c.run))
			if got != c.want || string(between) != string(c.want[:len(between)]) {
				t.Errorf("%s: %s, then %s, want %s", c.reason, between, got, c.want)
			}
		})
	}
}

func TestPollsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a tail
		for i := range 3 * tailMax {
			a.poll(run.Run{Name: fmt.Sprint(i), Origin: run.Managed, Status: run.Status{State: run.Running, Attempts: make([]run.Attempt, 1)}})
		}
		if len(a.polls) > tailMax {
			t.Errorf("%d are remembered", len(a.polls))
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{`(Tags/a eq "b") and (Status eq Completed)`, "RunId eq a or RunId eq b", "((a ne null) or (a eq null))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parseFilter(text)
		if err != nil {
			return
		}
		fields := func(path string) (string, bool) { return path, len(path)%2 == 0 }
		var narrow run.Filter
		left := w.narrow(&narrow)
		if narrow.Top || narrow.Parent+narrow.Root+string(narrow.State) != "" || len(narrow.Where) > 0 {
			return // the store decides
		}
		if w.match(fields) != left.match(fields) {
			t.Errorf("%q means something else", text)
		}
	})
}
