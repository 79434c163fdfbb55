package sparksubmit

import (
	_ "embed"
	"maps"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

//go:embed pack.sh
var packScript string

// On YARN the executors, and a driver in cluster mode, run in folders of their own, into which Spark unpacks archives.
// Source: Spark's "Python Package Management".
const (
	optArchives = "archives"
	unpacked    = "environment"
	shipped     = "./" + unpacked + "/bin/python"
)

// ships reports whether the workers get the environment of a run: where they have a Python of their own, that is theirs.
func (c *Conn) ships(job driver.Job) bool {
	return modeOf(c.master) == onYARN && job.Runtime.Prefix != "" && c.python == "" && submits(job.Command) && job.Command[0] == "python"
}

// packed returns a command that packs an environment first. It does so within the run, since large ones take minutes:
// it can be seen and cancelled there.
func packed(prefix string, command []string) []string {
	return append([]string{"sh", "-c", packScript, "sh", prefix}, command...)
}

// withArchive returns the options of a run with its environment among the archives.
func withArchive(given map[string]any, prefix string) (map[string]any, error) {
	list := words(given[optArchives])
	for _, name := range list {
		if strings.HasSuffix(name, "#"+unpacked) {
			return nil, optionFault(optArchives, "the name "+unpacked+" is that of the run's own environment", "give another one after #")
		}
	}
	out := maps.Clone(given)
	if out == nil {
		out = map[string]any{}
	}
	out[optArchives] = append(slices.Clone(list), prefix+"/environment.tar.gz#"+unpacked)
	return out, nil
}

// workerPython returns the Python of executors.
func (c *Conn) workerPython(job driver.Job) string {
	if c.ships(job) {
		return shipped
	}
	return first(c.python, pythonOf(job.Runtime))
}

// yarnPython tells a driver that runs on another machine its Python. Spark hands on what the submitting machine has in
// its variables, which is of no use there.
func (c *Conn) yarnPython(job driver.Job, mode string) []string {
	python := first(job.Env["PYSPARK_PYTHON"], c.workerPython(job))
	if mode != "cluster" || python == "" {
		return nil
	}
	var out []string
	for _, name := range []string{"appMasterEnv.PYSPARK_PYTHON", "appMasterEnv.PYSPARK_DRIVER_PYTHON"} {
		out = append(out, "--conf", "spark.yarn."+name+"="+python)
	}
	return append(out, "--conf", "spark.executorEnv.PYSPARK_PYTHON="+python)
}
