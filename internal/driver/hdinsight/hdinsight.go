// Package hdinsight is the kind of compute target that is an HDInsight cluster, or any other Spark, by its head node:
// a machine reached by SSH on which spark-submit is.
package hdinsight

import (
	"context"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshhost"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Option paths, beside those of a machine.
const (
	optMaster    = "master"
	optSparkHome = "sparkHome"
	optHadoop    = "hadoopConf"
	optQueue     = "queue"
	optPython    = "workerPython"
)

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "hdinsight", Summary: "An HDInsight cluster, or another Spark, by its head node.",
		ComputeTypes: []string{"HDInsight"}, Attached: true, Relays: true, ResourceTypes: []string{"Microsoft.HDInsight/clusters"},
		Example: "--address NAME-ssh.azurehdinsight.net --user sshuser --key-file ~/.ssh/id_ed25519",
		Options: append(
			sshhost.Options(),
			driver.Option{Path: optMaster, Type: driver.String, Default: "yarn", Help: "what Spark runs on: yarn, spark://HOST:PORT, local[*]"},
			driver.Option{Path: optSparkHome, Type: driver.String, Help: "Spark's folder on the head node, where it is neither on the PATH nor in SPARK_HOME"},
			driver.Option{Path: optHadoop, Type: driver.String, Help: "folder of yarn-site.xml on the head node, where neither HADOOP_CONF_DIR nor /etc/hadoop/conf has it"},
			driver.Option{Path: optQueue, Type: driver.String, Help: "queue of YARN for runs that name none"},
			driver.Option{Path: optPython, Type: driver.String, Help: "Python of the executors, where they do not see the head node's work directory: its path on the workers"},
		),
		JobOptions: jobOptions(),
		Document:   sshhost.Document,
		Prototype:  (*conn)(nil),
		Connect:    connect,
	}
}

// machine has a name of its own here, so that conn's methods are not taken for its.
type machine = sshhost.Conn

// conn reaches the head node over SSH. Runs are started by the agent there, by way of spark-submit.
type conn struct {
	*machine
	cluster               string // its name, as far as the options tell it
	master, queue, python string
	find                  *finder
}

var _ interface {
	driver.Host
	driver.Shell
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
	driver.Identifier
} = (*conn)(nil)

// connect checks the options. Spark is looked for by the first call.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	c := &conn{master: driver.Text(t.Options[optMaster]), queue: driver.Text(t.Options[optQueue]), python: driver.Text(t.Options[optPython])}
	if c.master == "" {
		c.master = onYARN
	}
	if modeOf(c.master) == "" {
		return nil, optionFault(optMaster, "it is none that is known: "+c.master, "give yarn, spark://HOST:PORT or local[*]")
	}
	for path, v := range map[string]string{optMaster: c.master, optQueue: c.queue, optPython: c.python} {
		if strings.HasPrefix(v, "-") || strings.ContainsAny(v, " \t\r\n\x00") {
			return nil, optionFault(path, "it is no single word", "correct it")
		}
	}
	var err error
	if c.machine, err = sshhost.Connect(t); err != nil {
		return nil, err
	}
	c.cluster = clusterOf(driver.Text(t.Options["resourceId"]), driver.Text(t.Options["address"]))
	c.find = &finder{place: c.Place, home: driver.Text(t.Options[optSparkHome]), hadoop: driver.Text(t.Options[optHadoop]), gate: make(chan struct{}, 1), applications: map[string]application{}}
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

// clusterOf returns a cluster's name: that of its resource ID, or of its head nodes' address in Azure.
func clusterOf(resource, address string) string {
	if r, err := id.ParseResource(resource); err == nil && r.IsType("Microsoft.HDInsight/clusters") {
		return r.Names[len(r.Names)-1]
	}
	first, _, _ := strings.Cut(address, ".")
	name, is := strings.CutSuffix(first, "-ssh")
	if !is {
		return ""
	}
	return name
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: "the option " + path + " cannot be used", Why: why, Fix: fix, Field: "options." + path,
	}
}
