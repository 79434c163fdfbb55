package databricks

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Observe implements driver.Conn. The checks are address, connection, token, folder, and cluster where the target
// has one.
func (c *conn) Observe(ctx context.Context) (driver.Observation, error) {
	o := driver.Observation{Observed: time.Now().UTC(), Facts: map[string]string{}}
	if c.rest == nil {
		return o, o.Note(driver.Check{Name: "address", Required: true}, addressUnknown())
	}
	host := c.rest.Base.Host
	_ = o.Note(driver.Check{Name: "address", Required: true, Evidence: []string{c.rest.Base.String()}}, nil)
	org, err := c.greet(ctx, &o)
	if err != nil {
		return o, err
	}
	if err := c.checkFolder(ctx, &o); err != nil {
		return o, err
	}
	if c.cluster != "" {
		if err := c.checkCluster(ctx, &o); err != nil {
			return o, err
		}
	}
	o.Exists, o.Ready, o.Identity = true, true, "databricks/"+host
	if org != "" { // a workspace may have several names
		o.Identity, o.Facts["workspace.id"] = "databricks/"+org, org
	}
	o.Facts["host"] = host
	return o, nil
}

// greet asks who we are there, and returns the workspace's ID, which stands beside the answer.
func (c *conn) greet(ctx context.Context, o *driver.Observation) (org string, err error) {
	begin := time.Now()
	a, err := c.rest.Do(ctx, restx.Call{Method: http.MethodGet, Path: me})
	if err := o.Note(driver.Check{Name: "connection", Required: true, Duration: time.Since(begin)}, err); err != nil {
		return "", err
	}
	var user struct {
		Name string `json:"userName"`
	}
	if a.OK() {
		err = a.Decode(&user)
	} else {
		err = c.said(a)
	}
	if fault.ReasonOf(err) == "AnswerBroken" {
		err = c.notDatabricks(a.Status)
	}
	if err := o.Note(driver.Check{Name: "token", Required: true, Duration: time.Since(begin)}, err); err != nil {
		return "", err
	}
	o.Facts["user"] = user.Name
	return a.Header.Get(orgHeader), nil
}

// checkFolder looks whether files can be seen where ours lie: in ours, or where that will be made.
func (c *conn) checkFolder(ctx context.Context, o *driver.Observation) error {
	begin := time.Now()
	_, err := c.files.List(ctx, "")
	if missing(err) {
		_, err = c.files.List(ctx, c.files.above())
	}
	if missing(err) {
		err = folderMissing(c.files.uri(""), fault.From(err).Evidence)
	}
	return o.Note(driver.Check{Name: "folder", Required: true, Duration: time.Since(begin), Evidence: []string{c.files.uri("")}}, err)
}

func folderMissing(folder string, words []string) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "FolderMissing", What: "the workspace has no place for files", Why: "there is no volume for " + folder, Evidence: words,
		Fix: "make the volume, or detach and attach with another --folder; run: zaffre compute detach NAME",
	}
}

// checkCluster looks at the cluster for runs that name none. One that is off is switched on by a run.
func (c *conn) checkCluster(ctx context.Context, o *driver.Observation) error {
	begin := time.Now()
	var cluster struct {
		Name    string `json:"cluster_name"`
		State   string `json:"state"`
		Message string `json:"state_message"`
		Version string `json:"spark_version"`
	}
	err := c.get(ctx, clusterGet, url.Values{"cluster_id": {c.cluster}}, &cluster)
	switch {
	case missing(err):
		err = clusterUnknown(fault.From(err).Evidence)
	case err == nil && (cluster.State == "ERROR" || cluster.State == "UNKNOWN"):
		err = &fault.Error{
			Code: fault.Precondition, Reason: "ClusterUnusable", What: "the cluster cannot be used", Why: "it is in the state " + cluster.State + ": " + cluster.Message,
			Fix: "see its page in the workspace, or choose another; run: zaffre compute update NAME --cluster ID",
		}
	}
	check := driver.Check{Name: "cluster", Required: true, Duration: time.Since(begin)}
	if err == nil {
		check.Evidence = []string{cluster.Name, cluster.State, cluster.Version}
		o.Facts["cluster"], o.Facts["cluster.runtime"] = cluster.Name, cluster.Version
	}
	return o.Note(check, err)
}
