package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Poll implements driver.Runner. The agent is asked first, where its channel is open; the API server says the rest.
func (c *conn) Poll(ctx context.Context, h driver.Handle) (driver.JobStatus, error) {
	v, err := read(h)
	if err != nil {
		return driver.JobStatus{}, err
	}
	if v.Nodes > 1 {
		if st, ok := c.quick(ctx, v); ok {
			return st, nil
		}
	} else if a := c.known(v.Job); a != nil {
		if st, err := c.ask(ctx, a, v.Job); err == nil && st.Reason != "NoRecord" && !doubtful(st) {
			return st, nil
		}
	}
	if st, ok := c.still(ctx, v); ok {
		return st, nil
	}
	j, err := c.get(ctx, jobsResource, v.Job)
	switch {
	case err != nil:
		return driver.JobStatus{}, err
	case j == nil || string(j.GetUID()) != v.UID:
		c.forget(v.Job)
		return lost("NoRecord", "the cluster has no Job "+v.Job+": it was deleted"), nil
	}
	return c.status(ctx, j)
}

func lost(reason, message string) driver.JobStatus {
	return driver.JobStatus{State: driver.JobLost, Reason: reason, Message: message}
}

// ask asks the agent in a pod.
func (c *conn) ask(ctx context.Context, a *podAgent, job string) (driver.JobStatus, error) {
	if c.coming(a.pod) {
		return startable(a), nil
	}
	h, err := handleFor(job)
	if err != nil {
		return driver.JobStatus{}, err
	}
	st, err := a.Poll(ctx, h)
	st.Nodes = a.nodes
	return st, err
}

// status reads how a run stands.
func (c *conn) status(ctx context.Context, j *object) (driver.JobStatus, error) {
	if nodesOf(j) > 1 {
		return c.nodesStatus(ctx, j)
	}
	pod, err := c.podOf(ctx, j)
	if err != nil {
		return driver.JobStatus{}, err
	}
	end, over := endOf(j)
	switch {
	case over && (pod == nil || pod.over()):
		return end, nil
	case over:
		return driver.JobStatus{State: driver.JobPending, Message: "its pod ends"}, nil
	case pod == nil:
		return c.podless(ctx, j)
	case pod.over():
		return pod.verdict(), nil
	case !pod.reachable() && !c.entered(j.GetName(), *pod), c.awaiting(*pod):
		return pod.waiting(), nil
	}
	return c.inPod(ctx, j, *pod)
}

// startable is how a run stands that the agent in its pod can be given.
func startable(a *podAgent) driver.JobStatus {
	return driver.JobStatus{State: driver.JobPending, Message: "its pod is ready", Again: true, Nodes: a.nodes}
}

// inPod asks the agent of a pod that runs.
func (c *conn) inPod(ctx context.Context, j *object, pod pod) (driver.JobStatus, error) {
	a := c.agent(j.GetName(), pod)
	st, err := c.ask(ctx, a, j.GetName())
	if err != nil {
		return c.unasked(ctx, j, err)
	}
	st = pod.doubt(st)
	if st.Reason != "NoRecord" {
		return st, nil
	}
	if pod.Metadata.Deletion != nil {
		return pod.waiting(), nil
	}
	st = startable(a)
	if digest := j.GetAnnotations()[annotationEnvironment]; digest != "" {
		b, err := a.BuildStatus(ctx, digest)
		if err != nil {
			return c.unasked(ctx, j, err)
		}
		if b.State == driver.BuildRunning {
			st.Message, st.Again = "its environment is built in its pod", false
		}
	}
	return st, nil
}

// doubtful reports whether a run may have ended so because its pod is taken away.
func doubtful(st driver.JobStatus) bool {
	return st.State == driver.JobFailed || st.State == driver.JobLost && st.Reason == agentx.Leaving
}

// unasked is what is said where the agent does not answer: that its pod has ended meanwhile, or why. Nothing is lost
// by silence.
func (c *conn) unasked(ctx context.Context, j *object, err error) (driver.JobStatus, error) {
	pod, readErr := c.podOf(ctx, j)
	switch {
	case readErr != nil:
		return driver.JobStatus{}, readErr
	case pod == nil:
		return c.podless(ctx, j)
	case pod.over():
		return pod.verdict(), nil
	case fault.CodeOf(err) == fault.NotFound:
		err = fault.Doing("the run's pod cannot be asked", &fault.Error{
			Code: fault.Unavailable, Reason: "PodGone", What: "the run's pod cannot be asked", Why: "it ends, or was deleted a moment ago", Fix: "nothing: it is asked again", Err: err,
		})
	}
	return driver.JobStatus{}, err
}

