package arm

import "net/http"

// sizes are machines that scripts ask for by name. zaffre has no catalogue of machines of its own; the
// clients check the name against this list before they send anything, and would hide our answer.
var sizes = []struct {
	name             string
	cpus, gpus       int
	memory, resource float64 // GB, MB
}{
	{"STANDARD_D1", 1, 0, 3.5, 51200},
	{"STANDARD_D2_V2", 2, 0, 7, 102400},
	{"STANDARD_D3_V2", 4, 0, 14, 204800},
	{"STANDARD_D4_V2", 8, 0, 28, 409600},
	{"STANDARD_DS2_V2", 2, 0, 7, 14336},
	{"STANDARD_DS3_V2", 4, 0, 14, 28672},
	{"STANDARD_DS11_V2", 2, 0, 14, 28672},
	{"STANDARD_DS12_V2", 4, 0, 28, 57344},
	{"STANDARD_F4S_V2", 4, 0, 8, 32768},
	{"STANDARD_NC6", 6, 1, 56, 389120},
	{"STANDARD_NC6S_V3", 6, 1, 112, 344064},
	{"STANDARD_NC4AS_T4_V3", 4, 1, 28, 180224},
	{"STANDARD_NC24ADS_A100_V4", 24, 1, 220, 65536},
}

// vmSizes answers under both names: azureml-core reads amlCompute, the others value.
func vmSizes(*http.Request) (any, error) {
	list := []any{}
	for _, s := range sizes {
		list = append(list, map[string]any{
			"name": s.name, "family": "zaffre", "vCPUs": s.cpus, "gpus": s.gpus, "memoryGB": s.memory, "maxResourceVolumeMB": s.resource,
			"osVhdSizeMB": 1047552, "lowPriorityCapable": false, "premiumIO": false, "supportedComputeTypes": []string{"AmlCompute", "ComputeInstance"},
			"estimatedVMPrices": nil,
		})
	}
	return map[string]any{"value": list, "amlCompute": list}, nil
}

// usages is empty: nothing here is metered.
func usages(*http.Request) (any, error) { return page{Value: []any{}}, nil }
