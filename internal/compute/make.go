package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// makes fails where a target of the kind cannot be made, as the request asks.
func (q AttachRequest) makes(kind driver.Kind) error {
	if !q.Made || kind.Provision != nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Unsupported, Reason: "MakingUnsupported", What: "the compute target cannot be made",
		Why: "targets of kind " + kind.Name + " are machines or services that somebody has", Fix: "attach it; run: zaffre compute attach " + kind.Name + " --help", Field: "made",
	}
}

// options are those of the request. A target that is made is made where the kind's entry of the inventory says, if
// the request does not say where.
func (q AttachRequest) options(kind driver.Kind) map[string]any {
	named, _ := q.Options[optResource].(string)
	if !q.Made || named != "" || inventory.Names(q.Options) {
		return q.Options
	}
	out := maps.Clone(q.Options)
	if out == nil {
		out = map[string]any{}
	}
	out[optResource] = kind.Provision.Resource
	return out
}

// verb is what becomes of a target: it is attached, or made.
func (t Target) verb() string { return AttachRequest{Made: t.Spec.Made}.verb() }

func (q AttachRequest) verb() string {
	if q.Made {
		return "create"
	}
	return "attach"
}

func (t Target) origin() driver.Origin {
	if t.Spec.Made {
		return driver.Making
	}
	return driver.Attaching
}

func madeOtherwise(t Target) error {
	why, end := "it was attached, and what it stands for is not zaffre's", "detach"
	if t.Spec.Made {
		why, end = "zaffre made it", "delete"
	}
	return &fault.Error{
		Code: fault.Exists, Reason: "ComputeExists", What: fmt.Sprintf("compute target %q exists", t.Name), Why: why,
		Fix: fmt.Sprintf("choose another name, or %s it first; run: zaffre compute %s %s", end, end, t.Name), Field: "name",
	}
}

// placeOf is the same for a target and for one that is attached by its name after it.
func (s *Service) placeOf(t Target) string {
	if s.Installation == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Installation + "\x00" + t.Workspace + "\x00" + t.Name))
	return hex.EncodeToString(sum[:16])
}

// make makes what the target stands for, or brings it to the options of today. It does so again while the target is
// not well: somebody may have taken it away.
func (s *Service) make(ctx context.Context, t Target, c driver.Conn, o *driver.Observation) error {
	if !t.Spec.Made || t.Status.Revision == t.Revision && t.Ready() {
		return nil
	}
	p, err := driver.As[driver.Provisioner](c)
	if err != nil {
		return err
	}
	if !t.Status.Made {
		if err := s.intend(ctx, t); err != nil {
			return err
		}
	}
	begin := time.Now()
	err = p.Create(ctx)
	return o.Note(driver.Check{Name: "create", Required: true, Duration: time.Since(begin)}, err)
}

// intend writes down that making is begun. A target that is being deleted is not made.
func (s *Service) intend(ctx context.Context, t Target) error {
	_, err := s.Targets.Update(ctx, t.Key(), func(now *Target) ([]store.Effect, error) {
		if now.ID != t.ID {
			return nil, (&Target{Name: t.Name, Status: Status{State: Deleting}}).staying()
		}
		now.Status.Made = true
		return nil, now.staying()
	})
	return err
}
