// Command fill inserts runs or compute targets into the database of a server that is stopped, as submit would have, or
// counts those that want to be looked at. It is a helper of test/bench.
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

const (
	writers     = 256
	experiments = 100
)

func main() {
	data := flag.String("data", "", "data folder")
	workspace := flag.String("workspace", "default", "workspace of the runs")
	state := flag.String("state", "Completed", "state of the runs; one in ten of Completed is Failed")
	n := flag.Int("runs", 1000, "how many")
	computes := flag.Int("computes", 0, "how many compute targets to insert instead")
	due := flag.Bool("due", false, "count the runs that are due within a day")
	flag.Parse()
	file := filepath.Join(*data, "zaffre.db")
	var err error
	switch {
	case *due:
		err = count(context.Background(), file)
	case *computes > 0:
		err = fillComputes(context.Background(), file, *workspace, *computes)
	default:
		err = fill(context.Background(), file, *workspace, run.State(*state), *n)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func count(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	n, soon := 0, time.Now().Add(24*time.Hour).UnixMicro()
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM work WHERE kind = ? AND next_at <= ?", run.WorkKind, soon).Scan(&n)
	fmt.Println(n)
	return err
}

func fill(ctx context.Context, file, workspace string, state run.State, n int) error {
	db, err := sqlstore.OpenWith(ctx, "sqlite:"+file, slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := fillExperiments(ctx, db, workspace, n); err != nil {
		return err
	}
	next := make(chan int)
	errs := make(chan error, writers)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range next {
				if err := insert(ctx, db, workspace, state, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	err = hand(n, next, errs)
	close(next)
	wg.Wait()
	return err
}

func hand(n int, next chan<- int, errs <-chan error) error {
	for i := range n {
		select {
		case next <- i:
		case err := <-errs:
			return err
		}
	}
	return nil
}

func fillExperiments(ctx context.Context, db *sqlstore.DB, workspace string, n int) error {
	for i := range experiments {
		e := run.Experiment{Workspace: workspace, Name: experiment(i), Runs: int64(n / experiments), Created: time.Now()}
		if err := db.Experiments().Insert(ctx, e); err != nil && fault.CodeOf(err) != fault.Exists {
			return err
		}
	}
	return nil
}

// experiment puts half of the runs into one experiment, and spreads the others.
func experiment(i int) string {
	if i%2 == 0 {
		return "exp-0"
	}
	return fmt.Sprintf("exp-%d", i%experiments)
}

func insert(ctx context.Context, db *sqlstore.DB, workspace string, state run.State, i int) error {
	now, uid := time.Now(), id.New()
	r := run.Run{
		Workspace: workspace, Name: uid, ID: uid, Experiment: experiment(i), Number: int64(i/experiments + 1), Origin: run.Managed,
		Tags: map[string]string{"lr": fmt.Sprint(i % 7)}, CreatedBy: "bench", Created: now,
		Spec:   run.Spec{Target: compute.Server, Command: []string{"true"}},
		Status: run.Status{State: state, Changed: now},
	}
	var effects []store.Effect
	if state.Final() {
		finish(&r, i, now)
	} else {
		effects = append(effects, store.Wake{Kind: run.WorkKind, ID: r.Key().String()})
	}
	return db.Runs().Insert(ctx, r, effects...)
}

// finish gives a run the attempt that it had.
func finish(r *run.Run, i int, now time.Time) {
	outcome := driver.JobStatus{State: driver.JobDone, Started: now, Ended: now}
	if r.Status.State == run.Completed && i%10 == 0 {
		r.Status.State = run.Failed
		outcome = driver.JobStatus{State: driver.JobFailed, ExitCode: 3, Reason: "ExitCode", Message: "exit code 3", Started: now, Ended: now}
		r.Status.Error = &fault.Error{
			Code: fault.Precondition, Reason: "ExitCode", What: "the run failed", Why: "exit code 3", Fix: "read its log; run: zaffre run logs " + r.Name,
		}
	}
	r.Status.Started, r.Status.Ended = now, now
	r.Status.Attempts = []run.Attempt{{Number: 1, JobID: "z-" + r.ID + "-1", Target: "bench", Slots: []driver.Slot{{Machine: "bench"}}, Outcome: outcome}}
}
