package kubernetes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// fetch waits until a node has the image, and its pod runs or cannot. One that was on its way when it was found is not
// waited for again.
func (t *trial) fetch(ctx context.Context) ([]string, error) {
	end := time.Now().Add(probeStarts)
	for first := true; ; first = false {
		if err := t.find(ctx); err != nil {
			return nil, err
		}
		has, err := t.fetched(ctx)
		if err != nil {
			return nil, err
		}
		if has {
			return t.said(ctx), nil
		}
		if first && t.job != nil && time.Since(t.job.GetCreationTimestamp().Time) > probeStarts {
			end = time.Now().Add(time.Second)
		}
		if time.Now().After(end) || pause(ctx, probeEvery) != nil {
			return nil, t.unready(ctx)
		}
	}
}

// fetched reports whether a node has the image; why none will is a fault.
func (t *trial) fetched(ctx context.Context) (bool, error) {
	if t.pod == nil {
		return false, t.refusedPod(ctx)
	}
	p := *t.pod
	waits, said := p.waitsFor()
	switch {
	case p.Metadata.Deletion != nil:
		return false, nil
	case p.over() && len(p.Status.Containers) == 0:
		return false, endedFault(p.verdict())
	case slices.Contains(imageRefused(), waits):
		return false, t.imageFault(said)
	case p.over(), p.reachable(), slices.Contains(containerRefused(), waits):
		return true, nil
	case p.unplaced():
		return false, unplacedFault(p.waiting().Message)
	}
	return false, nil
}

// unplaced reports whether the scheduler has found no node for it.
func (p pod) unplaced() bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c condition) bool {
		return c.Type == "PodScheduled" && c.Status == "False" && c.Reason == "Unschedulable"
	})
}

// refusedPod says why the probe's pod cannot be made; nil: nothing is known of that.
func (t *trial) refusedPod(ctx context.Context) error {
	if t.job == nil {
		return nil
	}
	why, err := t.refusal(ctx, t.job)
	if why == "" {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ProbeRefused", What: "no pod can be tried", Why: "its pod cannot be made: " + why,
		Fix: "make room, or change what its words name: runs wait for the same; run: zaffre compute check NAME",
	}
}

// said is what the node says of the image.
func (t *trial) said(ctx context.Context) []string {
	said := t.image
	events, _ := t.events(ctx, t.pod.Metadata.UID) // they come late, or not at all
	for _, e := range events {
		if e.reason == "Pulled" {
			said = e.message
		}
	}
	return []string{strings.Join(append(t.pod.nodes(), said), ": ")}
}

// unready says what a pod does that does not run in time.
func (t *trial) unready(ctx context.Context) error {
	if t.pod == nil {
		return t.startingFault("its pod is not made yet", "")
	}
	events, err := t.events(ctx, t.pod.Metadata.UID)
	if err != nil || len(events) == 0 {
		return t.startingFault(t.pod.waiting().Message, "")
	}
	last := events[len(events)-1]
	if last.reason != "Pulling" {
		return t.startingFault(t.pod.waiting().Message, last.message)
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "ImagePulling", What: "it is not known yet whether nodes can fetch the image", Why: t.image + " is being pulled, by " + strings.Join(t.pod.nodes(), ""),
		Fix: "nothing: the next look sees how it went", Evidence: []string{last.message},
	}
}

// enter runs a command in the pod, and brings the agent in.
func (t *trial) enter(ctx context.Context) ([]string, error) {
	switch p := *t.pod; {
	case p.over():
		return nil, endedFault(p.verdict())
	case !p.reachable():
		return nil, endedFault(p.waiting())
	}
	place, begin := t.place(*t.pod), time.Now()
	exit, err := place.Script(ctx, "exit 0", nil, driver.Stdio{})
	if err == nil && exit != 0 {
		err = shellFault(exit)
	}
	if err != nil {
		return nil, err
	}
	command := time.Since(begin)
	t.agent = &agentx.Conn{Session: agentx.NewSession(place.StartHere)}
	begin = time.Now()
	_, err = t.agent.Hello(ctx)
	return []string{fmt.Sprintf("a command took %d ms, and the agent came in within %d ms", command.Milliseconds(), time.Since(begin).Milliseconds())}, err
}

