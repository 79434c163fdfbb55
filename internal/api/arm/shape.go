package arm

import (
	"fmt"
	"maps"
	"math"
	"regexp"
)

// shape says what values the clients can read of a member that they know. What does not fit is not kept, as
// if the body had not named it: azureml-core and armmachinelearning take documents apart without looking,
// and one target that they cannot read breaks their list of all. Members that no client knows are kept
// whatever they are. Null says nothing.
type shape struct {
	fits   func(v any) bool
	inside map[string]shape // of an object
	needs  []string         // members without which it says nothing
}

func aText(v any) bool { _, ok := v.(string); return ok }
func aFlag(v any) bool { _, ok := v.(bool); return ok }

func aCount(v any) bool {
	n, ok := v.(int64)
	return ok && n >= math.MinInt32 && n <= math.MaxInt32
}

func aDuration(v any) bool {
	s, _ := v.(string)
	_, ok := isoDuration(s)
	return ok
}

// vnet is what azureml-core finds by index in the ID of a subnet.
var vnet = regexp.MustCompile(`/resourceGroups/[^/]+/providers/.*/virtualNetworks/[^/]+/subnets/[^/]+$`)

func aSubnet(v any) bool {
	s, _ := v.(string)
	return vnet.MatchString(s)
}

func nothing(any) bool { return false }

func objects(v any) bool {
	m, ok := v.(map[string]any)
	for _, inner := range m {
		if _, is := inner.(map[string]any); !is && inner != nil {
			return false
		}
	}
	return ok
}

var (
	words   = shape{fits: aText}
	yesNo   = shape{fits: aFlag}
	number  = shape{fits: aCount}
	never   = shape{fits: nothing} // the server's to say
	account = shape{inside: map[string]shape{"username": words, "publicKeyData": words}}
	subnet  = shape{inside: map[string]shape{"id": {fits: aSubnet}}, needs: []string{"id"}}
	machine = map[string]shape{"address": words, "sshPort": number, "administratorAccount": account}

	outerShapes   = map[string]shape{"description": words, "resourceId": words, "disableLocalAuth": yesNo}
	identityShape = shape{needs: []string{"type"}, inside: map[string]shape{
		"type": words, "principalId": words, "tenantId": words, "userAssignedIdentities": {fits: objects},
	}}
)

// shapes are those of properties.properties by computeType, of azureml-core 1.61 and armmachinelearning 4.0.
var shapes = map[string]map[string]shape{
	"VirtualMachine": with(machine, map[string]shape{"virtualMachineSize": words, "isNotebookInstanceCompute": yesNo, "notebookServerPort": number}),
	"HDInsight":      machine,
	"AKS": {
		"agentCount": number, "agentVmSize": words, "clusterPurpose": words, "loadBalancerType": words, "loadBalancerSubnet": words,
		"clusterFqdn": never, "systemServices": never,
		"aksNetworkingConfiguration": {inside: map[string]shape{"subnetId": words, "dnsServiceIP": words, "dockerBridgeCidr": words, "serviceCidr": words}},
		"sslConfiguration": {inside: map[string]shape{
			"status": words, "cert": never, "key": never, "cname": words, "leafDomainLabel": words, "overwriteExistingDomain": yesNo, "renew": yesNo,
		}},
	},
	"Kubernetes": {
		"namespace": words, "defaultInstanceType": words, "vcName": words, "extensionInstanceReleaseTrain": words, "extensionPrincipalId": words,
		"relayConnectionString": never, "serviceBusConnectionString": never, "instanceTypes": never,
	},
	"Databricks":        {"workspaceUrl": words},
	"DataLakeAnalytics": {"dataLakeStoreAccountName": words},
	"SynapseSpark": {
		"nodeCount": number, "nodeSize": words, "nodeSizeFamily": words, "poolName": words, "resourceGroup": words, "sparkVersion": words,
		"subscriptionId": words, "workspaceName": words,
		"autoPauseProperties": {inside: map[string]shape{"enabled": yesNo, "delayInMinutes": number}},
		"autoScaleProperties": {inside: map[string]shape{"enabled": yesNo, "minNodeCount": number, "maxNodeCount": number}},
	},
	"AmlCompute": {
		"vmSize": words, "vmPriority": words, "osType": words, "remoteLoginPortPublicAccess": words, "enableNodePublicIp": yesNo, "isolatedNetwork": yesNo,
		"subnet": subnet, "virtualMachineImage": {inside: map[string]shape{"id": words}, needs: []string{"id"}}, "userAccountCredentials": never,
		"scaleSettings":   {inside: map[string]shape{"minNodeCount": number, "maxNodeCount": number, "nodeIdleTimeBeforeScaleDown": {fits: aDuration}}},
		"allocationState": never, "allocationStateTransitionTime": never, "currentNodeCount": never, "targetNodeCount": never, "nodeStateCounts": never, "errors": never,
	},
	"ComputeInstance": {
		"vmSize": words, "applicationSharingPolicy": words, "computeInstanceAuthorizationType": words, "enableNodePublicIp": yesNo, "subnet": subnet,
		"sshSettings":                     {inside: map[string]shape{"sshPublicAccess": words, "adminPublicKey": words, "adminUserName": never, "sshPort": never}},
		"personalComputeInstanceSettings": {inside: map[string]shape{"assignedUser": {inside: map[string]shape{"objectId": words, "tenantId": words}}}, needs: []string{"assignedUser"}},
		"customServices":                  never, "schedules": never, "setupScripts": never, "applications": never, "connectivityEndpoints": never,
		"containers": never, "createdBy": never, "dataDisks": never, "dataMounts": never, "errors": never, "lastOperation": never, "osImageMetadata": never,
		"state": never, "versions": never,
	},
}

func with[V any](a, b map[string]V) map[string]V {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// takes reports whether a value says something; of an object it takes away what does not.
func (s shape) takes(v any) bool {
	if s.inside == nil {
		return s.fits(v)
	}
	m, ok := v.(map[string]any)
	prune(m, s.inside)
	for _, name := range s.needs {
		_, there := m[name]
		ok = ok && there
	}
	return ok
}

func prune(m map[string]any, shapes map[string]shape) {
	for name, s := range shapes {
		if v, ok := m[name]; ok && !s.takes(v) {
			delete(m, name)
		}
	}
}

// prune takes away what the clients of a type could not read, and completes objects that they read whole.
func (f *foreign) prune() {
	known, _ := typeOf(f.Type)
	prune(f.Outer, outerShapes)
	prune(f.Inner, shapes[known.name])
	for name, v := range f.Inner {
		whole, ok := known.inner[name].(map[string]any)
		if given, is := v.(map[string]any); ok && is {
			f.Inner[name] = with(whole, given)
		}
	}
	if !identityShape.takes(f.Identity) {
		f.Identity = nil
	}
	for name, v := range f.Tags {
		switch v.(type) {
		case string:
		case int64, float64, bool:
			f.Tags[name] = fmt.Sprint(v)
		default:
			delete(f.Tags, name)
		}
	}
}
