package drivertest

import (
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func (e *env) definition(what string) driver.Definition {
	e.Helper()
	if e.Definition == nil || e.Definition(what) == nil {
		e.Skipf("the harness has no %s definition", what)
	}
	return *e.Definition(what)
}

func (e *env) builder() driver.EnvBuilder { return as[driver.EnvBuilder](e, e.conn) }

// built waits until a build has ended.
func (e *env) built(digest string) driver.BuildStatus {
	e.Helper()
	var st driver.BuildStatus
	e.until("the build to end", func() bool {
		var err error
		if st, err = e.builder().BuildStatus(e.ctx, digest); err != nil {
			e.Fatalf("BuildStatus: %v", err)
		}
		return st.State != driver.BuildRunning
	})
	return st
}

func testBuild(e *env) {
	digest, d := digestOf("tiny"), e.definition("tiny")
	if err := e.builder().Build(e.ctx, digest, d); err != nil {
		e.Fatalf("Build: %v", err)
	}
	e.crash() // a build goes on without us
	st := e.built(digest)
	if st.State != driver.BuildDone || st.Runtime == (driver.Runtime{}) || st.Way == "" || st.Python == "" {
		e.Fatalf("the build is %+v, want it done with Runtime, Way and Python", st)
	}
	if log, err := readAll(e.builder().BuildLog(e.ctx, digest, 0)); err != nil || log == "" {
		e.Errorf("the build's log is %q, %v", log, err)
	}
	if argv := e.Script("python", "print('built')"); argv != nil {
		j := e.job(argv)
		j.Runtime = st.Runtime
		h := e.start(j)
		if st := e.end(h); st.State != driver.JobDone {
			e.Errorf("a job in the environment is %+v, want it done", st)
		}
		e.wantLog(h, "built\n")
	}
}

func testBuildTwice(e *env) {
	digest, d := digestOf("twice"), e.definition("tiny")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := e.builder().Build(e.ctx, digest, d); err != nil {
				e.Errorf("Build: %v", err)
			}
		})
	}
	wg.Wait()
	first := e.built(digest)
	log, _ := readAll(e.builder().BuildLog(e.ctx, digest, 0))
	if err := e.builder().Build(e.ctx, digest, d); err != nil {
		e.Errorf("Build of what is built: %v", err)
	}
	second := e.built(digest)
	if first.State != driver.BuildDone || first.Runtime != second.Runtime {
		e.Errorf("the builds are %+v and %+v, want one", first, second)
	}
	if again, _ := readAll(e.builder().BuildLog(e.ctx, digest, 0)); again != log {
		e.Errorf("building what is built wrote into its log: %q", strings.TrimPrefix(again, log))
	}
}

func testBuildImpossible(e *env) {
	digest, d := digestOf("impossible"), e.definition("impossible")
	for range 2 { // one that failed is started anew
		err := e.builder().Build(e.ctx, digest, d)
		if err != nil {
			e.wantFault(err, fault.Invalid)
			return
		}
		st := e.built(digest)
		if st.State != driver.BuildFailed || st.Reason == "" || st.Message == "" {
			e.Fatalf("the build is %+v, want it failed with Reason and Message", st)
		}
	}
}

func testBuildMissing(e *env) {
	st, err := e.builder().BuildStatus(e.ctx, digestOf("missing"))
	if err != nil || st.State != driver.BuildMissing {
		e.Errorf("a build that nobody started is %+v, %v, want it missing", st, err)
	}
}

func testClean(e *env) {
	cleaner := as[driver.Cleaner](e, e.conn)
	done := e.start(e.job(e.script("exit", "0")))
	e.end(done)
	hanging := e.start(e.job(e.script("hang")))
	e.running(hanging)
	items, err := cleaner.Clean(e.ctx, true)
	if err != nil || len(items) == 0 {
		e.Fatalf("Clean, dry = %+v, %v, want what is there", items, err)
	}
	for _, it := range items {
		if it.Removed || it.Type == "" || it.Name == "" {
			e.Errorf("item %+v of a dry run", it)
		}
	}
	if a, b := e.poll(done), e.poll(hanging); a.State != driver.JobDone || b.State != driver.JobRunning {
		e.Errorf("after a dry run the jobs are %+v and %+v", a, b)
	}
	items, err = cleaner.Clean(e.ctx, false)
	if err != nil {
		e.Fatalf("Clean: %v", err)
	}
	for _, it := range items {
		if !it.Removed {
			e.Errorf("item %+v was not removed", it)
		}
	}
	if a, b := e.poll(done), e.poll(hanging); a.State != driver.JobLost || b.State != driver.JobLost {
		e.Errorf("after a clean the jobs are %+v and %+v, want both lost", a, b)
	}
	e.end(e.start(e.job(e.script("exit", "0")))) // the target works on
}
