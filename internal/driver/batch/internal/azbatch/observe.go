package azbatch

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Observe implements driver.Conn. The checks are address, connection, login, container, and pool where the target has
// one. There are no machines: Batch places the runs.
func (c *Conn) Observe(ctx context.Context) (driver.Observation, error) {
	o := driver.Observation{Observed: time.Now().UTC(), Facts: map[string]string{}}
	_ = o.Note(driver.Check{Name: "address", Required: true, Evidence: []string{c.rest.Base.String()}}, nil)
	if err := c.greet(ctx, &o); err != nil {
		return o, err
	}
	if err := c.checkContainer(ctx, &o); err != nil {
		return o, err
	}
	o.Exists, o.Ready, o.Identity = true, true, "azurebatch/"+c.rest.Base.Host
	o.Facts["account"], o.Facts["endpoint"] = c.account, c.rest.Base.String()
	if c.pool == "" {
		return o, nil
	}
	return o, c.lookAtPool(ctx, &o)
}

// greet asks for one job, which every account answers.
func (c *Conn) greet(ctx context.Context, o *driver.Observation) error {
	begin := time.Now()
	a, err := c.rest.Do(ctx, restx.Call{Method: http.MethodGet, Path: "/jobs", Query: url.Values{"api-version": {apiVersion}, "maxresults": {"1"}, "$select": {"id"}}})
	if err := o.Note(driver.Check{Name: "connection", Required: true, Duration: time.Since(begin)}, err); err != nil {
		return err
	}
	var page struct {
		Value *[]task `json:"value"`
	}
	if !a.OK() {
		err = c.refusal(a)
	} else if err = a.Decode(&page); fault.ReasonOf(err) == "AnswerBroken" || err == nil && page.Value == nil {
		err = c.notBatch(a.Status)
	}
	return o.Note(driver.Check{Name: "login", Required: true, Duration: time.Since(begin)}, err)
}

// checkContainer leaves a blob in our folder and takes it away.
func (c *Conn) checkContainer(ctx context.Context, o *driver.Observation) error {
	check := driver.Check{Name: "container", Required: true}
	if c.ours == nil {
		return o.Note(check, containerNone())
	}
	begin, probe := time.Now(), "probe-"+rand.Text()
	err := c.ours.PutBytes(ctx, probe, nil)
	if err == nil {
		_, err = c.blobs.List(ctx, "jobs")
	}
	if err == nil {
		err = c.blobs.Remove(ctx, probe)
	}
	check.Duration, check.Evidence = time.Since(begin), []string{c.blobs.name()}
	o.Facts["container"] = c.blobs.name()
	if end := c.blobs.expires(); !end.IsZero() {
		o.Facts["container.expires"] = end.UTC().Format(time.RFC3339)
		check.Evidence = append(check.Evidence, "its signature ends at "+o.Facts["container.expires"])
	}
	return o.Note(check, err)
}

// lookAtPool looks at the pool for runs that name none. One without nodes is there, and not ready: runs would wait.
func (c *Conn) lookAtPool(ctx context.Context, o *driver.Observation) error {
	begin := time.Now()
	p, err := c.askPool(ctx, c.pool)
	check := driver.Check{Name: "pool", Required: true, Duration: time.Since(begin)}
	if err != nil {
		o.Exists, o.Ready = false, false
		return o.Note(check, err)
	}
	check.Evidence = []string{p.Size, p.nodes()}
	o.Facts["pool"], o.Facts["pool.size"], o.Facts["nodes"] = p.ID, p.Size, p.nodes()
	_ = o.Note(check, nil)
	if o.Reason, o.Message = p.idle(); o.Reason != "" {
		o.Ready = false
	}
	return nil
}
