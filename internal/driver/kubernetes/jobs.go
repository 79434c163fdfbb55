package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const handleVersion = 1

// handle is what a Handle of version 1 holds. The UID tells a Job from another of its name.
type handle struct {
	Job   string `json:"job"`
	UID   string `json:"uid"`
	Nodes int    `json:"nodes,omitzero"` // of a run over several
}

func handleOf(j *object) (driver.Handle, error) {
	v := handle{Job: j.GetName(), UID: string(j.GetUID())}
	if n := nodesOf(j); n > 1 {
		v.Nodes = n
	}
	b, err := json.Marshal(v)
	return driver.Handle{Version: handleVersion, Data: b}, err
}

func read(h driver.Handle) (v handle, err error) {
	err = json.Unmarshal(h.Data, &v)
	if err != nil || h.Version != handleVersion || v.Job == "" {
		return v, &fault.Error{
			Code: fault.Invalid, Reason: "HandleUnknown", What: "the job cannot be found in the cluster",
			Why: "its handle has version " + strconv.Itoa(h.Version) + ", which this server cannot read",
			Fix: "run the server that wrote it, or a newer one", Err: err,
		}
	}
	return v, nil
}

// Start implements driver.Runner: it makes the Job, and once the pod is there the agent in it starts the run. Until
// then Poll asks for another Start: only that one brings the files.
func (c *conn) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	if err := agentx.CheckText(job); err != nil {
		return driver.Handle{}, err
	}
	j, err := c.jobOf(ctx, job)
	if err != nil {
		return driver.Handle{}, err
	}
	if err := c.give(ctx, job, j); err != nil {
		if err = c.refuse(ctx, job.ID, err); err != nil {
			return driver.Handle{}, err
		}
	}
	return handleOf(j)
}

// refuse ends a Job whose run cannot be started. What an attempt that is over has made goes.
func (c *conn) refuse(ctx context.Context, job string, why error) error {
	switch {
	case fault.Retryable(why), fault.ReasonOf(why) == "EnvironmentMissing":
		return why
	case fault.ReasonOf(why) == "Fenced":
		return errors.Join(why, c.remove(ctx, jobsResource, job))
	}
	return c.settle(ctx, job, driver.JobStatus{State: driver.JobFailed, Reason: "NotStarted", Message: fault.From(why).Why})
}

// jobOf makes the Job, or finds it.
func (c *conn) jobOf(ctx context.Context, job driver.Job) (*object, error) {
	if err := c.admit(ctx, job); err != nil {
		return nil, err
	}
	if j, err := c.get(ctx, jobsResource, job.ID); j != nil || err != nil {
		return j, err
	}
	w, err := c.wantsOf(job.Options, job.Memory)
	if err != nil {
		return nil, err
	}
	if w.image, err = c.imageOf(ctx, job, w.image); err != nil {
		return nil, err
	}
	if err := c.checkPriority(ctx, w.priority); err != nil {
		return nil, err
	}
	if err := c.letPull(ctx, &w, w.image); err != nil {
		return nil, err
	}
	owner, err := c.root(ctx)
	if err != nil {
		return nil, err
	}
	if parts := c.parts(ctx, owner); parts != nil {
		w.agent = c.partsVolume(parts)
	}
	j := c.pods.job(job.ID, w, jobLabels(job), owner)
	if digest, is := digestOf(job.Runtime); is {
		annotate(j, annotationEnvironment, digest)
	}
	w.span.indexed(j)
	return c.make(ctx, jobsResource, j)
}

// imageOf returns the image of a run: its own, its environment's, or the target's.
func (c *conn) imageOf(ctx context.Context, job driver.Job, own string) (string, error) {
	switch {
	case job.Runtime.Image != "" && own != "" && own != job.Runtime.Image:
		return "", optionFault(jobImage, "the run's environment is an image already", "leave the option out, or the environment")
	case job.Runtime.Image != "":
		return job.Runtime.Image, c.imageGone(job)
	case own != "":
		return own, nil
	}
	if digest, is := digestOf(job.Runtime); is {
		r, err := c.record(ctx, digest)
		if err != nil || r.Image != "" {
			return r.Image, err
		}
		return "", goneFault()
	}
	return c.usualImage()
}

func (c *conn) usualImage() (string, error) {
	if c.image != "" {
		return c.image, nil
	}
	return "", &fault.Error{
		Code: fault.Invalid, Reason: "ImageMissing", What: "the run cannot be started", Why: "neither the run, its environment nor the target names an image",
		Fix: "name one: zaffre run submit --option image=IMAGE; or for all runs: zaffre compute update NAME --image IMAGE", Field: "options." + jobImage,
	}
}

// give has the agent in the pod start the run, if the pod is there and the run is not started yet.
func (c *conn) give(ctx context.Context, job driver.Job, j *object) error {
	if _, over := endOf(j); over {
		return nil
	}
	if nodesOf(j) > 1 {
		return c.giveAll(ctx, job, j)
	}
	pod, err := c.podOf(ctx, j)
	if err != nil || pod == nil || !pod.runs() && !c.entered(job.ID, *pod) || c.awaiting(*pod) {
		return err
	}
	a := c.agent(job.ID, *pod)
	h, err := handleFor(job.ID)
	if err != nil {
		return err
	}
	if st, err := a.Poll(ctx, h); err != nil || st.Reason != "NoRecord" {
		return err
	}
	ready, err := c.prepare(ctx, a, &job)
	if err != nil || !ready {
		return err
	}
	s, err := seatOf(job, j, 0, "127.0.0.1")
	if err != nil {
		return err
	}
	return c.begin(ctx, a, s.on(job))
}

