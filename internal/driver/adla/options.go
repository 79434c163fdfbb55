package adla

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Paths of a run's options. Source: the parameters of AdlaStep in azureml-pipeline-steps 1.61.
const (
	jobParameters  = "parameters"
	jobParallelism = "degreeOfParallelism"
	jobPriority    = "priority"
	jobRuntime     = "runtimeVersion"
)

func jobOptions() []driver.Option {
	return []driver.Option{
		{Path: jobParameters, Type: driver.Object, Help: `values for DECLARE EXTERNAL, by name: {"@day": "2026-01-31"}`},
		{Path: jobParallelism, Type: driver.Int, Default: int64(0), Help: "how many processors the script uses; 0: all that the machine has"},
		{Path: jobPriority, Type: driver.Int, Help: "noted in the log: runs wait by the priority of zaffre run submit"},
		{Path: jobRuntime, Type: driver.String, Help: "noted in the log: there is one runtime"},
	}
}

// wishes are what a run says.
type wishes struct {
	parameters map[string]string
	threads    int
	notes      []string
}

func wishesOf(options map[string]any) (w wishes, err error) {
	n, _ := options[jobParallelism].(int64)
	if n < 0 || n > 1024 {
		return w, optionFault(jobParallelism, "it is not from 0 to 1024", "give a number of processors, or 0 for all")
	}
	w.threads = int(n)
	if p, said := options[jobPriority].(int64); said {
		w.notes = append(w.notes, fmt.Sprintf("the option %s (%d) changes nothing here: runs wait by the priority of zaffre run submit", jobPriority, p))
	}
	if v := driver.Text(options[jobRuntime]); v != "" {
		w.notes = append(w.notes, fmt.Sprintf("the option %s (%s) changes nothing here: there is one runtime", jobRuntime, v))
	}
	given, _ := options[jobParameters].(map[string]any)
	w.parameters, err = parametersOf(given)
	return w, err
}

// parametersOf returns parameters by their names without @, as the compiler has them.
func parametersOf(given map[string]any) (map[string]string, error) {
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		text, ok := scalar(given[key])
		name := strings.TrimPrefix(key, "@")
		if _, twice := out[name]; twice || name == "" {
			return nil, optionFault(jobParameters, fmt.Sprintf("%q is no name, or stands there twice", key), `give each parameter once: {"@day": "2026-01-31"}`)
		}
		if !ok {
			return nil, optionFault(jobParameters, key+" is neither text, number nor true or false", "give one value for each name")
		}
		out[name] = text
	}
	return out, nil
}

// scalar writes a value of JSON as a script's types read it.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case fmt.Stringer: // a number that was kept as it was written
		return v.String(), true
	}
	return "", false
}
