package kubernetes

import (
	"context"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// seen is what the watches know of the target's Jobs and pods, so that runs that wait cost no request each. It answers
// for nothing but that a run still waits: whatever else it shows, the API server is asked itself.
type seen struct {
	mu      sync.Mutex
	current map[string]bool             // by resource: it is watched now
	jobs    map[string]*object          // by name
	pods    map[string]map[string]pod   // by their Job's UID, and their own
	fates   map[string]driver.JobStatus // by Job's name: how the cluster took its pod away
	refused map[string]string           // by Job's UID: why its pod cannot be made
	asked   time.Time                   // when refused was read
	asking  sync.Mutex
}

func newSeen() *seen {
	return &seen{
		current: map[string]bool{}, jobs: map[string]*object{}, pods: map[string]map[string]pod{}, fates: map[string]driver.JobStatus{},
	}
}

// watched says that a resource is watched from now on, or no more.
func (s *seen) watched(resource string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current[resource] = is
}

// reset forgets what was known of a resource: it is listed anew.
func (s *seen) reset(resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if resource == jobsResource.Resource {
		clear(s.jobs)
	} else {
		clear(s.pods)
	}
}

// job takes over how a Job is; gone: that it is no more.
func (s *seen) job(o *object, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone {
		delete(s.jobs, o.GetName())
		return
	}
	unstructured.RemoveNestedField(o.Object, "spec")
	o.SetManagedFields(nil)
	s.jobs[o.GetName()] = o
}

// pod takes over how a pod is; gone: that it is no more.
func (s *seen) pod(o *object, p pod, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	job, own := o.GetLabels()[labelController], string(o.GetUID())
	if gone {
		delete(s.pods[job], own)
		if len(s.pods[job]) == 0 {
			delete(s.pods, job)
		}
		return
	}
	if s.pods[job] == nil {
		s.pods[job] = map[string]pod{}
	}
	s.pods[job][own] = p
}

// note remembers how the cluster takes a Job's pod away: once the pod is gone, nothing else tells.
func (s *seen) note(job string, p pod) {
	if fate, taken := p.taken(); taken {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fates[job] = fate
	}
}

// fate says how the cluster took a Job's pod away.
func (s *seen) fate(job string) (driver.JobStatus, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.fates[job]
	return st, ok
}

// forget forgets that.
func (s *seen) forget(job string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fates, job)
}

// find returns a Job that has not ended, and its pods; nil: that is not known for sure.
func (s *seen) find(v handle) (*object, []pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[v.Job]
	if !s.current[jobsResource.Resource] || !s.current[podsResource.Resource] || j == nil || string(j.GetUID()) != v.UID {
		return nil, nil
	}
	for _, cond := range conditions(j, "conditions") {
		if cond.Status == "True" {
			return nil, nil
		}
	}
	var pods []pod
	for _, p := range s.pods[v.UID] {
		pods = append(pods, p)
	}
	return j, pods
}

// still says of a run that it waits as before; false: that is to be read.
func (c *conn) still(ctx context.Context, v handle) (driver.JobStatus, bool) {
	j, pods := c.seen.find(v)
	if j == nil || v.Nodes > 1 || len(pods) > 1 {
		return driver.JobStatus{}, false
	}
	if _, over := endOf(j); over || c.known(v.Job) != nil {
		return driver.JobStatus{}, false
	}
	if len(pods) == 0 {
		return c.stillPodless(ctx, v.UID)
	}
	p := pods[0]
	if p.over() || p.reachable() || p.Metadata.Deletion != nil {
		return driver.JobStatus{}, false
	}
	st := p.waiting()
	return st, st.State == driver.JobPending
}

func (c *conn) stillPodless(ctx context.Context, uid string) (driver.JobStatus, bool) {
	refused, err := c.refusals(ctx)
	if err != nil {
		return driver.JobStatus{}, false
	}
	st := unmade(refused[uid])
	return st, st.State == driver.JobPending
}

// unmade is how a run stands whose pod there is not; why is what the cluster says of that.
func unmade(why string) driver.JobStatus {
	st := driver.JobStatus{State: driver.JobPending, Message: "waits for its pod"}
	switch {
	case strings.Contains(why, "no PriorityClass with name"):
		st.State, st.Reason = driver.JobFailed, "PriorityClassUnknown"
		st.Message, st.Ended = "the cluster has no such priority class: "+why, time.Now().UTC()
	case why != "":
		st.Message = "waits: its pod cannot be made: " + why
	}
	return st
}

// refusalsEvery is how often the cluster is asked why pods cannot be made, for all runs together.
const refusalsEvery = 10 * time.Second

// refusals are why the pods of Jobs cannot be made, by the Jobs' UIDs.
func (c *conn) refusals(ctx context.Context) (map[string]string, error) {
	s := c.seen
	s.asking.Lock()
	defer s.asking.Unlock()
	if time.Since(s.asked) < refusalsEvery {
		return s.refused, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l, err := c.own(eventsResource).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.kind=Job,reason=FailedCreate"})
	if err != nil {
		return nil, c.asFault(ctx, err)
	}
	out := map[string]string{}
	for _, e := range byTime(l.Items) {
		uid, _, _ := unstructured.NestedString(e.Object, "involvedObject", "uid")
		out[uid], _, _ = unstructured.NestedString(e.Object, "message")
	}
	s.refused, s.asked = out, time.Now()
	return out, nil
}
