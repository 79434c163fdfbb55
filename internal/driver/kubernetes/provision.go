package kubernetes

import (
	"context"
	_ "embed"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// provisionID is the entry of the inventory that says in which cluster targets are made. It is no ID of Azure's.
const provisionID = "/subscriptions/zaffre/resourceGroups/zaffre/providers/Microsoft.ContainerService/managedClusters/provision"

//go:embed provision.yaml
var provisionYAML string

// provisionRBAC is what the cluster's administrator grants for making: what runs take in a namespace stands in rbac.yaml.
func provisionRBAC() string {
	_, role, _ := strings.Cut(rbac, "kind: Role\n")
	_, role, _ = strings.Cut(role, "rules:\n")
	rules, _, _ := strings.Cut(role, "---")
	return strings.Replace(provisionYAML, "{runs} # the rules of the role in rbac.yaml\n", rules, 1)
}

// Names of what is in a namespace that was made, and of the role that provision.yaml has for runs.
const (
	madeName = "zaffre"
	runsRole = "zaffre-runs"
)

var (
	quotasResource   = core("resourcequotas")
	limitsResource   = core("limitranges")
	bindingsResource = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
	selvesResource   = schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews"}
)

// madeSpace is the namespace of a target that is made.
func madeSpace(target string) string { return "zaffre-" + target }

// making is what a target that is made is made of.
type making struct {
	options map[string]any
	secrets map[string]string
}

// Create implements driver.Provisioner: a namespace with a quota, defaults for pods that ask for nothing, and the
// right to run in it.
func (c *conn) Create(ctx context.Context) error {
	p, err := c.check()
	if err != nil {
		return err
	}
	if err := c.makeSpace(ctx); err != nil {
		return err
	}
	if err := c.settleQuota(ctx, p); err != nil {
		return err
	}
	return c.admitSelf(ctx)
}

// check reads the options. It is done here and not by connecting, so that what an older request made can be deleted.
func (c *conn) check() (plan, error) {
	if err := checkTLS(c.making.options, c.making.secrets); err != nil {
		return plan{}, err
	}
	return planOf(c.making.options)
}

// makeSpace makes the namespace. Its pods are held to a level of pod security: whoever makes targets is no
// administrator of the nodes.
func (c *conn) makeSpace(ctx context.Context) error {
	if there, err := c.madeThere(ctx); err != nil {
		return err
	} else if there != nil && there.GetDeletionTimestamp() != nil {
		return goingFault(c.namespace)
	}
	level := "baseline"
	if c.pods.user != 0 {
		level = "restricted"
	}
	labels := c.pods.labels(map[string]string{"pod-security.kubernetes.io/enforce": level})
	return c.applyWide(ctx, spacesResource, &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": c.namespace, "labels": labels, "annotations": map[string]any{
			"zaffre/about": "made for a zaffre compute target; it goes by: zaffre compute delete",
		}},
	}})
}

// madeThere returns the namespace, if Create made it; nil: it did not.
func (c *conn) madeThere(ctx context.Context) (*object, error) {
	o, err := c.clusterWide(ctx, spacesResource, c.namespace)
	switch {
	case fault.CodeOf(err) == fault.NotFound || fault.ReasonOf(err) == "NamespaceMissing":
		return nil, nil
	case err != nil:
		return nil, err
	case o.GetLabels()[labelManager] != manager || o.GetLabels()[labelTarget] != c.id:
		return nil, nil
	}
	return o, nil
}

func (c *conn) settleQuota(ctx context.Context, p plan) error {
	meta := map[string]any{"name": madeName, "labels": c.pods.labels(nil)}
	_, err := c.apply(ctx, limitsResource, &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": map[string]any{"limits": []any{p.limits()}},
	}})
	if err != nil {
		return err
	}
	_, err = c.apply(ctx, quotasResource, &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": map[string]any{"hard": p.quota()},
	}})
	return err
}

// admitSelf gives our account the right to run there, where it has not: an administrator's has.
func (c *conn) admitSelf(ctx context.Context) error {
	if denied, _, err := c.denied(ctx); err != nil || len(denied) == 0 {
		return err
	}
	who, err := c.self(ctx)
	if err != nil {
		return err
	}
	_, err = c.apply(ctx, bindingsResource, &object{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
		"metadata": map[string]any{"name": madeName, "labels": c.pods.labels(nil)},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": runsRole},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": who}},
	}})
	if err != nil {
		return err
	}
	return c.admitted(ctx)
}

