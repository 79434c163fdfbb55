package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// minMinor is the oldest Kubernetes whose exec can end the standard input: 1.30.
const minMinor = 30

// look collects checks, and what is seen.
type look struct {
	driver.Observation
}

// step notes a check. It returns the error, a fault.
func (l *look) step(name string, required bool, f func() (evidence []string, err error)) error {
	begin := time.Now()
	said, err := f()
	c := driver.Check{Name: name, Required: required, OK: err == nil, Duration: time.Since(begin), Evidence: said}
	if e := fault.From(err); e != nil {
		c.Reason, c.Fix, c.Evidence = e.Reason, e.Fix, append([]string{e.Why}, e.Evidence...)
	}
	l.Checks = append(l.Checks, c)
	return err
}

// Observe implements driver.Conn. The checks are api-server, version, permissions, namespace, identity, nodes, storage,
// quota where the namespace is made, and image, exec and egress: these cost a pod, now and then.
func (c *conn) Observe(ctx context.Context) (driver.Observation, error) {
	l := &look{driver.Observation{Facts: map[string]string{"namespace": c.namespace, "api-server": c.host()}}}
	var version struct{ GitVersion, Major, Minor string }
	err := l.step("api-server", true, func() ([]string, error) { return []string{c.host()}, c.version(ctx, &version) })
	if err == nil {
		err = l.step("version", true, func() ([]string, error) { return []string{version.GitVersion}, checkVersion(version.Minor) })
		l.Facts["version"] = version.GitVersion
	}
	for _, check := range []struct {
		name string
		f    func(context.Context, *look) ([]string, error)
	}{{"permissions", c.permissions}, {"namespace", c.space}, {"identity", c.identity}} {
		if err == nil {
			err = l.step(check.name, true, func() ([]string, error) { return check.f(ctx, l) })
		}
	}
	if l.Observed = time.Now().UTC(); err != nil {
		return l.Observation, err
	}
	nodes := l.step("nodes", false, func() ([]string, error) { return c.nodes(ctx, l) })
	_ = l.step("storage", false, func() ([]string, error) { return c.storage(ctx, l) })
	if c.made {
		_ = l.step("quota", false, func() ([]string, error) { return c.quotaUsed(ctx, l) })
	}
	c.probes(ctx, l, nodes)
	l.Exists, l.Ready, l.Observed = true, true, time.Now().UTC()
	return l.Observation, nil
}

// version asks who is there, with our credentials: a token that is not taken shows here, and a certificate too.
func (c *conn) version(ctx context.Context, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := c.raw(ctx, "/version", nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, 1<<20)).Decode(into); err != nil {
		return &fault.Error{
			Code: fault.Precondition, Reason: "NoKubernetes", What: "cannot use " + c.host(), Why: "what answers there is no API server of Kubernetes", Fix: "correct the address; run: zaffre compute update NAME --kubeconfig-file FILE",
		}
	}
	return nil
}

func checkVersion(minor string) error {
	n, err := strconv.Atoi(strings.TrimRight(minor, "+"))
	if err == nil && n < minMinor {
		return versionFault("it is Kubernetes 1." + minor)
	}
	return nil
}

// needed are the verbs without which no run can be held.
func (c *conn) needed() map[schema.GroupVersionResource]string {
	out := map[schema.GroupVersionResource]string{
		jobsResource: "get list watch create patch delete", podsResource: "list watch", core("pods/exec"): "get create",
		configsResource: "get list create patch delete", eventsResource: "list",
	}
	if c.registry != nil {
		out[secretsResource] = "create patch delete"
	}
	return out
}

// permissions asks for each verb.
func (c *conn) permissions(ctx context.Context, _ *look) ([]string, error) {
	denied, count, err := c.denied(ctx)
	if err == nil && len(denied) > 0 {
		err = c.forbidden(denied)
	}
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%d verbs in the namespace %s", count, c.namespace)}, nil
}

// denied are the verbs that we lack, and count is how many there are.
func (c *conn) denied(ctx context.Context) (denied []string, count int, err error) {
	for r, verbs := range c.needed() {
		for verb := range strings.FieldsSeq(verbs) {
			count++
			ok, err := c.may(ctx, r, verb)
			if err != nil {
				return nil, 0, err
			}
			if !ok {
				denied = append(denied, verb+" "+r.Resource)
			}
		}
	}
	return sorted(denied), count, nil
}

