package azbatch

import (
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	jobLimit     = "timeLimit"
	jobPriority  = "priority"
	jobRetention = "retention"
)

// JobOptions are those of a run, beside those that every engine has.
func JobOptions() []driver.Option {
	return []driver.Option{
		{Path: optPool, Type: driver.String, Help: "Azure Batch: pool that runs it"},
		{Path: jobPriority, Type: driver.Int, Help: "Azure Batch: from -1000 to 1000; what has a higher one begins first"},
		{Path: jobRetention, Type: driver.Duration, Help: "Azure Batch: how long the node keeps the task's own folder after its end; by default 7 days"},
	}
}

// options are what a run says to Batch.
type options struct {
	pool             string
	priority         int64
	limit, retention time.Duration
}

// plan reads what a run asks for, or says why it cannot be had.
func (c *Conn) plan(job driver.Job) (options, error) {
	o := options{pool: driver.Text(job.Options[optPool])}
	if o.pool == "" {
		o.pool = c.pool
	}
	o.priority, _ = job.Options[jobPriority].(int64)
	o.limit, _ = job.Options[jobLimit].(time.Duration)
	o.retention, _ = job.Options[jobRetention].(time.Duration)
	switch {
	case c.ours == nil:
		return o, containerNone()
	case o.pool == "":
		return o, poolMissing()
	case !isName(o.pool):
		return o, optionFault(optPool, fmt.Sprintf("%q is no ID of a pool", o.pool), "give it as the account shows it; run: az batch pool list")
	case o.priority < -1000 || o.priority > 1000:
		return o, optionFault(jobPriority, "it is not between -1000 and 1000", "give for example 100")
	case o.limit < 0 || o.retention < 0:
		return o, optionFault(jobLimit, "a time is negative", "give for example 2h")
	case job.Memory > 0:
		return o, cannot("a limit of memory cannot be set on a node", "leave out --memory, and choose a pool whose nodes have enough", "memory")
	case job.Runtime.Image != "":
		return o, cannot("runs are processes, not containers", "leave the image out", "environment")
	}
	return o, launchx.CheckVariables(job.Env)
}

// isName reports whether Batch takes a text as an ID: 1 to 64 letters, digits, hyphens and underscores.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func containerNone() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ContainerNone", What: "the target cannot be used", Why: "it has no container of Azure Storage, by which code, logs and outputs travel",
		Fix: "give the SAS URL of one, with the rights racwdl; run: zaffre compute update NAME --container-file FILE", Field: "options." + optContainer,
	}
}

func poolMissing() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "PoolMissing", What: "the job is not started", Why: "neither the run nor the target says which pool runs it",
		Fix: "give the target one: zaffre compute update NAME --pool POOL; or the run: zaffre run submit --option pool=POOL …", Field: "options." + optPool,
	}
}

// cannot says what a run asks for that Batch does not do.
func cannot(why, fix, field string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "TaskUnsupported", What: "the job is not started", Why: why, Fix: fix, Field: field,
	}
}
