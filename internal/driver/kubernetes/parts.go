package kubernetes

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
)

// The agent lies in the namespace too, as gzip packs it: in ConfigMaps that the pods of runs mount, so that it is there
// when their container starts. That takes no time: a node looks only each 300 ms whether a pod has its volumes (Source:
// the kubelet's podAttachAndMountRetryInterval), and others are mounted anyway. What is not there is sent.
const (
	partsDir   = "/zaffre-agent"
	partBytes  = 1000 << 10 // a ConfigMap holds 1 MiB
	partKey    = "part"
	usualArch  = "amd64"
	labelAgent = "zaffre/agent" // its version
)

// part is a piece of the agent for one architecture.
type part struct {
	agent, machine string // the agent's file; what uname -m says
	number         int
	bytes          []byte
}

func (p part) version() string { return strings.TrimPrefix(p.agent, "agent-") }

// partName is the ConfigMap of a part. Another agent has other names, so that what a name stands for never changes.
func (c *conn) partName(p part) string {
	return fmt.Sprintf("zaffre-%s-%s-%d", c.id, p.agent, p.number)
}

// partsOf cuts the agents that the cluster's nodes need.
func partsOf(arches []string) (all []part) {
	for arch, machine := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		if !slices.Contains(arches, arch) {
			continue
		}
		name, packed := hostagent.Packed(arch)
		for piece := range slices.Chunk(packed, partBytes) {
			all = append(all, part{agent: name, machine: machine, number: len(all), bytes: piece})
		}
	}
	return all
}

// Laying the parts down takes about half a second, and is tried again after a pause where it failed.
const (
	layWithin  = time.Minute
	partsAgain = time.Minute
)

// keptParts are the parts that pods can mount. They are laid down once for each connection.
type keptParts struct {
	mu     sync.Mutex
	list   []part // nil: they are not laid down
	after  time.Time
	cancel context.CancelFunc
	laying sync.WaitGroup
}

// parts returns the parts that lie in the namespace, and has them laid down behind the first run; nil: the agent is sent.
func (c *conn) parts(ctx context.Context, owner *object) []part {
	if _, packed := hostagent.Packed(usualArch); packed == nil {
		return nil
	}
	k := &c.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.list != nil || time.Now().Before(k.after) {
		return k.list
	}
	k.after = time.Now().Add(layWithin + partsAgain)
	laying, cancel := context.WithTimeout(context.WithoutCancel(ctx), layWithin)
	k.cancel = cancel
	k.laying.Go(func() {
		defer cancel()
		c.layAgent(laying, owner)
	})
	return nil
}

// layAgent lays the agent down in the namespace, and takes away others.
func (c *conn) layAgent(ctx context.Context, owner *object) {
	all := partsOf(c.arches(ctx))
	there, err := c.names(ctx, configsResource, c.pods.selector()+","+labelAgent)
	for _, p := range all {
		name := c.partName(p)
		if err == nil && !slices.Contains(there, name) {
			err = c.lay(ctx, configsResource, c.partObject(p, owner))
		}
		there = slices.DeleteFunc(there, func(n string) bool { return n == name })
	}
	if err != nil {
		return
	}
	c.kept.mu.Lock()
	c.kept.list = all
	c.kept.mu.Unlock()
	for _, name := range there { // of another agent; what is left goes with the target
		if c.remove(ctx, configsResource, name) != nil {
			return
		}
	}
}

// stop ends what lays the parts down, and waits for it. What lies there is not counted on after that: it may go with the
// target.
func (k *keptParts) stop() {
	k.mu.Lock()
	if k.cancel != nil {
		k.cancel()
	}
	k.mu.Unlock()
	k.laying.Wait()
	k.mu.Lock()
	k.list, k.after = nil, time.Now().Add(layWithin)
	k.mu.Unlock()
}

// arches are those of the cluster's nodes, as Go names them; where they are not told, the most usual one.
func (c *conn) arches(ctx context.Context) (all []string) {
	nodes, err := c.listWide(ctx, nodesResource)
	for _, n := range nodes {
		all = append(all, n.GetLabels()["kubernetes.io/arch"])
	}
	if err != nil || len(all) == 0 {
		return []string{usualArch}
	}
	return all
}

func (c *conn) partObject(p part, owner *object) *object {
	return &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
		"metadata": map[string]any{
			"name": c.partName(p), "labels": c.pods.labels(map[string]string{labelAgent: p.version()}), "ownerReferences": ownedBy(owner),
		},
		"binaryData": map[string]any{partKey: base64.StdEncoding.EncodeToString(p.bytes)},
	}}
}

// partsVolume is the volume of the parts, by the machine and the agent's file. A pod starts without what was taken away.
func (c *conn) partsVolume(all []part) map[string]any {
	var sources []any
	for _, p := range all {
		sources = append(sources, map[string]any{"configMap": map[string]any{
			"name": c.partName(p), "optional": true, "items": []any{map[string]any{"key": partKey, "path": fmt.Sprintf("%s/%s/%02d", p.machine, p.agent, p.number)}},
		}})
	}
	return map[string]any{"projected": map[string]any{"sources": sources}}
}
