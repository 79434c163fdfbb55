package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Paths of a run's options.
const (
	jobImage       = "image"
	jobPull        = "imagePullPolicy"
	jobSecrets     = "imagePullSecrets"
	jobInstance    = "instanceType"
	jobCPU         = "cpus"
	jobMemory      = "memory"
	jobGPUs        = "gpus"
	jobGPUResource = "gpuResource"
	jobSelector    = "nodeSelector"
	jobTolerations = "tolerations"
	jobPriority    = "priorityClass"
)

func jobOptions() []driver.Option {
	return append([]driver.Option{
		{Path: jobImage, Type: driver.String, Help: "image; by default that of the environment, or of the target"},
		{Path: jobPull, Type: driver.String, Help: "when the node asks the registry: Always, IfNotPresent or Never"},
		{Path: jobSecrets, Type: driver.String, Many: true, Help: "name of a secret of the namespace that registries are entered by"},
		{Path: jobInstance, Type: driver.String, Help: "instance type, one of the target's; what stands here besides goes before"},
		{Path: jobCPU, Type: driver.String, Help: "CPU that the pod has: 2, 500m"},
		{Path: jobMemory, Type: driver.String, Help: "memory that the pod has: 4Gi; --memory of run submit, which counts for the run alone, is another way to say it"},
		{Path: jobGPUs, Type: driver.Int, Default: int64(0), Help: "how many GPUs"},
		{Path: jobGPUResource, Type: driver.String, Default: "nvidia.com/gpu", Help: "what the cluster calls a GPU"},
		{Path: jobSelector, Type: driver.Object, Help: `labels that the node has: {"gpu":"a100"}`},
		{Path: jobTolerations, Type: driver.Object, Many: true, Help: `taint that it tolerates, as a pod has it: {"key":"gpu","operator":"Exists"}`},
		{Path: jobPriority, Type: driver.String, Help: "priority class"},
	}, nodeOptions()...)
}

// instance is what a pod has, and where it may go: as AzureML's instance types have it.
type instance struct {
	NodeSelector map[string]string `json:"nodeSelector"`
	Resources    struct {
		Requests map[string]any `json:"requests"`
		Limits   map[string]any `json:"limits"`
	} `json:"resources"`
	Tolerations []map[string]any `json:"tolerations"`
}

// instances are the target's instance types.
type instances struct {
	types map[string]instance
	usual string
}

// instancesOf reads the target's options.
func instancesOf(options map[string]any) (instances, error) {
	in := instances{usual: driver.Text(options[optDefault])}
	b, err := json.Marshal(options[optInstances])
	if err == nil {
		err = json.Unmarshal(b, &in.types)
	}
	if err != nil {
		return in, optionFault(optInstances, err.Error(), `give for example {"small":{"resources":{"requests":{"cpu":"1"}}}}`)
	}
	for name, i := range in.types {
		for _, m := range []map[string]any{i.Resources.Requests, i.Resources.Limits} {
			if err := checkQuantities(m); err != nil {
				return in, optionFault(optInstances, fmt.Sprintf("the type %q: %v", name, err), "give amounts as Kubernetes writes them: 500m, 4Gi")
			}
		}
	}
	if _, known := in.types[in.usual]; in.usual != "" && !known {
		return in, optionFault(optDefault, fmt.Sprintf("there is no instance type %q", in.usual), "name one of "+optInstances+", or leave it out")
	}
	return in, nil
}