// begin looks once more whether the run may start, and starts it.
func (c *conn) begin(ctx context.Context, a *podAgent, job driver.Job) error {
	if err := c.admit(ctx, job); err != nil {
		return err
	}
	now, err := c.get(ctx, jobsResource, job.ID)
	if err != nil || now == nil {
		return err
	}
	_, over := endOf(now)
	if _, stopped := stopOf(now); over || stopped {
		return nil
	}
	job.Slots, job.Options = nil, nil
	_, err = a.Start(ctx, job)
	return err
}

// handleFor is the agent's own handle of a job.
func handleFor(job string) (driver.Handle, error) {
	b, err := json.Marshal(map[string]string{"job": job})
	return driver.Handle{Version: handleVersion, Data: b}, err
}

// Cancel implements driver.Runner. A run whose pod has no agent yet is ended by an order on its Job, whose pod goes.
func (c *conn) Cancel(ctx context.Context, h driver.Handle) error {
	v, err := read(h)
	if err != nil {
		return err
	}
	j, err := c.get(ctx, jobsResource, v.Job)
	if err != nil || j == nil || string(j.GetUID()) != v.UID {
		return err
	}
	if _, over := endOf(j); over {
		return nil
	}
	if nodesOf(j) > 1 {
		return c.cancelNodes(ctx, j)
	}
	if given, err := c.cancelGiven(ctx, j); given || err != nil {
		return err
	}
	if err := c.settle(ctx, v.Job, driver.JobStatus{State: driver.JobCanceled, Message: "canceled before it began"}); err != nil {
		return err
	}
	_, err = c.cancelGiven(ctx, j) // it may have begun meanwhile
	return err
}

// cancelGiven has the agent end the run; false: it has none of that name.
func (c *conn) cancelGiven(ctx context.Context, j *object) (bool, error) {
	pod, err := c.podOf(ctx, j)
	if err != nil || pod == nil || !pod.runs() && !c.entered(j.GetName(), *pod) || c.awaiting(*pod) {
		return pod != nil && pod.over(), err
	}
	a := c.agent(j.GetName(), *pod)
	h, err := handleFor(j.GetName())
	if err != nil {
		return false, err
	}
	st, err := a.Poll(ctx, h)
	if err != nil || st.Reason == "NoRecord" {
		return false, err
	}
	return true, a.Cancel(ctx, h)
}

// settle writes down how a run ended that was not given to an agent, and has its pod go.
func (c *conn) settle(ctx context.Context, job string, end driver.JobStatus) error {
	end.Ended = time.Now().UTC()
	text, err := json.Marshal(end)
	if err != nil {
		return err
	}
	merge, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationEnd: string(text)}}, "spec": map[string]any{"suspend": true},
	})
	if err != nil {
		return err
	}
	_, err = c.patch(ctx, jobsResource, job, merge)
	return err
}

// endOf reads what settle wrote.
func endOf(j *object) (st driver.JobStatus, over bool) {
	text := j.GetAnnotations()[annotationEnd]
	return st, text != "" && json.Unmarshal([]byte(text), &st) == nil
}

// Release implements driver.Runner. The attempt is written down first: it does not come again.
func (c *conn) Release(ctx context.Context, h driver.Handle) error {
	v, err := read(h)
	if err != nil {
		return err
	}
	j, err := c.get(ctx, jobsResource, v.Job)
	if err != nil || j == nil || string(j.GetUID()) != v.UID {
		return err
	}
	if !c.leaving(ctx, j) { // a pod that goes can no more be asked
		if err := c.ended(ctx, j); err != nil {
			return err
		}
	}
	for node := range max(1, v.Nodes) {
		if err := c.sent(ctx, h, node); err != nil {
			return err
		}
	}
	if err := c.retire(ctx, j); err != nil {
		return err
	}
	c.forget(v.Job)
	return c.remove(ctx, jobsResource, v.Job)
}

// sent checks that the server has what a node's process wrote to it.
func (c *conn) sent(ctx context.Context, h driver.Handle, node int) error {
	a, own, err := c.living(ctx, h, node)
	if err != nil || a == nil {
		return err
	}
	return a.Sent(ctx, own)
}

// ended checks that a run has ended.
func (c *conn) ended(ctx context.Context, j *object) error {
	st, err := c.status(ctx, j)
	if err != nil || st.State.Final() {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "JobActive", What: "the job cannot be released", Why: "it has not ended", Fix: "cancel it, and release it when it has ended",
	}
}

// leaving reports whether a Job's pod is being deleted: what it does is over, though it has not ended.
func (c *conn) leaving(ctx context.Context, j *object) bool {
	if nodesOf(j) > 1 {
		return false // the others tell
	}
	pod, err := c.podOf(ctx, j)
	return err == nil && pod != nil && pod.Metadata.Deletion != nil
}

func fencedFault(attempt int, why string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "Fenced", What: fmt.Sprintf("attempt %d of the run may not start", attempt), Why: why, Fix: "nothing: what came later goes on",
	}
}
