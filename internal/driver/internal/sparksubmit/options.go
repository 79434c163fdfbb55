package sparksubmit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/pysession"
)

// Names of options that kinds give others.
const (
	OptClass = "class"
	optMode  = "deployMode"
	optConf  = "conf"
)

// flag is a job option that spark-submit has a flag for.
type flag struct {
	path, name string
	typ        driver.OptionType
	many       bool
	help       string
}

// flags are those of spark-submit that a run may give. Source: spark-submit --help of Spark 3.5.
func flags() []flag {
	return []flag{
		{OptClass, "class", driver.String, false, "main class, where the command begins with a JAR file"},
		{"pyFiles", "py-files", driver.String, true, "Python files, ZIP files and eggs for the executors' path"},
		{"jars", "jars", driver.String, true, "JAR files for the driver and the executors"},
		{"files", "files", driver.String, true, "files that are put into each executor's folder"},
		{"archives", "archives", driver.String, true, "archives that are unpacked there"},
		{"packages", "packages", driver.String, true, "Maven coordinates of packages"},
		{"repositories", "repositories", driver.String, true, "more Maven repositories for them"},
		{"driverMemory", "driver-memory", driver.String, false, "memory of the driver: 2g"},
		{"driverCores", "driver-cores", driver.Int, false, "cores of the driver, in cluster mode"},
		{"executorMemory", "executor-memory", driver.String, false, "memory of each executor: 4g"},
		{"executorCores", "executor-cores", driver.Int, false, "cores of each executor"},
		{"numExecutors", "num-executors", driver.Int, false, "how many executors"},
		{"proxyUser", "proxy-user", driver.String, false, "user of Hadoop to run as, where the login may"},
		{"totalExecutorCores", "total-executor-cores", driver.Int, false, "cores of all executors, on a standalone master"},
	}
}

// JobOptions are what a run may say to spark-submit, and a session to its own.
func JobOptions() []driver.Option {
	out := []driver.Option{
		{Path: optMode, Type: driver.String, Default: "client", Help: "client: the driver runs on the machine where spark-submit is, and its log is the run's; cluster: on a node of YARN's choice, where its log stays"},
		{Path: optQueue, Type: driver.String, Help: "queue of YARN"},
		{Path: optConf, Type: driver.Object, Help: `Spark's configuration: {"spark.executor.memory": "4g"}`},
		pysession.Option(),
	}
	for _, f := range flags() {
		o := driver.Option{Path: f.path, Type: f.typ, Many: f.many, Help: f.help}
		if f.typ == driver.Int {
			o.Default = int64(0)
		}
		out = append(out, o)
	}
	return out
}

// arguments returns what a run's options are for spark-submit.
func arguments(given map[string]any) (args []string, err error) {
	for _, f := range flags() {
		value := strings.Join(words(given[f.path]), ",")
		if n, is := given[f.path].(int64); is && n != 0 {
			value = strconv.FormatInt(n, 10)
		}
		if value == "" {
			continue
		}
		if strings.HasPrefix(value, "-") || strings.ContainsAny(value, "\r\n\x00") {
			return nil, optionFault(f.path, fmt.Sprintf("%q is no value for it", value), "correct it, and submit the run again")
		}
		args = append(args, "--"+f.name, value)
	}
	conf, _ := given[optConf].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(conf)) {
		value, ok := scalar(conf[name])
		switch {
		case !strings.HasPrefix(name, "spark.") || strings.ContainsAny(name, "= \t\r\n"):
			return nil, optionFault(optConf, fmt.Sprintf("%q is no name of Spark's configuration", name), "give names that begin with spark.")
		case !ok:
			return nil, optionFault(optConf, name+" is neither text nor a number", "give one value for each name")
		case slices.Contains(ours(), name):
			return nil, optionFault(optConf, name+" is set by zaffre", "leave it out; see the options of the run: zaffre compute kinds")
		}
		args = append(args, "--conf", name+"="+value)
	}
	return args, nil
}

// ours is the configuration by which a run is found and ended.
func ours() []string { return []string{"spark.master", "spark.submit.deployMode", "spark.yarn.tags"} }

// words reads an option that is a text, or a list of them.
func words(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []string:
		return v
	case []any:
		for _, e := range v {
			out = append(out, driver.Text(e))
		}
	}
	return out
}

// scalar writes a value of JSON as Spark reads it.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case fmt.Stringer: // a number that was kept as it was written
		return v.String(), true
	}
	return "", false
}
