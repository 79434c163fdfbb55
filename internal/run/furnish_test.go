package run_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// TestEnvironmentOfAKind: a run that names no environment gets the one that its target's kind needs.
func TestEnvironmentOfAKind(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	s.Attach(t, "furnished", map[string]any{"needs": "duckdb", "machine": "other"})
	r := s.Await(t, s.SubmitSpec(t, run.Spec{Target: "furnished", Command: []string{"true"}}), run.Completed)
	again := s.Await(t, s.SubmitSpec(t, run.Spec{Target: "furnished", Command: []string{"true"}}), run.Completed)
	if r.Spec.Environment != "fake:1" || r.Spec.Digest == "" || again.Spec.Environment != "fake:1" {
		t.Errorf("the runs have the environments %q and %q", r.Spec.Environment, again.Spec.Environment)
	}
	e, err := s.Environments.Get(owner(t.Context()), domaintest.Workspace, "fake")
	if err != nil || !slices.Equal(e.Definition.Pip, []string{"duckdb"}) {
		t.Errorf("the environment is %+v, %v", e.Definition, err)
	}
	if bare := s.SubmitSpec(t, run.Spec{Target: "box", Command: []string{"true"}}); bare.Spec.Environment != "" {
		t.Errorf("where nothing is needed the run has the environment %q", bare.Spec.Environment)
	}
	_, err = s.Environments.Register(owner(t.Context()), environment.Environment{Workspace: domaintest.Workspace, Name: "own", Definition: driver.Definition{Pip: []string{"six"}}})
	if err != nil {
		t.Fatal(err)
	}
	if own := s.SubmitSpec(t, run.Spec{Target: "furnished", Command: []string{"true"}, Environment: "own"}); own.Spec.Environment != "own:1" {
		t.Errorf("a run that names one has the environment %q", own.Spec.Environment)
	}
}

// TestScriptsAreLookedFor: of Python and of U-SQL, before a target is asked.
func TestScriptsAreLookedFor(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	text := "OUTPUT"
	sum := sha256.Sum256([]byte(text))
	f := driver.File{Path: "here.usql", Mode: 0o644, Size: int64(len(text)), Hash: hex.EncodeToString(sum[:])}
	if err := s.Snapshots.PutFile(t.Context(), f.Hash, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	code, err := s.Snapshots.Commit(t.Context(), []driver.File{f})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		command []string
		reason  string
	}{
		{[]string{"here.usql"}, ""},
		{[]string{"gone.usql"}, "ScriptMissing"},
		{[]string{"gone.USQL"}, "ScriptMissing"},
		{[]string{"python", "gone.py"}, "ScriptMissing"},
	} {
		_, _, err := s.Runs.Submit(owner(t.Context()), run.Request{Workspace: domaintest.Workspace, Spec: run.Spec{Target: "box", Command: tt.command, Snapshot: string(code)}})
		if fault.ReasonOf(err) != tt.reason {
			t.Errorf("%v: %v, want %q", tt.command, err, tt.reason)
		}
	}
}
