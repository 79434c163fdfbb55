package run_test

import (
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func TestLogSizeIsOfWholeLines(t *testing.T) {
	t.Parallel()
	s, ctx := domaintest.New(t), owner(t.Context())
	done := s.Await(t, s.Submit(t, "echo", "x"), run.Completed)
	if size, err := s.Runs.LogSize(ctx, done.Key(), 1); err != nil || size != int64(len(s.Log(t, done))) {
		t.Errorf("of a run that ended: %d, %v", size, err)
	}
	if size, err := s.Runs.LogSize(ctx, done.Key(), 2); err != nil || size != 0 {
		t.Errorf("of an attempt to come: %d, %v", size, err)
	}
	if _, err := s.Runs.LogSize(ctx, store.Key{Workspace: domaintest.Workspace, Name: "none"}, 1); fault.ReasonOf(err) != "RunNotFound" {
		t.Errorf("of no run: %v", err)
	}
	r := s.Await(t, s.Submit(t, "hang"), run.Running)
	blob, text := "runs/"+r.ID+"/log.1.txt", ""
	for _, c := range []struct {
		reason, more string
		want         int
	}{
		{"a part of a line", "one ", 0},
		{"the rest of it", "two\n", 8},
		{"and a part of the next", "three", 8},
		{"a long line", strings.Repeat("x", 64<<10), 8 + 5 + 64<<10},
		{"its end", "\nfour", 8 + 5 + 64<<10 + 1},
	} {
		if err := s.Blobs.Append(ctx, blob, int64(len(text)), []byte(c.more)); err != nil {
			t.Fatal(err)
		}
		text += c.more
		if size, err := s.Runs.LogSize(ctx, r.Key(), 1); err != nil || size != int64(c.want) {
			t.Errorf("%s: %d, want %d, %v", c.reason, size, c.want, err)
		}
	}
}
