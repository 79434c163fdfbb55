package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// explained adds to what the scheduler says of a pod what it does not: how many GPUs each node has, and which claim the
// pod waits for.
func (c *conn) explained(ctx context.Context, p pod) *pod {
	for i, cond := range p.Status.Conditions {
		if cond.Type != "PodScheduled" || cond.Status != "False" {
			continue
		}
		more := c.aboutDevices(ctx, p, cond.Message) + c.aboutClaim(cond.Message)
		if more != "" {
			p.Status.Conditions = slices.Clone(p.Status.Conditions)
			p.Status.Conditions[i].Message = cond.Message + more
		}
	}
	return &p
}

// aboutDevices says of devices that are short how many the pod needs, and which nodes have how many.
func (c *conn) aboutDevices(ctx context.Context, p pod, said string) (more string) {
	for name, amount := range p.devices() {
		if !strings.Contains(said, "Insufficient "+name) {
			continue
		}
		nodes, err := c.devices(ctx)
		if err != nil {
			return "" // the scheduler has said the most
		}
		var have []string
		for _, n := range sortedKeys(nodes) {
			if has := nodes[n][name]; has > 0 {
				have = append(have, fmt.Sprintf("%s has %d", n, has))
			}
		}
		if len(have) == 0 {
			have = []string{"no node has any"}
		}
		more += fmt.Sprintf(" (needs %s %s, %s)", amount, name, strings.Join(have[:min(len(have), 5)], ", "))
	}
	return more
}

// aboutClaim names the claim, which the scheduler does not always.
func (c *conn) aboutClaim(said string) string {
	claim := claimOf(c.pods.cache)
	if claim == "" || !strings.Contains(strings.ToLower(said), "persistentvolumeclaim") {
		return ""
	}
	return " (the target's cache is the claim " + claim + "; see what it waits for: kubectl -n " + c.namespace + " describe pvc " + claim + ")"
}

// devices are what the pod's container asks for of vendors' devices.
func (p pod) devices() map[string]string {
	out := map[string]string{}
	for _, container := range p.Spec.Containers {
		for name, amount := range container.Resources.Limits {
			if strings.HasSuffix(name, "/gpu") {
				out[name] = amount
			}
		}
	}
	return out
}

// devicesFor is how long the nodes' devices are remembered: pods that wait are asked for every few seconds.
const devicesFor = 30 * time.Second

// deviceMemo is what was seen of the nodes' devices: by node, by name.
type deviceMemo struct {
	seen map[string]map[string]int
	at   time.Time
}

// devices are those of the nodes that take pods, or may.
func (c *conn) devices(ctx context.Context) (map[string]map[string]int, error) {
	c.mu.Lock()
	memo := c.deviceMemo
	c.mu.Unlock()
	if time.Since(memo.at) < devicesFor {
		return memo.seen, nil
	}
	list, err := c.listWide(ctx, nodesResource)
	if err != nil {
		return nil, err
	}
	memo = deviceMemo{map[string]map[string]int{}, time.Now()}
	for _, o := range list {
		var n node
		if b, err := json.Marshal(o.Object); err == nil && json.Unmarshal(b, &n) == nil {
			memo.seen[o.GetName()] = devicesOf(n.Status.Allocatable)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deviceMemo = memo
	return memo.seen, nil
}

func devicesOf(allocatable map[string]string) map[string]int {
	out := map[string]int{}
	for name, amount := range allocatable {
		if n, err := strconv.Atoi(amount); err == nil && strings.HasSuffix(name, "/gpu") {
			out[name] = n
		}
	}
	return out
}