// quantity is an amount as the API has it.
var quantity = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`)

func checkQuantities(m map[string]any) error {
	for name, v := range m {
		if !quantity.MatchString(fmt.Sprint(v)) {
			return fmt.Errorf("%q is no amount of %s", fmt.Sprint(v), name)
		}
	}
	return nil
}

// wants is what a pod is asked for.
type wants struct {
	agent                 map[string]any // the volume in which the agent comes; nil: it is sent
	image, pull, priority string
	secrets               []string
	requests, limits      map[string]any
	selector              map[string]string
	tolerations           []map[string]any
	span                  span
}

// wantsOf reads a run's options, and what its instance type says where it is silent.
func (c *conn) wantsOf(given map[string]any, memory int64) (wants, error) {
	name := driver.Text(given[jobInstance])
	if name == "" {
		name = c.types.usual
	}
	i, known := c.types.types[name]
	if name != "" && !known {
		return wants{}, optionFault(jobInstance, fmt.Sprintf("the target has no instance type %q", name), c.types.hint())
	}
	w := wants{
		image: driver.Text(given[jobImage]), pull: driver.Text(given[jobPull]), priority: driver.Text(given[jobPriority]), secrets: driver.Texts(given[jobSecrets]),
		requests: cloned(i.Resources.Requests), limits: cloned(i.Resources.Limits), selector: i.NodeSelector, tolerations: i.Tolerations,
	}
	if pull := []string{"", "Always", "IfNotPresent", "Never"}; !slices.Contains(pull, w.pull) {
		return w, optionFault(jobPull, fmt.Sprintf("%q is no policy", w.pull), "give Always, IfNotPresent or Never")
	}
	var err error
	if w.span, err = spanOf(given); err != nil {
		return w, err
	}
	if err := w.place(given); err != nil {
		return w, err
	}
	return w, w.amounts(given, memory)
}

// hint names the instance types.
func (in instances) hint() string {
	if len(in.types) == 0 {
		return "leave it out; or run: zaffre compute update NAME --instance-types JSON"
	}
	return "name one of: " + strings.Join(sortedKeys(in.types), ", ")
}

func cloned(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// place reads where the pod may go.
func (w *wants) place(given map[string]any) error {
	if m, ok := given[jobSelector].(map[string]any); ok && len(m) > 0 {
		w.selector = map[string]string{}
		for k, v := range m {
			w.selector[k] = fmt.Sprint(v)
		}
	}
	list, _ := given[jobTolerations].([]any)
	for _, e := range list {
		t, ok := e.(map[string]any)
		if !ok {
			return optionFault(jobTolerations, "it is no object", `give for example {"key":"gpu","operator":"Exists"}`)
		}
		w.tolerations = append(slices.Clone(w.tolerations), t)
	}
	return nil
}

// spare is what the agent may use of a pod's memory beside the run, in bytes.
const spare = 128 << 20

// amounts reads what the pod has. A run's memory, which the agent watches, is less than the pod's.
func (w *wants) amounts(given map[string]any, memory int64) error {
	for path, name := range map[string]string{jobCPU: "cpu", jobMemory: "memory"} {
		v := driver.Text(given[path])
		if v == "" {
			continue
		}
		if !quantity.MatchString(v) {
			return optionFault(path, fmt.Sprintf("%q is no amount", v), "give it as Kubernetes writes it: 500m, 4Gi")
		}
		w.requests[name] = v
		if path == jobMemory {
			w.limits[name] = v // memory cannot be taken back from a process
		}
	}
	if memory > 0 && driver.Text(given[jobMemory]) == "" {
		n := strconv.FormatInt(memory+spare, 10)
		w.requests["memory"], w.limits["memory"] = n, n
	}
	n, _ := given[jobGPUs].(int64)
	if n < 0 {
		return optionFault(jobGPUs, "it is negative", "give a number, or 0 for none")
	}
	if n > 0 {
		name := driver.Text(given[jobGPUResource])
		delete(w.requests, name)
		w.limits[name] = strconv.FormatInt(n, 10)
	}
	return nil
}

// cacheOf reads where the packages of environments are kept: a volume of the pod.
func cacheOf(text string) (map[string]any, error) {
	claim, isClaim := strings.CutPrefix(text, "pvc:")
	switch {
	case text == "":
		return nil, nil
	case isClaim && claim != "" && !strings.ContainsAny(claim, "/ \n"):
		return map[string]any{"persistentVolumeClaim": map[string]any{"claimName": claim}}, nil
	case strings.HasPrefix(text, "/") && !strings.ContainsAny(text, "\n\x00") && !strings.Contains(text, ".."):
		return map[string]any{"hostPath": map[string]any{"path": text, "type": "DirectoryOrCreate"}}, nil
	}
	return nil, optionFault(optCache, fmt.Sprintf("%q is no volume", text), "give pvc:CLAIM, or a path of the nodes that starts with /")
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
