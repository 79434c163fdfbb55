package kubernetes

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kinds of what a target makes, in the order in which it is taken away.
func ownKinds() []struct {
	resource schema.GroupVersionResource
	name     string
} {
	return []struct {
		resource schema.GroupVersionResource
		name     string
	}{{jobsResource, "job"}, {configsResource, "configmap"}}
}

// selectors select what is the target's: its own, and what targets of its name left that were detached while the
// cluster was away. No such target is there any more.
func (p podPlan) selectors() []string {
	list := []string{p.selector()}
	if p.place != "" {
		list = append(list, labelManager+"="+manager+","+labelPlace+"="+p.place+","+labelTarget+"!="+p.target)
	}
	return list
}

// inherit takes away what targets of this name left, once: before the first run, which may want the room.
func (c *conn) inherit(ctx context.Context) error {
	c.mu.Lock()
	done := c.inherited
	c.mu.Unlock()
	if done || c.pods.place == "" {
		return nil
	}
	for _, kind := range ownKinds() {
		list, err := c.names(ctx, kind.resource, c.pods.selectors()[1])
		if err != nil {
			return err
		}
		for _, name := range list {
			if err := c.remove(ctx, kind.resource, name); err != nil {
				return err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inherited = true
	return nil
}
