package run_test

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// What a run says to the engine behind its target reaches the job, with the kind's defaults, as the types that
// the kind names.
func TestJobOptions(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	given := map[string]any{"queue": "long", "nodes": "3", "jars": "a.jar"} // as the command line has them
	q := run.Request{Workspace: domaintest.Workspace, Name: "one", Spec: run.Spec{Target: "box", Command: []string{"options"}, Options: given}}
	r, created, err := s.Runs.Submit(owner(t.Context()), q)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if got := s.Log(t, s.Await(t, r, run.Completed)); got != `{"jars":["a.jar"],"nodes":3,"queue":"long"}`+"\n" {
		t.Errorf("the job has %s", got)
	}
	q.Spec.Options = map[string]any{"queue": "long", "nodes": 3.0, "jars": []any{"a.jar"}} // as JSON has them
	if _, created, err = s.Runs.Submit(owner(t.Context()), q); created || err != nil {
		t.Errorf("the same options again: %t, %v", created, err)
	}
	q.Spec.Options["nodes"] = 4.0
	if _, _, err = s.Runs.Submit(owner(t.Context()), q); fault.ReasonOf(err) != "RunDiffers" {
		t.Errorf("other options: %v", err)
	}
	plain := s.Submit(t, "options")
	if got := s.Log(t, s.Await(t, plain, run.Completed)); got != `{"nodes":1,"queue":"default"}`+"\n" {
		t.Errorf("without options the job has %s", got)
	}
}

func TestJobOptionsRefused(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	for reason, options := range map[string]map[string]any{
		"JobOptionUnknown": {"que": "x"}, "JobOptionInvalid": {"nodes": "many"},
	} {
		_, _, err := s.Runs.Submit(owner(t.Context()), run.Request{
			Workspace: domaintest.Workspace, Spec: run.Spec{Target: "box", Command: []string{"true"}, Options: options},
		})
		domaintest.Refused(t, err, reason)
	}
}