// admittedWithin is how long API servers take to hear of a binding, at most.
const admittedWithin = 10 * time.Second

// admitted waits until the binding holds.
func (c *conn) admitted(ctx context.Context) error {
	for begin := time.Now(); ; {
		denied, _, err := c.denied(ctx)
		if err != nil || len(denied) == 0 {
			return err
		}
		if time.Since(begin) > admittedWithin || pause(ctx, 100*time.Millisecond) != nil {
			return c.forbidden(denied)
		}
	}
}

// self is our account's name to the API.
func (c *conn) self(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	review := &object{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}}
	o, err := c.client.Resource(selvesResource).Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return "", c.asFault(ctx, err)
	}
	name, _, _ := unstructured.NestedString(o.Object, "status", "userInfo", "username")
	return name, nil
}

// applyWide makes an object of the whole cluster as it is said.
func (cl *cluster) applyWide(ctx context.Context, r schema.GroupVersionResource, o *object) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := cl.client.Resource(r).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return cl.asFault(ctx, err)
}

// Delete implements driver.Provisioner: the namespace goes, with all that is in it.
func (c *conn) Delete(ctx context.Context, dryRun bool) ([]driver.Item, error) {
	space := driver.Item{Type: "namespace", Name: c.namespace, Remedy: "kubectl delete namespace " + c.namespace}
	o, err := c.madeThere(ctx)
	switch {
	case err != nil:
		return []driver.Item{space}, err
	case o == nil:
		return nil, nil
	}
	items := append([]driver.Item{{Type: "namespace", Name: c.namespace}}, c.inside(ctx, o)...)
	if dryRun || o.GetDeletionTimestamp() != nil {
		return items, nil
	}
	c.forgetAll()
	if err := c.removeSpace(ctx, o); err != nil {
		return []driver.Item{space}, err
	}
	return items, nil
}

// inside says what is in the namespace: of one that goes the cluster says what it waits for.
func (c *conn) inside(ctx context.Context, space *object) (items []driver.Item) {
	if space.GetDeletionTimestamp() != nil {
		for _, cond := range conditions(space, "conditions") {
			if cond.Type == "NamespaceContentRemaining" && cond.Status == "True" {
				items = append(items, driver.Item{Type: "content", Name: cond.Message})
			}
		}
		return items
	}
	jobs, _ := c.list(ctx, jobsResource, c.pods.selector()) // where the namespace is half made, nobody may ask
	for _, j := range jobs {
		items = append(items, driver.Item{Type: "job", Name: c.namespace + "/" + j.GetName()})
	}
	return items
}

// removeSpace deletes the namespace that was looked at, and no other of its name.
func (c *conn) removeSpace(ctx context.Context, o *object) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := c.client.Resource(spacesResource).Delete(ctx, c.namespace, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: new(types.UID(o.GetUID()))},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return c.asFault(ctx, err)
}

// forgetAll ends the ways to all pods.
func (c *conn) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, a := range c.agents {
		a.close()
		delete(c.agents, name)
	}
}

// quotaUsed shows how much of the quota is used.
func (c *conn) quotaUsed(ctx context.Context, l *look) ([]string, error) {
	p := shapeOf(c.making.options)
	l.Facts["agents"], l.Facts["agent-size"] = whole(p.agents, ""), p.name
	o, err := c.get(ctx, quotasResource, madeName)
	if err != nil || o == nil {
		return nil, err
	}
	hard, _, _ := unstructured.NestedStringMap(o.Object, "status", "hard")
	used, _, _ := unstructured.NestedStringMap(o.Object, "status", "used")
	var said []string
	for _, name := range sortedKeys(hard) {
		l.Facts["quota."+name] = used[name] + " of " + hard[name]
		said = append(said, name+" "+used[name]+" of "+hard[name])
	}
	return said, nil
}

func goingFault(namespace string) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "NamespaceTerminating", What: "the target cannot be made yet", Why: "the namespace " + namespace + " is being deleted by somebody",
		Fix: "nothing: it is made anew when it is gone; see what it waits for: kubectl describe namespace " + namespace,
	}
}
