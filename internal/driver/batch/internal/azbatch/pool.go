package azbatch

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// pool is what Batch says of one.
type pool struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`           // active, deleting
	Allocation string    `json:"allocationState"` // steady, resizing, stopping
	Size       string    `json:"vmSize"`
	Dedicated  int       `json:"currentDedicatedNodes"`
	Spot       int       `json:"currentLowPriorityNodes"`
	Wanted     int       `json:"targetDedicatedNodes"`
	WantedSpot int       `json:"targetLowPriorityNodes"`
	Scales     bool      `json:"enableAutoScale"`
	Slots      int       `json:"taskSlotsPerNode"`
	Errors     []failure `json:"resizeErrors"`
}

// askPool asks for a pool. One that is not there is fault.Precondition, Reason "PoolUnknown".
func (c *Conn) askPool(ctx context.Context, name string) (pool, error) {
	var p pool
	err := c.ask(ctx, http.MethodGet, "/pools/"+name, nil, &p)
	if is(err, "PoolNotFound") {
		err = &fault.Error{
			Code: fault.Precondition, Reason: "PoolUnknown", What: "the pool cannot be used", Why: fmt.Sprintf("the account has no pool %q", name),
			Fix: "make it, or name another; run: zaffre compute update NAME --pool POOL", Evidence: fault.From(err).Evidence,
		}
	}
	if err == nil && p.State == "deleting" {
		err = &fault.Error{
			Code: fault.Precondition, Reason: "PoolDeleting", What: "the pool cannot be used", Why: fmt.Sprintf("pool %q is being deleted", name),
			Fix: "name another; run: zaffre compute update NAME --pool POOL",
		}
	}
	return p, err
}

// nodes is how many there are, in words.
func (p pool) nodes() string {
	return fmt.Sprintf("%d dedicated nodes of %d, %d spot nodes of %d, %s", p.Dedicated, p.Wanted, p.Spot, p.WantedSpot, p.Allocation)
}

// idle says why nothing begins in the pool now; "": something may.
func (p pool) idle() (reason, message string) {
	switch {
	case p.Dedicated+p.Spot > 0:
		return "", ""
	case len(p.Errors) > 0 && p.outOfQuota():
		return "QuotaReached", fmt.Sprintf("pool %q has no nodes: %s", p.ID, p.words())
	case len(p.Errors) > 0:
		return "PoolResizeFailed", fmt.Sprintf("pool %q has no nodes: %s", p.ID, p.words())
	case p.Scales || p.Allocation == "resizing" || p.Wanted+p.WantedSpot > 0:
		return "", ""
	}
	return "PoolEmpty", fmt.Sprintf("pool %q has no nodes, and is not to have any: az batch pool resize --pool-id %s --target-dedicated-nodes 1", p.ID, p.ID)
}

// outOfQuota reports whether a limit of the account keeps nodes away. Source: the Batch service's codes of resize errors.
func (p pool) outOfQuota() bool {
	return slices.ContainsFunc(p.Errors, func(f failure) bool { return strings.Contains(f.Code, "Quota") })
}

func (p pool) words() string {
	var out []string
	for _, f := range p.Errors {
		out = append(out, f.Code+": "+f.Message)
	}
	return strings.Join(out, "; ")
}

// waiting says why a task of the pool has not begun.
func (p pool) waiting() string {
	if _, message := p.idle(); message != "" {
		return "waits: " + message
	}
	if p.Dedicated+p.Spot == 0 {
		return fmt.Sprintf("waits for nodes of pool %s: %s", p.ID, p.nodes())
	}
	return fmt.Sprintf("waits for a free node of pool %s: %s", p.ID, p.nodes())
}
