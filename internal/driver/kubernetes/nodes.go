package kubernetes

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// A run over several nodes is an Indexed Job: one pod for each. Its agents are given the run when all pods run, so that
// the address of node 0 is known to all, and no service or name is needed. The Job fails when one of its pods is gone,
// and takes the others away: pods that are there together stay together.

// Paths of the options that say over how many nodes a run goes.
const (
	jobNodes     = "nodes"
	jobProcesses = "processesPerNode"
	jobGather    = "nodesTimeout"
)

// Annotations of the Job of a run over several nodes.
const (
	annotationGather = "zaffre/nodes-timeout" // for how long the first pod that runs waits for the others
	annotationBy     = "zaffre/nodes-by"      // when that is over; written when the first pod ran
	annotationBegun  = "zaffre/begun"         // its agents are given the run: a pod that is missing from then on is gone
	annotationStop   = "zaffre/stop"          // why its nodes are ended; written before they are
)

// labelIndex is the node's number on its pod.
const labelIndex = "batch.kubernetes.io/job-completion-index"

const (
	maxNodes      = 1000 // each has a channel of its own
	maxProcesses  = 256
	usualGather   = 10 * time.Minute
	labelHostname = "kubernetes.io/hostname"
)

func nodeOptions() []driver.Option {
	return []driver.Option{
		{Path: jobNodes, Type: driver.Int, Default: int64(1), Help: "over how many nodes it goes: the command starts on each, when all are there, with the variables of torch.distributed and torchrun"},
		{Path: jobProcesses, Type: driver.Int, Default: int64(1), Help: "how many processes of the command are started per node; with torchrun, which starts them itself, 1"},
		{Path: jobGather, Type: driver.Duration, Default: usualGather, Help: "for how long the first node waits for the others before the run fails"},
	}
}

// span is over how many nodes and processes a run goes.
type span struct {
	nodes, processes int
	gather           time.Duration
}

// spanOf reads a run's options.
func spanOf(given map[string]any) (span, error) {
	s := span{1, 1, usualGather}
	for _, o := range []struct {
		path string
		most int
		into *int
	}{{jobNodes, maxNodes, &s.nodes}, {jobProcesses, maxProcesses, &s.processes}} {
		n, is := given[o.path].(int64)
		if is && (n < 1 || n > int64(o.most)) {
			return s, optionFault(o.path, fmt.Sprintf("%d is not from 1 to %d", n, o.most), "give a number, or leave it out for 1")
		}
		if is {
			*o.into = int(n)
		}
	}
	if d, is := given[jobGather].(time.Duration); is {
		s.gather = d
	}
	if s.gather <= 0 {
		return s, optionFault(jobGather, "the others need a moment", "give a time such as 10m, or leave it out")
	}
	return s, nil
}

// indexed makes a Job one of several pods, which go to different nodes where they can.
func (s span) indexed(j *object) {
	if s.nodes == 1 {
		return
	}
	spec, _ := j.Object["spec"].(map[string]any)
	spec["completionMode"], spec["completions"], spec["parallelism"] = "Indexed", int64(s.nodes), int64(s.nodes)
	pod, _, _ := unstructured.NestedFieldNoCopy(j.Object, "spec", "template", "spec")
	if pod, is := pod.(map[string]any); is {
		pod["topologySpreadConstraints"] = []any{map[string]any{
			"maxSkew": int64(1), "topologyKey": labelHostname, "whenUnsatisfiable": "ScheduleAnyway",
			"labelSelector": map[string]any{"matchLabels": map[string]any{labelJob: j.GetName()}},
		}}
	}
	annotate(j, annotationGather, s.gather.String())
}

func annotate(j *object, key, value string) {
	all := j.GetAnnotations()
	if all == nil {
		all = map[string]string{}
	}
	all[key] = value
	j.SetAnnotations(all)
}

// nodesOf is how many nodes the run of a Job has.
func nodesOf(j *object) int {
	if mode, _, _ := unstructured.NestedString(j.Object, "spec", "completionMode"); mode != "Indexed" {
		return 1
	}
	n, _, _ := unstructured.NestedInt64(j.Object, "spec", "completions")
	return int(max(n, 1))
}

// index is the number of the node that a pod is.
func (p pod) index() int {
	n, _ := strconv.Atoi(p.Metadata.Labels[labelIndex])
	return n
}

// podsOf returns a Job's pods by the numbers of the nodes, of each the latest; nil: there is none.
func (c *conn) podsOf(ctx context.Context, j *object) ([]*pod, error) {
	list, err := c.list(ctx, podsResource, labelController+"="+string(j.GetUID()))
	pods := make([]*pod, nodesOf(j))
	for _, o := range list {
		p := podFrom(&o)
		if i := p.index(); i < len(pods) && (pods[i] == nil || pods[i].Metadata.Created.Before(&p.Metadata.Created)) {
			pods[i] = &p
		}
	}
	return pods, err
}

// agentKey is under what the agent of a node is kept.
func agentKey(job string, node int) string {
	if node == 0 {
		return job
	}
	return job + "#" + strconv.Itoa(node)
}

// ofJob reports whether an agent is of a job's nodes.
func ofJob(key, job string) bool { return key == job || strings.HasPrefix(key, job+"#") }

// knownNode returns the agent of a node, if it was asked before.
func (c *conn) knownNode(job string, node int) *podAgent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.agents[agentKey(job, node)]
}

// indexed reports whether a pod is one of several nodes.
func (p pod) indexed() bool {
	_, is := p.Metadata.Labels[labelIndex]
	return is
}
