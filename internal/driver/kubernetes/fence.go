package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Attempts that have come and gone stand in the target's ConfigMap, "ATTEMPT UNIXTIME" by the run. Where there are
// more than maxReleased, those go that were released more than keepReleased ago: a ConfigMap holds 1 MiB.
const (
	keepReleased = time.Hour
	maxReleased  = 2000
)

// rootName is the ConfigMap that owns all that the target makes.
func (c *conn) rootName() string { return "zaffre-" + c.id }

// root makes that ConfigMap, or finds it.
func (c *conn) root(ctx context.Context) (*object, error) {
	if err := c.inherit(ctx); err != nil {
		return nil, err
	}
	return c.apply(ctx, configsResource, &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": c.rootName(), "labels": c.pods.labels(nil), "annotations": map[string]any{
			"zaffre/about": "what the runs of a zaffre compute target have in common; it goes by: zaffre compute detach",
		}},
	}})
}

// admit refuses an attempt that is lower than one that is there, or that has come and gone.
func (c *conn) admit(ctx context.Context, job driver.Job) error {
	if job.Run == "" {
		return nil
	}
	jobs, err := c.list(ctx, jobsResource, c.pods.selector()+","+labelRun+"="+job.Run)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if n, _ := strconv.Atoi(j.GetLabels()[labelAttempt]); n > job.Attempt {
			return fencedFault(job.Attempt, fmt.Sprintf("attempt %d was started here", n))
		}
		if j.GetName() == job.ID {
			return nil // it was not released
		}
	}
	gone, err := c.released(ctx)
	if n := gone[job.Run]; err == nil && n >= job.Attempt {
		return fencedFault(job.Attempt, fmt.Sprintf("attempt %d has ended here and was released", n))
	}
	return err
}

// released are the highest attempts that were released, by run.
func (c *conn) released(ctx context.Context) (map[string]int, error) {
	out := map[string]int{}
	err := c.eachReleased(ctx, func(run string, attempt int, _ time.Time) { out[run] = attempt })
	return out, err
}

func (c *conn) eachReleased(ctx context.Context, f func(run string, attempt int, at time.Time)) error {
	o, err := c.get(ctx, configsResource, c.rootName())
	if err != nil || o == nil {
		return err
	}
	data, _ := o.Object["data"].(map[string]any)
	for run, v := range data {
		first, second, _ := strings.Cut(driver.Text(v), " ")
		n, _ := strconv.Atoi(first)
		at, _ := strconv.ParseInt(second, 10, 64)
		f(run, n, time.Unix(at, 0))
	}
	return nil
}

// retire notes that an attempt is released. Each run has a key of its own, so that many may do so at once.
func (c *conn) retire(ctx context.Context, j *object) error {
	run := j.GetLabels()[labelRun]
	attempt, _ := strconv.Atoi(j.GetLabels()[labelAttempt])
	if run == "" {
		return nil
	}
	data, count := map[string]any{}, 0
	old := []string{}
	err := c.eachReleased(ctx, func(name string, n int, at time.Time) {
		count++
		if name == run {
			attempt = max(attempt, n)
		}
		if time.Since(at) > keepReleased {
			old = append(old, name)
		}
	})
	if err != nil {
		return err
	}
	if count > maxReleased {
		for _, name := range old {
			data[name] = nil // takes the key away
		}
	}
	data[run] = fmt.Sprintf("%d %d", attempt, time.Now().Unix())
	merge, err := json.Marshal(map[string]any{"data": data})
	if err == nil {
		_, err = c.patch(ctx, configsResource, c.rootName(), merge)
	}
	return err
}