// may reports whether we may do something in our namespace.
func (c *conn) may(ctx context.Context, r schema.GroupVersionResource, verb string) (bool, error) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	review := &object{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{
			"namespace": c.namespace, "verb": verb, "group": r.Group, "resource": resource, "subresource": sub,
		}},
	}}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	answer, err := c.client.Resource(reviewsResource).Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, c.asFault(ctx, err)
	}
	allowed, _, _ := unstructured.NestedBool(answer.Object, "status", "allowed")
	return allowed, nil
}

// space looks at our namespace.
func (c *conn) space(ctx context.Context, _ *look) ([]string, error) {
	o, err := c.clusterWide(ctx, spacesResource, c.namespace)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return nil, spaceFault(c.namespace, nil)
	case err != nil:
		return nil, err
	case o.GetDeletionTimestamp() != nil:
		return nil, terminatingFault(c.namespace, nil)
	}
	return []string{c.namespace}, nil
}

// identity is which cluster it is, whatever its address: the UID of a namespace that every one has.
func (c *conn) identity(ctx context.Context, l *look) ([]string, error) {
	o, err := c.clusterWide(ctx, spacesResource, "kube-system")
	if err != nil {
		return nil, err
	}
	l.Identity = "kubernetes/" + string(o.GetUID())
	if c.made { // a cluster has room for many
		l.Identity += "/" + c.namespace
	}
	return []string{l.Identity}, nil
}

func (c *conn) clusterWide(ctx context.Context, r schema.GroupVersionResource, name string) (*object, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	o, err := c.client.Resource(r).Get(ctx, name, metav1.GetOptions{})
	return o, c.asFault(ctx, err)
}

func (c *conn) listWide(ctx context.Context, r schema.GroupVersionResource) ([]object, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	list, err := c.client.Resource(r).List(ctx, metav1.ListOptions{Limit: 5000})
	if err != nil {
		return nil, c.asFault(ctx, err)
	}
	return list.Items, nil
}

// node is what we read of one.
type node struct {
	Spec struct {
		Unschedulable bool
		Taints        []struct{ Effect string }
	}
	Status struct {
		Conditions  []condition
		Allocatable map[string]string
	}
}

// takes reports whether a pod that tolerates nothing can go there.
func (n node) takes() bool {
	for _, t := range n.Spec.Taints {
		if t.Effect == "NoSchedule" || t.Effect == "NoExecute" {
			return false
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			return !n.Spec.Unschedulable
		}
	}
	return false
}

// nodes counts those that take pods, and their GPUs. Runs are let in even where there are none: a cluster may make
// nodes as they are needed, and a run may tolerate taints.
func (c *conn) nodes(ctx context.Context, l *look) ([]string, error) {
	list, err := c.listWide(ctx, nodesResource)
	if err != nil {
		l.Facts["nodes"] = "not known"
		return nil, err
	}
	usable, gpus := 0, map[string]int{}
	for _, o := range list {
		var n node
		b, err := json.Marshal(o.Object)
		if err == nil && json.Unmarshal(b, &n) == nil && n.takes() {
			usable++
			count(gpus, n.Status.Allocatable)
		}
	}
	l.Facts["nodes"] = fmt.Sprintf("%d of %d take pods", usable, len(list))
	var devices []string
	for _, name := range sortedKeys(gpus) {
		l.Facts["gpu."+name] = strconv.Itoa(gpus[name])
		devices = append(devices, l.Facts["gpu."+name]+" "+name)
	}
	if usable == 0 {
		return nil, &fault.Error{
			Code: fault.Precondition, Reason: "NodesUnschedulable", What: "the cluster takes no runs", Why: "none of its nodes is ready and takes pods that tolerate no taint",
			Fix: "look at them: kubectl get nodes; where runs tolerate taints, give them by --option tolerations=JSON", Evidence: []string{l.Facts["nodes"]},
		}
	}
	if devices == nil {
		return []string{l.Facts["nodes"]}, nil
	}
	return []string{l.Facts["nodes"] + "; " + strings.Join(devices, ", ")}, nil
}

// count adds the devices of a node: what has a vendor's name and is whole.
func count(gpus map[string]int, has map[string]string) {
	for name, amount := range has {
		if n, err := strconv.Atoi(amount); err == nil && n > 0 && strings.HasSuffix(name, "/gpu") {
			gpus[name] += n
		}
	}
}

// storage names the storage classes: what a claim for the cache can be made of.
func (c *conn) storage(ctx context.Context, l *look) ([]string, error) {
	list, err := c.listWide(ctx, classesResource)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range list {
		names = append(names, o.GetName())
	}
	l.Facts["storage-classes"] = strings.Join(sorted(names), ", ")
	if len(names) == 0 {
		l.Facts["storage-classes"] = "none"
	}
	return []string{l.Facts["storage-classes"]}, nil
}
