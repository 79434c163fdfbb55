package kubernetes

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	watchFor   = 5 * time.Minute // then the API server is asked anew, from where it was
	watchPause = time.Second     // between two watches
)

// Watch implements driver.Watcher: one watch of the target's Jobs and one of its pods, however many runs there are, and
// the agents in those that run.
func (c *conn) Watch(ctx context.Context, changed func(jobID string)) error {
	defer c.listen(ctx, changed)()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	defer all.Wait()
	jobs := following{conn: c, resource: jobsResource, changed: changed, take: c.tookJob}
	all.Go(func() { stop(jobs.run(ctx)) })
	pods := following{conn: c, resource: podsResource, changed: changed, take: c.tookPod}
	err := pods.run(ctx)
	stop(err)
	if cause := context.Cause(ctx); fault.ReasonOf(cause) != "" {
		return cause
	}
	return err
}

// following is a watch of a resource.
type following struct {
	*conn
	resource schema.GroupVersionResource
	changed  func(job string)
	take     func(o *object, gone bool) (job string)
	from     string // the version of the resource up to which all is known; "": nothing is
}

// run watches until ctx ends, or what goes wrong is there to stay: nil where ctx has ended.
func (f *following) run(ctx context.Context) error {
	for {
		err := f.follow(ctx)
		if err != nil || ctx.Err() != nil {
			f.seen.watched(f.resource.Resource, false)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !fault.Retryable(err) {
			return err
		}
		if pause(ctx, watchPause) != nil {
			f.seen.watched(f.resource.Resource, false)
			return nil
		}
	}
}

// follow lists what there is, if that is not known, and takes over each change.
func (f *following) follow(ctx context.Context) error {
	if f.from == "" {
		if err := f.list(ctx); err != nil {
			return err
		}
	}
	w, err := f.own(f.resource).Watch(ctx, metav1.ListOptions{
		LabelSelector: f.pods.selector(), ResourceVersion: f.from, AllowWatchBookmarks: true, TimeoutSeconds: new(int64(watchFor / time.Second)),
	})
	if err != nil {
		return f.broke(ctx, err)
	}
	defer w.Stop()
	f.seen.watched(f.resource.Resource, true)
	for e := range w.ResultChan() {
		o, ok := e.Object.(*object)
		if !ok || e.Type == watch.Error {
			return f.broke(ctx, apierrors.FromObject(e.Object))
		}
		f.from = o.GetResourceVersion()
		if e.Type != watch.Bookmark {
			f.changed(f.take(o, e.Type == watch.Deleted))
		}
	}
	return nil
}

// broke says what became of a watch. What the API server no longer has the changes of is listed anew.
func (f *following) broke(ctx context.Context, err error) error {
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		f.from = ""
		return nil
	}
	return f.asFault(ctx, err)
}

// list takes over all there is. Each counts as a change: something may have been missed.
func (f *following) list(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l, err := f.own(f.resource).List(asking, metav1.ListOptions{LabelSelector: f.pods.selector()})
	if err != nil {
		return f.asFault(asking, err)
	}
	f.seen.reset(f.resource.Resource)
	for i := range l.Items {
		f.changed(f.take(&l.Items[i], false))
	}
	f.from = l.GetResourceVersion()
	return nil
}

func (c *conn) tookJob(o *object, gone bool) string {
	c.seen.job(o, gone)
	return o.GetName()
}

func (c *conn) tookPod(o *object, gone bool) string {
	job, p := o.GetLabels()[labelJob], podFrom(o)
	c.seen.pod(o, p, gone)
	c.seen.note(job, p)
	switch {
	case gone, isProbe(o), c.awaiting(p):
	case p.runs():
		c.agent(job, p) // listens to it too
	case p.placed() && !p.indexed(): // a run over several nodes waits for all of them
		c.await(job, p)
	}
	c.nears(p)
	return job
}

// podFrom reads a pod.
func podFrom(o *object) (p pod) {
	if b, err := json.Marshal(o.Object); err == nil {
		_ = json.Unmarshal(b, &p)
	}
	return p
}
