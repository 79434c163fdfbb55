package run_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// orphaned returns a server whose database is of before a run that goes on, on a machine of two places and one GPU.
func orphaned(t *testing.T) (s *domaintest.Server, box compute.Target, job string) {
	t.Helper()
	dir, before, world := t.TempDir(), t.TempDir(), fake.NewWorld()
	s = reopen(t, dir, world)
	s.Start()
	box = s.Attach(t, "box", map[string]any{"slots": 2, "gpus": 1, "memory": 1000})
	s.Close()
	if err := errors.Join(os.CopyFS(before, os.DirFS(dir)), os.Chmod(filepath.Join(before, "keys"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, dir, world)
	s.Start()
	r := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"hang"}, GPUs: 1, Memory: 600})
	s.Await(t, r, run.Running)
	s.Close()
	s = reopen(t, before, world)
	s.Start()
	return s, box, "z-" + r.ID + "-1"
}

// held are the names of what a job has, of whatever machine.
func held(t *testing.T, s *domaintest.Server, box compute.Target, job string) (names []string) {
	t.Helper()
	taken, err := s.DB.Taken(t.Context(), "slots/"+box.Status.Seen.Machines[0].Identity)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range taken {
		if c.Holder == job {
			names = append(names, c.Name)
		}
	}
	return names
}

func look(t *testing.T, s *domaintest.Server, seen map[string]bool) {
	t.Helper()
	if err := s.Runs.FindOrphans(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
}

func saysOrphans(t *testing.T, s *domaintest.Server, box store.Key) string {
	t.Helper()
	target, err := s.Computes.Get(identity.System(t.Context()), box)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(target.Status.Conditions, func(c compute.Condition) bool { return c.Type == "Orphans" })
	if i < 0 {
		return ""
	}
	return target.Status.Conditions[i].Message
}

// TestOrphansHoldTheirPlaces: a job of a run that the database does not know has what it was given until it ends; others
// get what is left, and its places when it has ended.
func TestOrphansHoldTheirPlaces(t *testing.T) {
	t.Parallel()
	s, box, job := orphaned(t)
	seen := map[string]bool{}
	for range 2 { // again as after a restart, which remembers nothing
		clear(seen)
		look(t, s, seen)
		look(t, s, seen)
		want := []string{"memory/" + job + "/600", "orphan-gpu/" + job + "/0", "orphan-run/" + job + "/1"}
		if got := held(t, s, box, job); !slices.Equal(got, want) || seen[box.ID] {
			t.Errorf("the job holds %v, want %v; nothing goes on: %v", got, want, seen[box.ID])
		}
	}
	if got := saysOrphans(t, s, box.Key()); !strings.HasSuffix(got, "to end "+job+", on that machine: fake end "+job) {
		t.Errorf("the target says %q", got)
	}
	beside := s.Submit(t, "hang")
	s.Await(t, beside, run.Running)
	waits := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"true"}, GPUs: 1})
	after := s.Submit(t, "true")
	if _, err := s.Runs.Place(t.Context(), box.Key().String()); err != nil {
		t.Fatal(err)
	}
	for _, r := range []run.Run{waits, after} {
		if got, err := s.Runs.Get(identity.System(t.Context()), r.Key()); err != nil || !got.Waiting() {
			t.Errorf("a run got a place that the job has: %+v, %v", got.Status, err)
		}
	}
	s.Fake.Finish(job, 0)
	look(t, s, seen)
	if got := held(t, s, box, job); len(got) > 0 || !seen[box.ID] || saysOrphans(t, s, box.Key()) != "" {
		t.Errorf("the job has ended and holds %v; nothing goes on: %v; %s", got, seen[box.ID], saysOrphans(t, s, box.Key()))
	}
	s.Await(t, waits, run.Completed)
	s.Await(t, after, run.Completed)
}

// TestOrphansGoWithTheirTarget: what the jobs held is free when the target is detached, which ends them.
func TestOrphansGoWithTheirTarget(t *testing.T) {
	t.Parallel()
	s, box, job := orphaned(t)
	look(t, s, map[string]bool{})
	if got := held(t, s, box, job); len(got) != 3 {
		t.Fatalf("the job holds %v", got)
	}
	if _, err := s.Computes.Detach(identity.System(t.Context()), box.Key(), compute.DetachOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := held(t, s, box, job); len(got) > 0 || s.Fake.Known(job) {
		t.Errorf("the job holds %v; it is there: %v", got, s.Fake.Known(job))
	}
}
