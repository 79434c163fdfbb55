package synapse

import (
	"slices"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/pysession"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sparksubmit"
)

func options() []driver.Option {
	all := []driver.Option{
		{Path: optLivy, Type: driver.String, Help: "URL of the Livy endpoint; the inventory may say it too"},
		{Path: optConnect, Type: driver.String, Help: "in place of livy: sc://HOST:PORT of a Spark Connect server, as the machine of --host reaches it; without its token"},
		{Path: optUser, Flag: "user", Type: driver.String, Help: "user for basic authentication"},
		{Path: optPassword, Flag: "password", Type: driver.String, Secret: true, Group: "login", Help: "password of that user"},
		{Path: optToken, Flag: "bearer-token", Type: driver.String, Secret: true, Group: "login", Help: "token for bearer authentication, and of a Spark Connect server"},
		{Path: optFolder, Flag: "folder", Type: driver.String, Immutable: true, Help: "folder for code, logs and outputs that the pool behind Livy sees too, on the machine of --host or else on the server's; the inventory may say it too, as store"},
		{Path: optFolderURL, Flag: "folder-url", Type: driver.String, Help: "how the pool sees that folder, where its path is another: file:///data/zaffre; or the http(s) URL where it only reads it"},
		{Path: optHost, Type: driver.TargetRef, Help: "compute target on whose machine the pool runs, and the folder is; with master, the one where spark-submit is; with connect, the one where runs are, by default the server's own"},
		{Path: optWork, Type: driver.String, Immutable: true, Help: "with master or connect: folder on that machine for code, environments and logs; .zaffre in the home folder by default"},
		{Path: optPython, Type: driver.String, Help: "with connect: Python on that machine for sessions, and for runs without an environment; python3 by default"},
		{Path: optResource, Type: driver.String, Help: "ARM ID of the pool, where the inventory knows its endpoint"},
	}
	more := sparksubmit.Options()
	for i, o := range more {
		if more[i].Help = "with master: " + o.Help; o.Path == optMaster {
			more[i].Help = "in place of livy: " + o.Help + ", by spark-submit on the machine of --host"
		}
	}
	return append(all, more...)
}

// jobOptions are Livy's, and what spark-submit has besides.
func jobOptions() []driver.Option {
	out := append([]driver.Option{
		{Path: jobClass, Type: driver.String, Help: "main class: the command is then a JAR, where the pool reads it, and its arguments"},
		{Path: jobConf, Type: driver.Object, Help: "settings of Spark, by name"},
		{Path: jobJars, Type: driver.String, Many: true, Help: "JAR to add, where the pool reads it"},
		{Path: jobPyFiles, Type: driver.String, Many: true, Help: "Python file or zip to add, where the pool reads it"},
		{Path: jobFiles, Type: driver.String, Many: true, Help: "file to add, where the pool reads it"},
		{Path: jobArchives, Type: driver.String, Many: true, Help: "archive to add, where the pool reads it"},
	}, amounts()...)
	for _, o := range submitOnly() {
		if o.Path == pysession.OptIdle {
			o.Help += ", behind Livy as the endpoint has it"
		} else {
			o.Help = "with master: " + o.Help
		}
		out = append(out, o)
	}
	return out
}

// submitOnly are the options that spark-submit has, and Livy has not.
func submitOnly() []driver.Option {
	livy := []string{jobConf, jobJars, jobPyFiles, jobFiles, jobArchives, sparksubmit.OptClass}
	for _, o := range amounts() {
		livy = append(livy, o.Path)
	}
	var out []driver.Option
	for _, o := range sparksubmit.JobOptions() {
		if !slices.Contains(livy, o.Path) {
			o.Default = nil // else each run would seem to say it
			out = append(out, o)
		}
	}
	return out
}

// amounts are options that go to Livy as they are.
func amounts() []driver.Option {
	return []driver.Option{
		{Path: "driverMemory", Type: driver.String, Help: "memory of the driver: 2g"},
		{Path: "driverCores", Type: driver.Int, Help: "cores of the driver"},
		{Path: "executorMemory", Type: driver.String, Help: "memory of each executor: 2g"},
		{Path: "executorCores", Type: driver.Int, Help: "cores of each executor"},
		{Path: "numExecutors", Type: driver.Int, Help: "how many executors"},
		{Path: "queue", Type: driver.String, Help: "queue of YARN"},
		{Path: "proxyUser", Type: driver.String, Help: "user to run as, where the endpoint allows that"},
	}
}

// refuse fails where a run gives one of the options.
func refuse(given map[string]any, options []driver.Option, why string) error {
	for _, o := range options {
		switch v := given[o.Path].(type) {
		case nil:
		case string:
			if v != "" {
				return cannot("the option "+o.Path+" "+why, "leave out --option "+o.Path, "options."+o.Path)
			}
		default:
			return cannot("the option "+o.Path+" "+why, "leave out --option "+o.Path, "options."+o.Path)
		}
	}
	return nil
}
