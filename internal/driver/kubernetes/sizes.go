package kubernetes

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// size is what one agent of a cluster has: a virtual machine of Azure, by its name.
type size struct {
	cpus   int64
	memory int64 // MiB
	gpus   int64
}

func gib(cpus int64, memory float64, gpus int64) size {
	return size{cpus, int64(memory * 1024), gpus}
}

// sizeTable has the sizes whose names do not say what they are, in lower case and without "standard_".
// Source: learn.microsoft.com/azure/virtual-machines/sizes.
func sizeTable() map[string]size {
	return map[string]size{
		"d1": gib(1, 3.5, 0), "d2": gib(2, 7, 0), "d3": gib(4, 14, 0), "d4": gib(8, 28, 0),
		"d11": gib(2, 14, 0), "d12": gib(4, 28, 0), "d13": gib(8, 56, 0), "d14": gib(16, 112, 0),
		"d1_v2": gib(1, 3.5, 0), "d2_v2": gib(2, 7, 0), "d3_v2": gib(4, 14, 0), "d4_v2": gib(8, 28, 0), "d5_v2": gib(16, 56, 0),
		"d11_v2": gib(2, 14, 0), "d12_v2": gib(4, 28, 0), "d13_v2": gib(8, 56, 0), "d14_v2": gib(16, 112, 0), "d15_v2": gib(20, 140, 0),
		"ds1_v2": gib(1, 3.5, 0), "ds2_v2": gib(2, 7, 0), "ds3_v2": gib(4, 14, 0), "ds4_v2": gib(8, 28, 0), "ds5_v2": gib(16, 56, 0),
		"ds11_v2": gib(2, 14, 0), "ds12_v2": gib(4, 28, 0), "ds13_v2": gib(8, 56, 0), "ds14_v2": gib(16, 112, 0), "ds15_v2": gib(20, 140, 0),
		"a1_v2": gib(1, 2, 0), "a2_v2": gib(2, 4, 0), "a4_v2": gib(4, 8, 0), "a8_v2": gib(8, 16, 0),
		"a2m_v2": gib(2, 16, 0), "a4m_v2": gib(4, 32, 0), "a8m_v2": gib(8, 64, 0),
		"b1ms": gib(1, 2, 0), "b2s": gib(2, 4, 0), "b2ms": gib(2, 8, 0), "b4ms": gib(4, 16, 0), "b8ms": gib(8, 32, 0), "b12ms": gib(12, 48, 0), "b16ms": gib(16, 64, 0), "b20ms": gib(20, 80, 0),
		"f1": gib(1, 2, 0), "f2": gib(2, 4, 0), "f4": gib(4, 8, 0), "f8": gib(8, 16, 0), "f16": gib(16, 32, 0),
		"f1s": gib(1, 2, 0), "f2s": gib(2, 4, 0), "f4s": gib(4, 8, 0), "f8s": gib(8, 16, 0), "f16s": gib(16, 32, 0),
		"nc6": gib(6, 56, 1), "nc12": gib(12, 112, 2), "nc24": gib(24, 224, 4), "nv6": gib(6, 56, 1), "nv12": gib(12, 112, 2), "nv24": gib(24, 224, 4),
		"nc6s_v2": gib(6, 112, 1), "nc12s_v2": gib(12, 224, 2), "nc24s_v2": gib(24, 448, 4),
		"nc6s_v3": gib(6, 112, 1), "nc12s_v3": gib(12, 224, 2), "nc24s_v3": gib(24, 448, 4), "nc24rs_v3": gib(24, 448, 4),
		"nc4as_t4_v3": gib(4, 28, 1), "nc8as_t4_v3": gib(8, 56, 1), "nc16as_t4_v3": gib(16, 110, 1), "nc64as_t4_v3": gib(64, 440, 4),
		"nc24ads_a100_v4": gib(24, 220, 1), "nc48ads_a100_v4": gib(48, 440, 2), "nc96ads_a100_v4": gib(96, 880, 4),
		"nc40ads_h100_v5": gib(40, 320, 1), "nc80adis_h100_v5": gib(80, 640, 2),
		"nd40rs_v2": gib(40, 672, 8), "nd96asr_v4": gib(96, 900, 8), "nd96amsr_a100_v4": gib(96, 1900, 8), "nd96isr_h100_v5": gib(96, 1900, 8),
	}
}

// telling is a name of a size that says how many CPUs it has: Standard_D4ds_v5.
var telling = regexp.MustCompile(`^([def])(\d+)([a-z]*)_v(\d+)$`)

// readName returns what a telling name says. Families of such names have a fixed share of memory for each CPU, up to the
// sizes that are as large as a machine.
func readName(name string) (size, bool) {
	m := telling.FindStringSubmatch(name)
	if m == nil {
		return size{}, false
	}
	n, _ := strconv.ParseInt(m[2], 10, 64)
	version, _ := strconv.Atoi(m[4])
	switch {
	case n < 1 || n > 96:
	case m[1] == "f" && version == 2, m[1] == "d" && version >= 5 && strings.Contains(m[3], "l"):
		return gib(n, float64(2*n), 0), true
	case m[1] == "d" && version >= 3:
		return gib(n, float64(4*n), 0), true
	case m[1] == "e" && version >= 3 && n <= 48:
		return gib(n, float64(8*n), 0), true
	}
	return size{}, false
}