// inCluster is the API server, as pods of any cluster with DNS know it.
const inCluster = "kubernetes.default.svc:443"

// egress says whether pods reach packages, or anything at all. It is for knowing: where they do not, packages come by way
// of the server.
func (t *trial) egress(ctx context.Context) error {
	to, is := t.uv.Host(ctx), "from where this server has packages"
	if to == "" {
		to, is = inCluster, "the cluster's API server: from where this server has packages is not known yet"
	}
	why := ""
	err := t.step("egress", false, func() (said []string, err error) {
		if why, err = t.reach(ctx, to); err == nil && why != "" && t.taken(ctx) { // with it went the way
			why, err = "", t.startingFault("another look, or somebody by hand, has taken the probe away", why)
		}
		if err != nil {
			return nil, err
		}
		if t.Facts["egress"] = to; why == "" {
			return []string{"pods reach " + to + ", " + is}, nil
		}
		t.Facts["egress"] = "none to " + to
		return []string{"pods do not reach " + to + ", " + is + " (" + why + "); packages of environments come by way of the server"}, nil
	})
	if why != "" {
		t.Checks[len(t.Checks)-1].Reason = "NoRoute"
	}
	return err
}

// reachWithin bounds a connection, as builds of environments do.
const reachWithin = 4 * time.Second

// reach connects to an address from the pod; why it does not come about is no error. A firewall may take the connection
// and end it when it hears for whom it is, so a handshake is tried; whose certificate it is does not matter.
func (t *trial) reach(ctx context.Context, addr string) (why string, err error) {
	dialing, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	conn, err := t.agent.Dial(dialing, "tcp", addr)
	if err == nil {
		defer conn.Close()
		host, _, _ := net.SplitHostPort(addr)
		err = tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}).HandshakeContext(dialing)
	}
	f, ours := errors.AsType[*fault.Error](err)
	switch {
	case err == nil, notTrusted(err):
		return "", nil
	case ctx.Err() == nil && dialing.Err() != nil:
		return fmt.Sprintf("nobody answers there within %v", reachWithin), nil
	case !ours:
		return "what answers there ends the connection: " + err.Error(), nil
	case f.Reason == "DialFailed":
		return f.Why, nil
	}
	return "", err
}

func (t *trial) imageFault(said string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ImageUnavailable", What: "nodes cannot fetch the target's image", Why: t.image + ": " + said,
		Fix: "correct it: zaffre compute update NAME --image IMAGE; where its registry wants a login, give the pods' service account imagePullSecrets; runs that name a secret or another image may do",
	}
}

func (t *trial) startingFault(why, said string) error {
	f := &fault.Error{
		Code: fault.Unavailable, Reason: "ProbeStarting", What: "it is not known yet what pods can do", Why: why,
		Fix: "nothing: the next look sees how it went; if it stays so, look at the pod: kubectl -n " + t.namespace + " describe pods -l " + labelProbe,
	}
	if said != "" {
		f.Evidence = []string{said}
	}
	return f
}

func unplacedFault(why string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ProbeUnplaced", What: "no pod can be tried", Why: "a pod of the target's default instance type " + why,
		Fix: "nothing if nodes are busy, or are made when they are needed; else correct it: zaffre compute update NAME --instance-types JSON",
	}
}

func endedFault(st driver.JobStatus) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ProbeEnded", What: "no command can be run in pods of the target", Why: st.Message,
		Fix: "use an image that has a shell and coreutils, and a user that pods may have: zaffre compute update NAME --image IMAGE",
	}
}

func shellFault(exit int) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ShellUnusable", What: "no command can be run in pods of the target", Why: fmt.Sprintf("the image's shell ends with code %d instead of 0", exit),
		Fix: "use an image whose sh is a POSIX shell: zaffre compute update NAME --image IMAGE",
	}
}
