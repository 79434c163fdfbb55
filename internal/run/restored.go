package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// sinceBackup says of a job that is lost without a record that it may have ended and been released after the backup: of
// that the restored database knows nothing.
func (s *Service) sinceBackup(r Run, status driver.JobStatus) driver.JobStatus {
	if status.State != driver.JobLost || status.Reason == "Restarted" || s.Restored.IsZero() || r.Created.Truncate(time.Second).After(s.Restored) { // a backup says its second
		return status
	}
	status.Message = orElse(status.Message, "its target has no record of it") +
		"; the server was restored from a backup of " + s.Restored.UTC().Format(time.RFC3339) + ", and the run may have ended after it"
	return status
}

// searchPause is between two looks at whether a target was asked.
const searchPause = 200 * time.Millisecond

// search is the look for jobs of unknown runs after a backup was restored. The zero value looks for none.
type search struct {
	mu     sync.Mutex
	looked map[string]bool // targets, by ID, that were asked, whatever they said
	until  time.Time       // when those that were not are given runs all the same; zero: nobody looks
}

// searchWithin is how long a target waits to be asked which jobs hold its places, before it is given runs.
const searchWithin = time.Minute

func newSearch(c Config) *search {
	if !c.Searching {
		return &search{}
	}
	return &search{looked: map[string]bool{}, until: time.Now().Add(searchWithin)}
}

// awaits reports whether a target is to be asked first.
func (s *search) awaits(target string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.until) && !s.looked[target]
}

func (s *search) done(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looked != nil {
		s.looked[target] = true
	}
}

// FindOrphans looks for jobs on the targets of runs that the database does not know, as after a backup was restored. Each
// target's stand in an event "compute.orphans"; those that go on hold their places until they end. Nothing is ended.
// seen says of targets, by ID, that they answered, and whether nothing goes on there: such are left out, and those in it
// are told of no more. Where a target did not answer FindOrphans fails, and the others were looked at.
func (s *Service) FindOrphans(ctx context.Context, seen map[string]bool) error {
	ctx = identity.System(ctx)
	found, silent, err := s.jobsOnTargets(ctx, seen)
	if err != nil {
		return err
	}
	ids, err := s.everyID(ctx) // after the jobs: a job comes after its run
	if err != nil {
		return err
	}
	for _, f := range found {
		f.jobs = slices.DeleteFunc(f.jobs, func(job driver.Item) bool { return !strings.HasPrefix(job.Name, "z-") || ids[runOf(job.Name)] })
		silent = cmp.Or(silent, s.noteOrphans(ctx, f, seen))
		s.search.done(f.target.ID)
	}
	return silent
}

// noteOrphans tells of the jobs on a target, all of unknown runs, and has those that go on hold places.
func (s *Service) noteOrphans(ctx context.Context, f holding, seen map[string]bool) error {
	slices.SortFunc(f.jobs, func(a, b driver.Item) int { return strings.Compare(a.Name, b.Name) })
	going := slices.DeleteFunc(slices.Clone(f.jobs), func(job driver.Item) bool { return job.End == "" })
	if err := s.keepOrphans(ctx, f.target, going); err != nil {
		return err
	}
	if _, told := seen[f.target.ID]; !told {
		if err := s.tellOrphans(ctx, f.target, f.jobs); err != nil {
			return err
		}
	}
	seen[f.target.ID] = len(going) == 0
	return nil
}

// holding is what a target has.
type holding struct {
	target compute.Target
	jobs   []driver.Item
}

// jobsOnTargets returns what the targets have; silent is why one of them did not say.
func (s *Service) jobsOnTargets(ctx context.Context, seen map[string]bool) (found []holding, silent, err error) {
	for page := (store.Page{Limit: 100}); ; {
		targets, next, err := s.Computes.Targets.List(ctx, compute.Filter{}, page)
		if err != nil {
			return nil, nil, err
		}
		for _, t := range targets {
			if seen[t.ID] {
				continue
			}
			jobs, err := s.Computes.Jobs(ctx, t)
			if err != nil {
				silent = err
				s.search.done(t.ID) // it waits for nobody, and is asked again
				continue
			}
			found = append(found, holding{t, jobs})
		}
		if page.Cursor = next; next == "" {
			return found, silent, nil
		}
	}
}

func (s *Service) tellOrphans(ctx context.Context, t compute.Target, jobs []driver.Item) error {
	if len(jobs) == 0 {
		return nil
	}
	var names []string
	for _, job := range jobs {
		names = append(names, job.Name)
	}
	s.Log.WarnContext(ctx, "a target has jobs of runs that are not known, and they go on", "compute", t.Name, "workspace", t.Workspace, "jobs", names)
	return s.Computes.TellOrphans(ctx, t, names)
}

// keepOrphans has the jobs that go on hold places on the target's machine, and those that have ended give them back. On
// a target of several machines, where an engine knows which they are on, they hold none.
func (s *Service) keepOrphans(ctx context.Context, t compute.Target, going []driver.Item) error {
	if len(going) == 0 && len(t.Status.Orphans) == 0 {
		return nil
	}
	machines := machinesOf(t)
	space := slotSpace(machines[0].Identity)
	var orphans []compute.Orphan
	var takes []store.Take
	for _, job := range going {
		orphans = append(orphans, compute.Orphan{Job: job.Name, Space: space})
		if len(machines) == 1 {
			takes = append(takes, takesOf(job, space)...)
		}
	}
	return s.Computes.KeepOrphans(ctx, t, orphans, saidOf(going), takes)
}

// takesOf are the claims of a job of an unknown run. Its place and its GPUs may be taken by a run of the backup, of which
// it is not seen yet that it has ended: so their names are its own, see free.
func takesOf(job driver.Item, space string) []store.Take {
	names := []string{orphanRun + "/" + job.Name + "/1"}
	for _, g := range job.GPUs {
		names = append(names, fmt.Sprintf("%s/%s/%d", orphanGPU, job.Name, g))
	}
	if job.Memory > 0 {
		names = append(names, fmt.Sprintf("memory/%s/%d", job.Name, job.Memory))
	}
	takes := make([]store.Take, len(names))
	for i, name := range names {
		takes[i] = store.Take{Space: space, Name: name, Holder: job.Name}
	}
	return takes
}

// saidOf names jobs and how they are ended, at most a few.
func saidOf(going []driver.Item) string {
	const most = 3
	var b strings.Builder
	b.WriteString("jobs of runs that the server does not know go on, and hold their places until they end")
	for i, job := range going {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(going)-most)
			break
		}
		fmt.Fprintf(&b, "; to end %s, on that machine: %s", job.Name, job.End)
	}
	return b.String()
}

// runOf returns the ID of the run in that of a job.
func runOf(job string) string {
	id := strings.TrimPrefix(job, "z-")
	return id[:max(0, strings.LastIndexByte(id, '-'))]
}

// everyID returns the IDs of all runs, of all workspaces, and those that were deleted too.
func (s *Service) everyID(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	for page := (store.Page{Limit: 1000}); ; {
		runs, next, err := s.Runs.List(ctx, Filter{Deleted: All}, page)
		if err != nil {
			return nil, fault.Doing("cannot look for jobs of unknown runs", err)
		}
		for _, r := range runs {
			ids[r.ID] = true
		}
		if page.Cursor = next; next == "" {
			return ids, nil
		}
	}
}