// sizeOf returns what a size of Azure has: as given says, or Azure.
func sizeOf(name string, given map[string]any) (size, error) {
	for known, v := range given {
		if strings.EqualFold(known, name) {
			return givenSize(known, v)
		}
	}
	short := strings.TrimPrefix(strings.ToLower(name), "standard_")
	if s, ok := sizeTable()[short]; ok {
		return s, nil
	}
	if s, ok := readName(short); ok {
		return s, nil
	}
	names := sortedKeys(sizeTable())
	for i, n := range names {
		family := strings.IndexAny(n, "0123456789")
		names[i] = "Standard_" + strings.ToUpper(n[:family]) + n[family:]
	}
	return size{}, &fault.Error{
		Code: fault.Invalid, Reason: "SizeUnknown", What: fmt.Sprintf("there is no size %q", name),
		Why: "known are the families D, Ds, E and F by their names (Standard_D4s_v3, Standard_E8_v5, Standard_F16s_v2), and some of each other: " + strings.Join(pick(names), ", "),
		Fix: fmt.Sprintf("choose one of them, or say what it has; run: zaffre inventory add %s 'sizes={%q:{\"cpu\":8,\"memory\":\"32Gi\"}}'", provisionID, name), Field: "options." + optSize,
	}
}

// pick leaves a list short enough to be read.
func pick(names []string) []string {
	var out []string
	for i, n := range names {
		if i%5 == 0 {
			out = append(out, n)
		}
	}
	return out
}

// givenSize reads what the configuration says of a size: {"cpu":8,"memory":"32Gi","gpus":1}.
func givenSize(name string, v any) (s size, err error) {
	var in struct {
		CPU    int64  `json:"cpu"`
		Memory string `json:"memory"`
		GPUs   int64  `json:"gpus"`
	}
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &in)
	}
	memory, ok := mebibytes(in.Memory)
	if err != nil || !ok || in.CPU < 1 || in.GPUs < 0 {
		return s, optionFault(optSizes, fmt.Sprintf("the size %q has no whole cpu, or no memory in Mi, Gi or Ti", name), `write it as {"cpu":8,"memory":"32Gi","gpus":1}`)
	}
	return size{in.CPU, memory, in.GPUs}, nil
}

func mebibytes(text string) (int64, bool) {
	for unit, n := range map[string]int64{"Mi": 1, "Gi": 1 << 10, "Ti": 1 << 20} {
		if digits, is := strings.CutSuffix(text, unit); is {
			v, err := strconv.ParseInt(digits, 10, 32)
			return v * n, err == nil && v > 0
		}
	}
	return 0, false
}

// plan is what a target that is made gets: so many agents of a size.
type plan struct {
	agents int64
	name   string // of the size
	size
}

// What azureml-core says of a cluster that is made without a word: three agents, or one for tests.
const (
	usualSize    = "Standard_D3_v2"
	usualAgents  = 3
	testAgents   = 1
	maxAgents    = 5000 // Source: nodes of a cluster of Kubernetes, kubernetes.io/docs/setup/best-practices/cluster-large
	podsPerAgent = 30   // Source: default of AKS with Azure CNI
)

// planOf reads a target's options.
func planOf(options map[string]any) (p plan, err error) {
	p = shapeOf(options)
	if p.agents < 1 || p.agents > maxAgents {
		return p, optionFault(optAgents, fmt.Sprintf("%d is no number of agents", p.agents), fmt.Sprintf("give one from 1 to %d", maxAgents))
	}
	given, _ := options[optSizes].(map[string]any)
	p.size, err = sizeOf(p.name, given)
	return p, err
}

// shapeOf reads how many agents of which size are asked for, without looking whether there are such.
func shapeOf(options map[string]any) plan {
	p := plan{agents: usualAgents, name: driver.Text(options[optSize])}
	if p.name == "" {
		p.name = usualSize
	}
	if driver.Text(options[optPurpose]) == "DevTest" {
		p.agents = testAgents
	}
	switch n := options[optAgents].(type) {
	case int64:
		p.agents = n
	case float64: // as it was read back from the store
		p.agents = int64(n)
	}
	return p
}

// quota is what all pods of the namespace ask for at most.
func (p plan) quota() map[string]any {
	return map[string]any{
		"requests.cpu": whole(p.agents*p.cpus, ""), "requests.memory": whole(p.agents*p.memory, "Mi"),
		"requests.nvidia.com/gpu": whole(p.agents*p.gpus, ""), "pods": whole(p.agents*podsPerAgent, ""),
	}
}

// limits are those of one container: no more than an agent has, and one CPU with its share of the memory, where it
// does not ask. A quota on limits of memory would let one run in for each agent, since most runs name none.
func (p plan) limits() map[string]any {
	all := map[string]any{"cpu": whole(p.cpus, ""), "memory": whole(p.memory, "Mi")}
	return map[string]any{
		"type": "Container", "max": all, "default": all,
		"defaultRequest": map[string]any{"cpu": "1", "memory": whole(p.memory/p.cpus, "Mi")},
	}
}

func whole(n int64, unit string) string { return strconv.FormatInt(n, 10) + unit }