// podless says how a Job stands that has no pod: the controller has not made it, could not, or it is gone.
func (c *conn) podless(ctx context.Context, j *object) (driver.JobStatus, error) {
	for _, cond := range conditions(j, "conditions") {
		if cond.Type != "Failed" || cond.Status != "True" {
			continue
		}
		return c.disrupted(ctx, j, lost("PodDeleted", podGone)), nil
	}
	why, err := c.refusal(ctx, j)
	return unmade(why), err
}

// refusal is why a Job's pod cannot be made; "": nothing is said of that.
func (c *conn) refusal(ctx context.Context, j *object) (why string, err error) {
	events, err := c.events(ctx, j.GetUID())
	for _, e := range events {
		if e.reason == "FailedCreate" {
			why = c.hinted(e.message)
		}
	}
	return why, err
}

// event is what the cluster has to say of an object.
type event struct{ reason, message string }

// events are those of an object, the latest last.
func (c *conn) events(ctx context.Context, uid types.UID) ([]event, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l, err := c.own(eventsResource).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(uid)})
	if err != nil {
		return nil, c.asFault(ctx, err)
	}
	var out []event
	for _, e := range byTime(l.Items) {
		reason, _, _ := unstructured.NestedString(e.Object, "reason")
		message, _, _ := unstructured.NestedString(e.Object, "message")
		out = append(out, event{reason, message})
	}
	return out, nil
}

// byTime sorts events, the latest last.
func byTime(list []object) []object {
	slices.SortFunc(list, func(a, b object) int { return strings.Compare(lastSeen(a), lastSeen(b)) })
	return list
}

func lastSeen(e object) string {
	s, _, _ := unstructured.NestedString(e.Object, "lastTimestamp")
	return s
}

// condition is one of a Job's or a pod's status.
type condition struct {
	Type, Status, Reason, Message string
	LastTransitionTime            metav1.Time
}

func conditions(o *object, field string) (out []condition) {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", field)
	b, err := json.Marshal(list)
	if err == nil {
		_ = json.Unmarshal(b, &out)
	}
	return out
}

