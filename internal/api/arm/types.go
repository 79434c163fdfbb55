package arm

import "strings"

// computeType is what the clients know a type by, beyond what a kind can say of itself: the type is
// known here even where this build has no kind for it, so that its targets can be refused with a reason,
// shown, and taken away.
type computeType struct {
	name     string
	attached bool           // azureml-core picks its class by isAttachedCompute
	inner    map[string]any // what properties.properties must have for its clients to read it
}

// computeTypes are those of azureml-core 1.61, azure-ai-ml 1.35 and armmachinelearning 4.0.
var computeTypes = []computeType{
	{"VirtualMachine", true, map[string]any{}},
	{"HDInsight", true, map[string]any{}},
	{"AKS", true, map[string]any{
		"agentVmSize": nil, "agentCount": nil, "clusterPurpose": nil, "clusterFqdn": nil, "systemServices": nil,
		"loadBalancerType": nil, "loadBalancerSubnet": nil,
	}},
	{"Kubernetes", true, map[string]any{"namespace": "default", "defaultInstanceType": nil, "instanceTypes": nil}},
	{"Databricks", true, map[string]any{}},
	{"DataLakeAnalytics", true, map[string]any{}},
	{"DataFactory", true, map[string]any{}},
	{"Batch", true, map[string]any{}},
	{"SynapseSpark", true, map[string]any{}},
	{"Kusto", true, map[string]any{}},
	{"ContainerInstance", true, map[string]any{}},
	{"AmlCompute", false, map[string]any{
		"vmSize": nil, "vmPriority": "Dedicated", "scaleSettings": map[string]any{"minNodeCount": 0, "maxNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT120S"},
		"subnet": nil, "allocationState": "Steady", "currentNodeCount": 0, "targetNodeCount": 0, "errors": nil,
		"remoteLoginPortPublicAccess": "NotSpecified", "enableNodePublicIp": true, "osType": "Linux",
		"nodeStateCounts": map[string]any{
			"preparingNodeCount": 0, "runningNodeCount": 0, "idleNodeCount": 0, "unusableNodeCount": 0, "leavingNodeCount": 0, "preemptedNodeCount": 0,
		},
	}},
	{"ComputeInstance", false, map[string]any{
		"vmSize": nil, "sshSettings": nil, "createdBy": nil, "errors": nil, "state": "CreateFailed", "subnet": nil,
		"connectivityEndpoints": nil, "applications": []any{}, "personalComputeInstanceSettings": nil,
	}},
}

// typeOf returns the type with a name, in whatever case.
func typeOf(name string) (computeType, bool) {
	for _, t := range computeTypes {
		if strings.EqualFold(t.name, name) {
			return t, true
		}
	}
	return computeType{}, false
}
