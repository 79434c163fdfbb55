package sparksubmit

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

//go:embed queue.sh
var queueScript string

const (
	queueUnknown = "QueueUnknown"
	// listQueues is the command that every Hadoop has for it.
	listQueues = "mapred queue -list"
	// usualQueue is the one that Spark asks for where nobody names one. Source: spark.yarn.queue.
	usualQueue = "default"
)

// checkQueue asks YARN for the queue of runs that name none. A target that names one cannot be used without it; the
// usual one may be missing where every run names its own. YARN that does not answer says nothing about its queues.
func (c *Conn) checkQueue(ctx context.Context, l *hostagent.Look) error {
	name := first(c.queue, usualQueue)
	a, err := c.find.queue(ctx, name)
	if err != nil {
		return l.Step(driver.Check{Name: "queue", Required: true}, err)
	}
	check := driver.Check{Name: "queue", Required: c.queue != "", Duration: a.Took("queue"), Evidence: queueText(name, a.Facts)}
	if err := l.Step(check, queueFault(name, a.Facts)); check.Required {
		return err
	}
	return nil
}

func queueText(name string, f hostagent.Facts) []string {
	if f.Has("queue.error") {
		return []string{"YARN could not be asked for the queue " + name, strings.TrimSpace(f.One["queue.error"])}
	}
	return hostagent.Say(name, f.One["queue.state"])
}

func queueFault(name string, f hostagent.Facts) error {
	if !f.Has("queue.unknown") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: queueUnknown, What: "runs that name no queue cannot be taken", Why: fmt.Sprintf("YARN has no queue %q", name),
		Fix: "list its queues on the machine: " + listQueues + "; then run: zaffre compute update NAME --queue QUEUE", Evidence: hostagent.Say(f.One["queue.unknown"]),
	}
}

// queue returns what YARN says of a queue. That takes a JVM, so that one which is there is believed to stay for a while.
func (f *finder) queue(ctx context.Context, name string) (hostagent.Answer, error) {
	s, err := f.spark(ctx)
	if err != nil {
		return hostagent.Answer{}, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return hostagent.Answer{}, err
	}
	defer unlock()
	if f.seen.Has("queue.state") && time.Since(f.seenAt) < foundFor {
		return f.seen, nil
	}
	a, err := f.place.Ask(ctx, queueScript, name, s.home, s.java, s.env["HADOOP_CONF_DIR"], s.env["YARN_CONF_DIR"])
	if err == nil {
		f.seen, f.seenAt = a, time.Now()
	}
	return a, err
}

// explained adds to how a job stands what its log says of its application: its ID, or the queue for which YARN refused it.
func explained(st driver.JobStatus, a application) driver.JobStatus {
	if a.refused != "" && st.Reason == "ExitCode" {
		st.Reason = queueUnknown
		st.Message = fmt.Sprintf("YARN has no queue %q that takes applications; list its queues on the machine: %s; and give one to the run: --option queue=QUEUE", a.refused, listQueues)
	}
	if a.id == "" {
		return st
	}
	if st.Message != "" {
		st.Message += "; "
	}
	st.Message += "application of Spark: " + a.id
	return st
}
