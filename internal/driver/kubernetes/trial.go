package kubernetes

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
)

// A probe is a pod like those of runs, which shows what no question to the API server does: that nodes fetch the image,
// that commands can be run in pods, and how far pods reach. It is a Job of one name for the target: whoever looks at the
// same time, or after one who died, uses the one that is there, and who has seen enough takes it away.
const (
	probeWithin = 16 * time.Second // until all is seen
	probeStarts = 12 * time.Second // of these, until its pod runs
	probeLeaves = 4 * time.Second  // until it is gone
	probeLives  = 15 * time.Minute // then the cluster ends it: so long an image may take
	probeEvery  = 200 * time.Millisecond
)

// probeScript does nothing, and ends at once when it is told to.
const probeScript = "trap 'exit 0' TERM; sleep 3600 & wait"

// trial is one use of a probe.
type trial struct {
	*conn
	look
	job   *object // nil: there is none, or it goes
	pod   *pod
	agent *agentx.Conn
}

// try looks at a probe. One that another takes away meanwhile is made again.
func (c *conn) try(ctx context.Context) *trial {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	for {
		t := &trial{conn: c, look: look{driver.Observation{Facts: map[string]string{}}}}
		err := t.run(ctx)
		t.Observed = time.Now().UTC()
		if err == nil || ctx.Err() != nil || !t.taken(ctx) {
			return t
		}
	}
}

// run makes the checks, each after those before it have shown no fault.
func (t *trial) run(ctx context.Context) error {
	err := t.step("image", false, func() ([]string, error) { return t.fetch(ctx) })
	if err == nil {
		err = t.step("exec", false, func() ([]string, error) { return t.enter(ctx) })
	}
	if t.agent != nil {
		defer t.agent.Close()
	}
	if err != nil {
		return err
	}
	return t.egress(ctx)
}

// taken reports whether the probe that was asked is no more, or goes.
func (t *trial) taken(ctx context.Context) bool {
	if t.job == nil {
		return false
	}
	j, err := t.get(ctx, jobsResource, t.job.GetName())
	return err == nil && (j == nil || j.GetUID() != t.job.GetUID() || j.GetDeletionTimestamp() != nil)
}

// stays reports whether the probe is left to whoever looks next: its pod is on its way.
func (t *trial) stays() bool {
	return slices.ContainsFunc(t.Checks, func(c driver.Check) bool { return c.Reason == "ImagePulling" || c.Reason == "ProbeStarting" })
}

// end takes the probe away that was asked, and waits until it is gone. What cannot be taken away in time the cluster ends,
// or who looks next.
func (t *trial) end(ctx context.Context) {
	if t.job == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeLeaves)
	defer cancel()
	err := t.discard(ctx, t.job)
	for err == nil && !t.gone(ctx) {
		err = pause(ctx, probeEvery/4)
	}
}

// gone reports whether the probe that was asked is no more, as far as is known.
func (t *trial) gone(ctx context.Context) bool {
	j, err := t.get(ctx, jobsResource, t.job.GetName())
	return err != nil || j == nil || j.GetUID() != t.job.GetUID()
}

// discard deletes a probe with its pod, and no other of its name.
func (t *trial) discard(ctx context.Context, j *object) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := t.own(jobsResource).Delete(ctx, j.GetName(), metav1.DeleteOptions{
		PropagationPolicy: new(metav1.DeletePropagationForeground), Preconditions: &metav1.Preconditions{UID: new(types.UID(j.GetUID()))},
	})
	if isMissing(err) || apierrors.IsConflict(err) {
		return nil
	}
	return t.asFault(ctx, err)
}

// find makes the probe, or takes the one that is there. One that goes is waited for; one that has ended makes room.
func (t *trial) find(ctx context.Context) error {
	j, err := t.get(ctx, jobsResource, t.probeName())
	if err != nil {
		return err
	}
	known := t.job != nil && j != nil && j.GetUID() == t.job.GetUID()
	switch {
	case j == nil:
		j, err = t.lay(ctx)
	case j.GetDeletionTimestamp() != nil:
		t.job, t.pod = nil, nil
		return nil
	case closed(j) && (!known || t.pod == nil):
		t.job, t.pod = nil, nil
		return t.discard(ctx, j)
	}
	if err != nil {
		return err
	}
	t.job = j
	t.pod, err = t.podOf(ctx, j)
	return err
}

// closed reports whether a Job has ended.
func closed(j *object) bool {
	return slices.ContainsFunc(conditions(j, "conditions"), func(c condition) bool {
		return (c.Type == "Failed" || c.Type == "Complete") && c.Status == "True"
	})
}

func (c *conn) probeName() string { return c.rootName() + "-probe" }

// lay makes the probe. Nothing owns it, so that it leaves nothing: it bears the target's labels, and ends by itself.
func (t *trial) lay(ctx context.Context) (*object, error) {
	w, err := t.wantsOf(nil, 0)
	if err != nil {
		return nil, err
	}
	w.image = t.image
	w.little()
	if err := t.letPull(ctx, &w, w.image); err != nil {
		return nil, err
	}
	return t.make(ctx, jobsResource, t.pods.probe(t.probeName(), w))
}

// probe is the Job of a probe.
func (p podPlan) probe(name string, w wants) *object {
	j := p.job(name, w, map[string]string{labelProbe: name}, nil)
	spec := j.Object["spec"].(map[string]any)
	spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"] = int64(probeLives/time.Second), int64(60)
	in := spec["template"].(map[string]any)["spec"].(map[string]any)
	in["terminationGracePeriodSeconds"] = int64(1)
	in["containers"].([]any)[0].(map[string]any)["command"] = []any{"sh", "-c", probeScript}
	return j
}

// little makes a pod ask for next to nothing: runs want the room, and devices are theirs. What its type limits is limited,
// since a quota may ask for that.
func (w *wants) little() {
	limited := map[string]any{}
	for name, v := range map[string]string{"cpu": "500m", "memory": "256Mi"} {
		if _, is := w.limits[name]; is {
			limited[name] = v
		}
	}
	w.requests, w.limits = map[string]any{"cpu": "10m", "memory": "32Mi"}, limited
}

// isProbe reports whether a pod is no run's.
func isProbe(o *object) bool { return o.GetLabels()[labelProbe] != "" }
