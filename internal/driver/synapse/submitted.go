package synapse

import (
	"context"
	"maps"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sparksubmit"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

const name = "synapse"

// submitted is a pool that is reached by spark-submit on the machine of another target.
type submitted struct{ *sparksubmit.Conn }

var _ interface {
	sparksubmit.Machine
	driver.Sessions
} = (*submitted)(nil)

func connectMaster(t driver.Target) (driver.Conn, error) {
	if err := livyOnly(t, optUser, optFolder, optFolderURL, optToken, optPassword); err != nil {
		return nil, err
	}
	if len(t.On[optHost]) != 1 {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "HostMissing", What: "the pool cannot be reached", Why: "nothing says on which machine spark-submit is", Field: "options." + optHost,
			Fix: "name the compute target that is that machine; run: zaffre compute update NAME --host TARGET; or say that it is the server's own: --host server",
		}
	}
	m, err := on(t, t.On[optHost][0])
	if err != nil {
		return nil, err
	}
	c, err := sparksubmit.New(t, m, m.Place)
	if err != nil {
		return nil, err
	}
	c.Kind, c.Cluster = name, poolOf(t)
	return &submitted{c}, nil
}

// on returns the machine of another target.
func on(t driver.Target, below driver.Conn) (*hostagent.Machine, error) {
	host, err := driver.As[driver.Host](below)
	if err != nil {
		return nil, err
	}
	return hostagent.On(host, t, driver.Text(t.Options[optWork])), nil
}

// livyOnly refuses options that say something of a Livy endpoint alone.
func livyOnly(t driver.Target, paths ...string) error {
	for _, path := range paths {
		if driver.Text(t.Options[path]) != "" || t.Secrets[path] != "" {
			return optionFault(path, "it is for a Livy endpoint, and there is none", "leave it out")
		}
	}
	return nil
}

// Start implements driver.Runner.
func (c *submitted) Start(ctx context.Context, job driver.Job) (driver.Handle, error) {
	job.Options = submitNames(job.Options)
	return c.Conn.Start(ctx, job)
}

// StartSession implements driver.Sessions.
func (c *submitted) StartSession(ctx context.Context, s driver.Session) (driver.SessionStatus, error) {
	s.Options = submitNames(s.Options)
	return c.Conn.StartSession(ctx, s)
}

// submitNames gives an option that Livy calls by another name the one of spark-submit.
func submitNames(given map[string]any) map[string]any {
	out := maps.Clone(given)
	if class, is := out[jobClass]; is {
		delete(out, jobClass)
		out[sparksubmit.OptClass] = class
	}
	return out
}

// poolOf returns the name of a pool, as far as its resource ID tells it.
func poolOf(t driver.Target) string {
	r, err := id.ParseResource(driver.Text(t.Options[optResource]))
	if err != nil {
		return ""
	}
	return r.Names[len(r.Names)-1]
}

func imageFault() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ImagesUnsupported", What: "the environment cannot be used on a Spark pool",
		Why: "it names an image or a Dockerfile, and runs there are processes", Fix: "give the packages by conda or pip, without an image",
	}
}
