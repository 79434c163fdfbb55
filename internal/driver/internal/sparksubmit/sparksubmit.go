// Package sparksubmit runs jobs by spark-submit on a machine that has an agent, and holds sessions there: what the kinds
// have in common that reach Spark by a machine on which it is.
package sparksubmit

import (
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/pysession"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// OptMaster is the path of the option that says what Spark runs on.
const OptMaster = "master"

// Other option paths.
const (
	optSparkHome = "sparkHome"
	optHadoop    = "hadoopConf"
	optJava      = "javaHome"
	optQueue     = "queue"
	optWorker    = "workerPython"
)

// Options are those of every such kind, beside those of its machine.
func Options() []driver.Option {
	return []driver.Option{
		{Path: OptMaster, Type: driver.String, Help: "what Spark runs on: yarn, spark://HOST:PORT, local[*]"},
		{Path: optSparkHome, Type: driver.String, Help: "Spark's folder on the machine, where it is neither on the PATH nor in SPARK_HOME"},
		{Path: optHadoop, Type: driver.String, Help: "folder of yarn-site.xml on the machine, where neither HADOOP_CONF_DIR nor /etc/hadoop/conf has it"},
		{Path: optJava, Type: driver.String, Help: "Java's folder on the machine, where neither JAVA_HOME nor the PATH leads to one that Spark takes"},
		{Path: optQueue, Type: driver.String, Help: "queue of YARN for runs that name none"},
		{Path: optWorker, Type: driver.String, Help: "Python of the executors: its path on the workers. Without it they have the run's own, which is sent to those of YARN and must be seen by others"},
	}
}

// Machine is where spark-submit is, with an agent.
type Machine interface {
	driver.Host
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
}

// sessions has a name of its own here, so that Conn's Clean is not hidden by it.
type sessions = pysession.Sessions

// Conn runs jobs by way of spark-submit.
type Conn struct {
	Cluster string // its name, as far as that is known
	// Kind begins the identity of a target that stands on another one, whose machine it is; "": the machine is its own.
	Kind string

	Machine
	*sessions
	place                 hostagent.Place
	master, queue, python string
	find                  *finder
}

var _ interface {
	Machine
	driver.Sessions
} = (*Conn)(nil)

// New checks the options. Spark is looked for by the first call.
func New(t driver.Target, m Machine, p hostagent.Place) (*Conn, error) {
	c := &Conn{Machine: m, place: p, queue: driver.Text(t.Options[optQueue]), python: driver.Text(t.Options[optWorker])}
	if c.master = driver.Text(t.Options[OptMaster]); c.master == "" {
		c.master = onYARN
	}
	if modeOf(c.master) == "" {
		return nil, optionFault(OptMaster, "it is none that is known: "+c.master, "give yarn, spark://HOST:PORT or local[*]")
	}
	for path, v := range map[string]string{OptMaster: c.master, optQueue: c.queue, optWorker: c.python} {
		if strings.HasPrefix(v, "-") || strings.ContainsAny(v, " \t\r\n\x00") {
			return nil, optionFault(path, "it is no single word", "correct it")
		}
	}
	c.find = newFinder(p, driver.Text(t.Options[optSparkHome]), driver.Text(t.Options[optHadoop]), driver.Text(t.Options[optJava]))
	c.sessions = &pysession.Sessions{Place: p, Jobs: m, Prepare: c.session}
	return c, nil
}

const onYARN = "yarn"

// modeOf returns what a master is: yarn, standalone, local; "": nothing that is known.
func modeOf(master string) string {
	switch {
	case master == onYARN:
		return onYARN
	case strings.HasPrefix(master, "spark://") && len(master) > len("spark://"):
		return "standalone"
	case master == "local", strings.HasPrefix(master, "local[") && strings.HasSuffix(master, "]"):
		return "local"
	}
	return ""
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: "the option " + path + " cannot be used", Why: why, Fix: fix, Field: "options." + path,
	}
}