// pod is a run's pod, as far as we read it.
type pod struct {
	Metadata struct {
		Name     string            `json:"name"`
		UID      types.UID         `json:"uid"`
		Labels   map[string]string `json:"labels"`
		Created  metav1.Time       `json:"creationTimestamp"`
		Deletion *metav1.Time      `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		NodeName   string `json:"nodeName"`
		Containers []struct {
			Image     string
			Resources struct{ Limits map[string]string }
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase      string      `json:"phase"`
		PodIP      string      `json:"podIP"`
		Reason     string      `json:"reason"`
		Message    string      `json:"message"`
		Conditions []condition `json:"conditions"`
		Containers []struct {
			State struct {
				Running *struct{} `json:"running"`
				Waiting *struct {
					Reason, Message string
				} `json:"waiting"`
				Terminated *terminated `json:"terminated"`
			} `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

// terminated is how a container ended.
type terminated struct {
	ExitCode   int         `json:"exitCode"`
	Reason     string      `json:"reason"`
	Message    string      `json:"message"`
	StartedAt  metav1.Time `json:"startedAt"`
	FinishedAt metav1.Time `json:"finishedAt"`
}

// labelController is the Job's UID on its pods, by which they are told from those of another Job of its name that goes.
const labelController = "batch.kubernetes.io/controller-uid"

// podOf returns a Job's pod, the latest; nil: there is none.
func (c *conn) podOf(ctx context.Context, j *object) (*pod, error) {
	list, err := c.list(ctx, podsResource, labelController+"="+string(j.GetUID()))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	last := slices.MaxFunc(list, func(a, b object) int { return a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time) })
	p := c.explained(ctx, podFrom(&last))
	c.seen.note(j.GetName(), *p)
	return p, nil
}

func (p pod) name() string { return p.Metadata.Name }

func (p pod) image() string {
	if len(p.Spec.Containers) == 0 {
		return ""
	}
	return p.Spec.Containers[0].Image
}

func (p pod) nodes() []string {
	if p.Spec.NodeName == "" {
		return nil
	}
	return []string{p.Spec.NodeName}
}

func (p pod) over() bool { return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" }

// reachable reports whether commands can be run in it.
func (p pod) reachable() bool {
	return p.Status.Phase == "Running" && len(p.Status.Containers) > 0 && p.Status.Containers[0].State.Running != nil
}

// runs reports whether it is there to stay.
func (p pod) runs() bool { return p.reachable() && p.Metadata.Deletion == nil }

// placed reports whether it has a node, which has not said yet that it runs.
func (p pod) placed() bool {
	return p.Status.Phase == "Pending" && p.Spec.NodeName != "" && p.Metadata.Deletion == nil
}

// What a container waits for, in the kubelet's words.
func imageRefused() []string {
	return []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
}

func containerRefused() []string {
	return []string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
}

// waitsFor is the reason why a pod's container waits, and what is said of it; "": it does not.
func (p pod) waitsFor() (reason, said string) {
	if len(p.Status.Containers) == 0 || p.Status.Containers[0].State.Waiting == nil {
		return "", ""
	}
	w := p.Status.Containers[0].State.Waiting
	return w.Reason, strings.TrimSpace(w.Message)
}

// pullWithin is for how long a registry may refuse an image until the run is given up.
const pullWithin = 2 * time.Minute

// waiting says why a pod does not run yet. An image that there is not never comes.
func (p pod) waiting() driver.JobStatus {
	st := driver.JobStatus{State: driver.JobPending, Message: "its pod starts", Nodes: p.nodes()}
	if p.Metadata.Deletion != nil {
		st.Message = "its pod is being deleted"
		return st
	}
	if p.Spec.NodeName == "" {
		st.Message = "waits for a node: the cluster's scheduler has said nothing of it yet"
	}
	placed := time.Now()
	for _, cond := range p.Status.Conditions {
		switch {
		case cond.Type == "PodScheduled" && cond.Status == "False":
			st.Message = "waits for a node: " + cond.Message
		case cond.Type == "PodScheduled":
			placed = cond.LastTransitionTime.Time
		}
	}
	reason, said := p.waitsFor()
	switch {
	case slices.Contains(imageRefused(), reason):
		st.Message = "its image cannot be fetched: " + said
		absent := strings.Contains(said, "not found") && !strings.Contains(said, "no such host") || reason == "InvalidImageName" || reason == "ErrImageNeverPull"
		if absent || time.Since(placed) > pullWithin {
			st.State, st.Reason, st.Ended = driver.JobFailed, "ImageUnavailable", time.Now().UTC()
		}
	case slices.Contains(containerRefused(), reason):
		st.Message = "its container cannot be made: " + said
	case reason == "ContainerCreating":
		st.Message = "its pod starts: the image is fetched"
	}
	return st
}

// verdict says how a run ended whose pod has ended: what the pod's last word is, or what the cluster says.
func (p pod) verdict() driver.JobStatus {
	t := terminated{FinishedAt: metav1.Now()}
	if len(p.Status.Containers) > 0 && p.Status.Containers[0].State.Terminated != nil {
		t = *p.Status.Containers[0].State.Terminated
	}
	st := driver.JobStatus{State: driver.JobFailed, Started: t.StartedAt.UTC(), Ended: t.FinishedAt.UTC(), ExitCode: t.ExitCode, Nodes: p.nodes()}
	if own, ok := agentx.Ended([]byte(t.Message)); ok {
		own.Nodes = p.nodes()
		return own
	}
	fate, taken := p.taken()
	switch {
	case t.Reason == "OOMKilled":
		st.Reason, st.Message = "OutOfMemory", "the kernel ended its pod: it used more memory than the pod has"
	case p.Status.Reason == "Evicted", p.Status.Reason == "Preempted", p.Status.Reason == "NodeLost", p.Status.Reason == "NodeShutdown", p.Status.Reason == "Terminated":
		return lost(p.Status.Reason, "its pod was taken away: "+p.Status.Message)
	case taken:
		return fate
	case p.Metadata.Deletion != nil, t.ExitCode == 143 || t.ExitCode == 137:
		return p.takenOr("its pod was ended from outside, by somebody or with its node")
	case t.Reason == "ContainerStatusUnknown", t.Reason == "Unknown", t.ExitCode == 255: // what a container runtime says of what it finds dead
		return lost("NodeRestarted", "its node was restarted, or lost its containers")
	case t.ExitCode == 126 || t.ExitCode == 127 || t.Reason == "StartError" || t.Reason == "ContainerCannotRun":
		st.Reason, st.Message = "NotStarted", "the image has no shell, or its container cannot start: "+strings.TrimSpace(t.Message)
	default:
		st.Reason, st.Message = "ExitUnknown", fmt.Sprintf("its pod ended with code %d: %s", t.ExitCode, strings.TrimSpace(t.Message+" "+p.Status.Message))
	}
	return st
}
