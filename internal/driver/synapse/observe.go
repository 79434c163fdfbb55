package synapse

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

// Observe implements driver.Conn. The checks are address, connection, login, and folder. An endpoint has no name of its
// own: it is known by its URL.
func (c *conn) Observe(ctx context.Context) (driver.Observation, error) {
	o := driver.Observation{Observed: time.Now().UTC(), Facts: map[string]string{}}
	if c.rest == nil {
		return o, o.Note(driver.Check{Name: "address", Required: true}, addressUnknown())
	}
	_ = o.Note(driver.Check{Name: "address", Required: true, Evidence: []string{c.rest.Base.String()}}, nil)
	if err := c.greet(ctx, &o); err != nil {
		return o, err
	}
	if err := c.checkFolder(ctx, &o); err != nil {
		return o, err
	}
	c.askVersion(ctx, &o)
	o.Exists, o.Ready, o.Identity = true, true, "livy/"+c.rest.Base.Host+c.rest.Base.Path
	o.Facts["endpoint"] = c.rest.Base.String()
	return o, nil
}

// greet asks for one batch, which every endpoint answers.
func (c *conn) greet(ctx context.Context, o *driver.Observation) error {
	begin := time.Now()
	a, err := c.rest.Do(ctx, restx.Call{Method: http.MethodGet, Path: "/batches", Query: url.Values{"from": {"0"}, "size": {"1"}}})
	if err := o.Note(driver.Check{Name: "connection", Required: true, Duration: time.Since(begin)}, err); err != nil {
		return err
	}
	var page struct {
		Sessions *[]batch `json:"sessions"`
	}
	if !a.OK() {
		err = c.refusal(a)
	} else if err = a.Decode(&page); fault.ReasonOf(err) == "AnswerBroken" || err == nil && page.Sessions == nil {
		err = c.notLivy(a.Status)
	}
	return o.Note(driver.Check{Name: "login", Required: true, Duration: time.Since(begin)}, err)
}

// checkFolder leaves a file in our folder and takes it away. Whether the pool sees it too, only a run shows.
func (c *conn) checkFolder(ctx context.Context, o *driver.Observation) error {
	if c.ours == nil {
		f := fault.From(folderNone())
		o.Checks = append(o.Checks, driver.Check{Name: "folder", Evidence: []string{f.Why}, Reason: f.Reason, Fix: f.Fix})
		return nil
	}
	begin, probe := time.Now(), "probe-"+rand.Text()
	err := c.ours.PutBytes(ctx, probe, nil)
	if err == nil {
		err = c.ours.Store.Remove(ctx, probe)
	}
	return o.Note(driver.Check{Name: "folder", Required: true, Duration: time.Since(begin), Evidence: []string{c.folder, "seen by the pool as " + c.there.String()}}, err)
}

// askVersion notes the version, where the endpoint says it: Synapse's own does not.
func (c *conn) askVersion(ctx context.Context, o *driver.Observation) {
	var v struct {
		Version string `json:"version"`
	}
	if err := c.ask(ctx, restx.Call{Method: http.MethodGet, Path: "/version"}, &v); err == nil && v.Version != "" {
		o.Facts["livy.version"] = v.Version
	}
}
