package compute_test

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var errNo = &fault.Error{Code: fault.Unsupported, Reason: "No", What: "cannot do it", Why: "of a test", Fix: "do not try"}

func TestRefusedRequestsAreKeptAndReplaced(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	ctx := owner(t.Context())
	k := store.Key{Workspace: domaintest.Workspace, Name: "later"}
	q := compute.AttachRequest{Workspace: k.Workspace, Name: k.Name, Kind: "", Foreign: []byte(`{}`)}
	for range 2 {
		got, err := s.Computes.Refuse(ctx, q, errNo)
		if err != nil || got.Status.State != compute.Failed || fault.ReasonOf(got.Status.Error) != "No" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := s.Computes.Update(ctx, k, nil); fault.ReasonOf(err) != "No" {
		t.Errorf("update of a refused request: %v", err)
	}
	if got := check(t, s, k); got.Status.State != compute.Failed {
		t.Errorf("check of a refused request: %+v", got.Status)
	}
	got, created, err := s.Computes.Attach(ctx, compute.AttachRequest{Workspace: k.Workspace, Name: k.Name, Kind: "fake"})
	if err != nil || created || got.Spec.Refused || got.Revision != 3 {
		t.Errorf("the attach that replaces it: %+v, %v, %v", got, created, err)
	}
	if _, err := s.Computes.Refuse(ctx, q, errNo); fault.ReasonOf(err) != "ComputeExists" {
		t.Errorf("a refusal took an attached target's place: %v", err)
	}
	if _, err := s.Computes.Detach(ctx, k, compute.DetachOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

func TestAttachingAFailedTargetLooksAgain(t *testing.T) {
	t.Parallel()
	s := domaintest.New(t)
	ctx := owner(t.Context())
	q := compute.AttachRequest{Workspace: domaintest.Workspace, Name: "bad", Kind: "fake", Options: map[string]any{"password": "wrong"}}
	if _, _, err := s.Computes.Attach(ctx, q); err != nil {
		t.Fatal(err)
	}
	k := store.Key{Workspace: q.Workspace, Name: q.Name}
	first := check(t, s, k)
	if first.Status.State != compute.Failed {
		t.Fatalf("%+v", first.Status)
	}
	again, created, err := s.Computes.Attach(ctx, q)
	if err != nil || created || again.Revision != first.Revision+1 || again.Status.State != compute.Updating {
		t.Errorf("attached again: %s, revision %d, %v, %v", again.Status.State, again.Revision, created, err)
	}
	if first = check(t, s, k); first.Status.State != compute.Failed {
		t.Fatalf("%+v", first.Status)
	}
	if again, err = s.Computes.Update(ctx, k, q.Options); err != nil || again.Revision != first.Revision+1 {
		t.Errorf("updated with the same: %s, revision %d, %v", again.Status.State, again.Revision, err)
	}
}
