package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// podGoal is what submit to first line may take, in multiples of what a bare Job takes.
const podGoal = 1.3

// kubernetesRuns measures runs in pods beside bare Jobs.
func kubernetesRuns(ctx context.Context, b *bench) ([]Figure, error) {
	return onCluster(ctx, b, (*kube).firstLine)
}

// kwokRuns measures what runs that wait cost the API server.
func kwokRuns(ctx context.Context, b *bench) ([]Figure, error) {
	return onCluster(ctx, b, (*kube).waiting)
}

// onCluster measures by a server that has a namespace of the cluster attached.
func onCluster(ctx context.Context, b *bench, measure func(*kube, context.Context, *bench, *rig.Server) ([]Figure, error)) ([]Figure, error) {
	config, up := engine("TEST_KUBERNETES", "kubernetes")
	if !up {
		return nil, nil
	}
	s, err := b.serve(ctx, rig.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	c := &kube{config: config, image: os.Getenv("TEST_KUBERNETES_IMAGE"), namespace: "zaffre-bench-" + strings.ToLower(client.NewName())}
	defer c.remove()
	if err := c.attach(ctx, b, s); err != nil {
		return nil, err
	}
	return measure(c, ctx, b, s)
}

// kube is the cluster of test/engines/kubernetes.sh, and a namespace in it.
type kube struct {
	config, image, namespace string
	turn                     int
}

func (c *kube) remove() {
	_, _ = c.kubectl(context.Background(), "", "delete", "--wait=false", "namespace/"+c.namespace, "clusterrole/zaffre-"+c.namespace, "clusterrolebinding/zaffre-"+c.namespace)
}

// kubectl does something as the cluster's administrator.
func (c *kube) kubectl(ctx context.Context, in string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, os.Getenv("ENGINES_KUBECTL"), append([]string{"--kubeconfig", c.config, "-n", c.namespace}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kubectl %v: %w: %s", args, err, said.String())
	}
	return string(out), nil
}

// attach attaches the cluster by an account that may do what the kind asks for, and no more.
func (c *kube) attach(ctx context.Context, b *bench, s *rig.Server) error {
	cli := exec.CommandContext(ctx, b.bin, "compute", "attach", "kubernetes", "--print-rbac", "--namespace", c.namespace)
	cli.Env = append(os.Environ(), "ZAFFRE_DATA="+s.Data)
	grants, err := cli.Output()
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, string(grants), "apply", "-f", "-"); err != nil {
		return err
	}
	options := map[string]any{"namespace": c.namespace, "image": c.image}
	for name, args := range map[string][]string{
		"token":  {"create", "token", "zaffre"},
		"server": {"config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"},
		"ca":     {"config", "view", "--minify", "--flatten", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"},
	} {
		text, err := c.kubectl(ctx, "", args...)
		if err != nil {
			return err
		}
		options[name] = strings.TrimSpace(text)
	}
	return target(ctx, s, client.Compute{Name: "k8s", Kind: "kubernetes", Shared: true, Options: options})
}

// firstLine is a submit beside "kubectl create job", with an image that the node has.
func (c *kube) firstLine(ctx context.Context, b *bench, s *rig.Server) ([]Figure, error) {
	request := command("python3", "-c", firstLineScript)
	request.Compute = "k8s"
	var ours, bare []time.Duration
	for i := range b.times(10, 3) + 1 {
		z, _, err := throughZaffre(ctx, s, request)
		if err != nil {
			return nil, err
		}
		p, err := c.bareJob(ctx)
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first fills caches
			ours, bare = append(ours, z), append(bare, p)
		}
	}
	times := float64(middle(ours)) / float64(middle(bare))
	return []Figure{{
		What:   "submit to first line of Python in a pod, image present, beside kubectl create job",
		Zaffre: fmt.Sprintf("%s, p95 %s", ms(middle(ours)), ms(late(ours))), Peer: fmt.Sprintf("kubectl %s, p95 %s", ms(middle(bare)), ms(late(bare))),
		Ratio: fmt.Sprintf("%.2f", times), Goal: "<= 1.3", OK: new(times <= podGoal), Note: fmt.Sprintf("load %.1f", loadAverage()),
		Values: map[string]float64{"p50": millis(middle(ours)), "kubectl_p50": millis(middle(bare)), "load": loadAverage()},
	}}, nil
}

// bareJob has a Job print when it began.
func (c *kube) bareJob(ctx context.Context) (time.Duration, error) {
	c.turn++
	name := fmt.Sprintf("bare-%d", c.turn)
	began := time.Now()
	if _, err := c.kubectl(ctx, "", "create", "job", name, "--image="+c.image, "--", "python3", "-c", firstLineScript); err != nil {
		return 0, err
	}
	if _, err := c.kubectl(ctx, "", "wait", "--for=condition=complete", "job/"+name, "--timeout=60s"); err != nil {
		return 0, err
	}
	var took time.Duration
	var err error
	for range 5 { // the node has the log a moment later
		var log string
		if log, err = c.kubectl(ctx, "", "logs", "job/"+name); err == nil {
			if took, _, err = stamps(began, strings.NewReader(log)); err == nil {
				break
			}
		}
		_ = pause(ctx, 200*time.Millisecond)
	}
	if err == nil {
		_, err = c.kubectl(ctx, "", "delete", "job", name, "--wait=false")
	}
	return took, err
}
