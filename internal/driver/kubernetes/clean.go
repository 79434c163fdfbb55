package kubernetes

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Clean implements driver.Cleaner: it takes away what bears the target's label, and nothing else. Where the namespace is
// gone, so is all of it.
func (c *conn) Clean(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	var items []driver.Item
	if !dryRun {
		c.kept.stop()
	}
	for _, kind := range ownKinds() {
		list, err := c.listOwn(ctx, kind.resource)
		if fault.ReasonOf(err) == "NamespaceMissing" {
			return items, nil
		}
		if err != nil {
			return append(items, c.rest()), err
		}
		for _, name := range list {
			item := driver.Item{Type: kind.name, Name: c.namespace + "/" + name}
			if !dryRun {
				c.forget(name)
				err = c.remove(ctx, kind.resource, name)
				item.Removed = err == nil
			}
			if items = append(items, item); err != nil {
				return items, err
			}
		}
	}
	if dryRun {
		return items, nil
	}
	if c.registry != nil { // it goes with the ConfigMap that owns it, too: nothing here can list secrets
		if err := c.remove(ctx, secretsResource, c.secretName()); err != nil {
			return items, err
		}
	}
	return items, c.podsGone(ctx)
}

// listOwn lists what is the target's, or was left by those before it.
func (c *conn) listOwn(ctx context.Context, r schema.GroupVersionResource) (all []string, err error) {
	for _, selector := range c.pods.selectors() {
		list, err := c.names(ctx, r, selector)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// rest stands for what cannot be listed.
func (c *conn) rest() driver.Item {
	label := labelTarget + "=" + c.id
	return driver.Item{
		Type: "job", Name: c.namespace + "/*, with the label " + label,
		Remedy: "kubectl -n " + c.namespace + " delete jobs,configmaps -l " + label,
	}
}

// podsGone waits until the pods of Jobs that were deleted are gone too: they may write to a volume until then.
func (c *conn) podsGone(ctx context.Context) error {
	for {
		list, err := c.names(ctx, podsResource, c.pods.selector())
		if err != nil || len(list) == 0 {
			return err
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return &fault.Error{
				Code: fault.Unavailable, Reason: "PodsLeft", What: "the target is not clean yet", Why: "pods of its runs are still being ended", Fix: "nothing: it is tried again; see them: kubectl -n " + c.namespace + " get pods",
			}
		}
	}
}
