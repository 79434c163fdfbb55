package sparksubmit

import (
	"context"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Observe implements driver.Conn. The checks are those of a machine, and then spark-submit, java, configuration, version,
// of a standalone one master, and of YARN queue.
func (c *Conn) Observe(ctx context.Context) (driver.Observation, error) {
	o, err := c.Machine.Observe(ctx)
	if err != nil {
		return o, err
	}
	a, err := c.place.Ask(ctx, findScript, c.find.home, c.find.hadoop, "look", c.master, c.find.java)
	l := &hostagent.Look{Checks: o.Checks}
	if err != nil {
		_ = l.Step(driver.Check{Name: "spark-submit", Required: true}, err)
		return seen(o, l), err
	}
	for _, s := range c.steps(a.Facts) {
		if err := l.Step(driver.Check{Name: s.name, Required: true, Duration: a.Took(s.name), Evidence: s.evidence}, s.err); err != nil {
			o.Exists, o.Ready = false, false
			return seen(o, l), err
		}
	}
	if modeOf(c.master) == onYARN {
		if err := c.checkQueue(ctx, l); err != nil {
			o.Exists, o.Ready = false, false
			return seen(o, l), err
		}
	}
	o.Facts["spark.home"], o.Facts["spark.version"], o.Facts["spark.master"] = a.One["home"], a.One["version"], c.master
	o.Facts["java.home"] = a.One["java"]
	if c.Cluster != "" {
		o.Facts["cluster"] = c.Cluster
	}
	if c.Kind != "" {
		o.Identity = c.Kind + "/" + o.Identity + "/" + c.master
	}
	return seen(o, l), nil
}

func seen(o driver.Observation, l *hostagent.Look) driver.Observation {
	o.Checks = l.Checks
	return o
}

// step is a check of Spark.
type step struct {
	name     string
	evidence []string
	err      error
}

func (c *Conn) steps(f hostagent.Facts) []step {
	list := []step{
		{"spark-submit", hostagent.Say(f.One["home"]), checkSubmit(f)},
		{"java", hostagent.Say(f.One["java"]), checkJava(f)},
		{"configuration", hostagent.Say(first(f.One["env.HADOOP_CONF_DIR"], f.One["env.YARN_CONF_DIR"])), c.checkConfiguration(f)},
		{"version", hostagent.Say(f.One["version"]), checkVersion(f)},
	}
	if modeOf(c.master) == "standalone" {
		list = append(list, step{"master", []string{c.master}, c.checkMaster(f)})
	}
	return list
}

func checkSubmit(f hostagent.Facts) error {
	if f.Has("home") {
		return nil
	}
	why := "there is no spark-submit on the PATH, in SPARK_HOME or below /usr/hdp/current"
	if f.Has("wanted") {
		why = "there is no bin/spark-submit in " + f.One["wanted"]
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "SparkMissing", What: "the target cannot be used", Why: why,
		Fix: "name Spark's folder on the machine; run: zaffre compute update NAME --spark-home FOLDER",
	}
}

func checkJava(f hostagent.Facts) error {
	if f.Has("java") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "JavaMissing", What: "the target cannot be used", Why: "there is no Java on the machine",
		Fix: "install it there: sudo apt-get install openjdk-17-jre-headless; or name its folder; run: zaffre compute update NAME --java-home FOLDER",
	}
}

// checkConfiguration: without its configuration YARN is looked for on the machine itself, for minutes.
func (c *Conn) checkConfiguration(f hostagent.Facts) error {
	if modeOf(c.master) != onYARN || f.Has("env.HADOOP_CONF_DIR") || f.Has("env.YARN_CONF_DIR") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "YARNUnconfigured", What: "the target cannot be used", Why: "there is no yarn-site.xml in HADOOP_CONF_DIR, YARN_CONF_DIR or /etc/hadoop/conf",
		Fix: "name its folder; run: zaffre compute update NAME --hadoop-conf FOLDER; or say that Spark is without YARN: --master 'local[*]'",
	}
}

func checkVersion(f hostagent.Facts) error {
	if f.Has("version") {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "SparkUnusable", What: "the target cannot be used", Why: "spark-submit does not run on the machine",
		Fix: "see what it says there: spark-submit --version", Evidence: hostagent.Say(strings.TrimSpace(f.One["version.error"])),
	}
}

func (c *Conn) checkMaster(f hostagent.Facts) error {
	if !f.Has("master.error") {
		return nil
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "MasterAway", What: "the target cannot be used now", Why: "nobody answers at " + c.master + " from the machine",
		Fix: "start Spark's master there, or name another one; run: zaffre compute update NAME --master spark://HOST:PORT", Evidence: hostagent.Say(strings.TrimSpace(f.One["master.error"])),
	}
}
