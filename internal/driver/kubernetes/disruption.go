package kubernetes

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// podGone is said of a pod of which nothing is left.
const podGone = "its pod is gone: it was deleted by somebody, or with its node"

// taken says by what the cluster takes a pod away: it notes that on the pod before it deletes it. Source: the condition
// DisruptionTarget of Kubernetes 1.26 and newer.
func (p pod) taken() (driver.JobStatus, bool) {
	for _, cond := range p.Status.Conditions {
		if cond.Type != "DisruptionTarget" || cond.Status != "True" {
			continue
		}
		said := ": " + cond.Message
		switch cond.Reason {
		case "EvictionByEvictionAPI":
			return lost("Evicted", "its pod was evicted, as where a node is drained"+said), true
		case "PreemptionByScheduler":
			return lost("Preempted", "its pod made room for one of a higher priority"+said), true
		case "DeletionByTaintManager":
			return lost("NodeLost", "its node is away, or took a taint that the pod does not tolerate"+said), true
		case "DeletionByPodGC":
			return lost("NodeLost", "its node is gone"+said), true
		case "TerminationByKubelet":
			return lost("Evicted", "its node ended it"+said), true
		}
	}
	return driver.JobStatus{}, false
}

// takenOr is that, or otherwise where the cluster does not tell.
func (p pod) takenOr(otherwise string) driver.JobStatus {
	st, taken := p.taken()
	if !taken {
		st = lost("PodDeleted", otherwise)
	}
	st.Nodes = p.nodes()
	return st
}

// doubt is how a run ended of which its agent says st: with its pod, where that is taken away. A pod that leaves, and does
// not say why yet, says it when it has ended.
func (p pod) doubt(st driver.JobStatus) driver.JobStatus {
	_, taken := p.taken()
	switch {
	case !doubtful(st):
		return st
	case taken, p.Metadata.Deletion != nil:
		return p.takenOr("its pod was deleted, and it ended with that: " + st.Message)
	case st.Reason == agentx.Leaving:
		return driver.JobStatus{State: driver.JobRunning, Message: "its pod ends", Started: st.Started, Nodes: st.Nodes}
	}
	return st
}

// disrupted says why a pod is gone, as far as the cluster's events tell: they outlive pods.
func (c *conn) disrupted(ctx context.Context, j *object, st driver.JobStatus) driver.JobStatus {
	if fate, known := c.seen.fate(j.GetName()); known {
		return fate
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l, err := c.own(eventsResource).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod,reason=Preempted"})
	if err != nil {
		return st // that it is gone is sure, and why is a help
	}
	for _, e := range l.Items {
		name, _, _ := unstructured.NestedString(e.Object, "involvedObject", "name")
		message, _, _ := unstructured.NestedString(e.Object, "message")
		if strings.HasPrefix(name, j.GetName()+"-") {
			st.Reason, st.Message = "Preempted", "its pod was taken away: "+message
		}
	}
	return st
}
