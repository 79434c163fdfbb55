package clients_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// odd are values that no client expects.
func odd() []any {
	return []any{nil, "text", 7, true, []any{}, []any{nil}, map[string]any{}, map[string]any{"a": nil}}
}

// oddTargets are bodies of every type, each with one member that is odd. The types are those of azureml-core
// 1.61, azure-ai-ml 1.35 and armmachinelearning 4.0, the members those that their classes read.
func oddTargets() map[string]map[string]any {
	inner := map[string][]string{
		"VirtualMachine": {"address", "sshPort", "administratorAccount", "virtualMachineSize", "isNotebookInstanceCompute"},
		"HDInsight":      {"address", "sshPort", "administratorAccount"},
		"AKS": {
			"agentVmSize", "agentCount", "clusterPurpose", "clusterFqdn", "systemServices", "loadBalancerType", "loadBalancerSubnet",
			"sslConfiguration", "aksNetworkingConfiguration",
		},
		"Kubernetes":   {"namespace", "defaultInstanceType", "instanceTypes", "vcName", "relayConnectionString"},
		"Databricks":   {"workspaceUrl", "databricksAccessToken"},
		"SynapseSpark": {"autoScaleProperties", "autoPauseProperties", "sparkVersion", "nodeCount", "nodeSize", "poolName", "workspaceName"},
		"Kusto":        {"kustoConnectionString", "servicePrincipalCredentials"}, "Batch": {"x"}, "DataFactory": {"x"}, "DataLakeAnalytics": {"dataLakeStoreAccountName"},
		"AmlCompute": {
			"vmSize", "vmPriority", "scaleSettings", "subnet", "allocationState", "currentNodeCount", "targetNodeCount", "nodeStateCounts", "errors",
			"allocationStateTransitionTime", "userAccountCredentials", "remoteLoginPortPublicAccess", "enableNodePublicIp", "osType", "isolatedNetwork", "virtualMachineImage",
		},
		"ComputeInstance": {
			"vmSize", "sshSettings", "createdBy", "errors", "state", "subnet", "connectivityEndpoints", "applications", "personalComputeInstanceSettings",
			"setupScripts", "lastOperation", "schedules", "idleTimeBeforeShutdown", "applicationSharingPolicy", "customServices", "osImageMetadata",
		},
	}
	outer := []string{"description", "resourceId", "computeLocation", "provisioningState", "provisioningErrors", "isAttachedCompute", "disableLocalAuth", "createdOn", "modifiedOn", "properties"}
	out := map[string]map[string]any{}
	for _, typ := range slices.Sorted(maps.Keys(inner)) {
		for i, v := range odd() {
			name := func(place, member string) string {
				return strings.ToLower(fmt.Sprintf("%s-%s-%d", typ[:3]+typ[len(typ)-1:], place+member[:min(len(member), 15)], i))
			}
			for _, member := range inner[typ] {
				out[name("i", member)] = map[string]any{"properties": map[string]any{"computeType": typ, "properties": map[string]any{member: v}}}
			}
			for _, member := range outer {
				out[name("o", member)] = map[string]any{"properties": map[string]any{"computeType": typ, member: v}}
			}
			for _, member := range []string{"tags", "identity", "sku", "location", "systemData"} {
				out[name("b", member)] = map[string]any{member: v, "properties": map[string]any{"computeType": typ}}
			}
		}
	}
	for i, body := range []string{
		`{"computeType":"AmlCompute","properties":{"scaleSettings":{"maxNodeCount":4}}}`, `{"computeType":"AmlCompute","properties":{"scaleSettings":{"minNodeCount":"none","nodeIdleTimeBeforeScaleDown":"soon"}}}`,
		`{"computeType":"AmlCompute","properties":{"subnet":{"id":"somewhere"}}}`, `{"computeType":"ComputeInstance","properties":{"subnet":{"id":7},"sshSettings":{"sshPublicAccess":1,"sshPort":"x"}}}`,
		`{"computeType":"ComputeInstance","properties":{"personalComputeInstanceSettings":{"assignedUser":{"objectId":1}}}}`,
		`{"computeType":"SynapseSpark","properties":{"autoScaleProperties":{"enabled":"yes","minNodeCount":1.5}}}`, `{"computeType":"Kubernetes","properties":{"instanceTypes":{"a":7}}}`,
		`{"computeType":"VirtualMachine","resourceId":"/x","properties":{"address":"h","administratorAccount":{"username":7,"publicKeyData":[]}}}`,
		`{"computeType":"AKS","properties":{"sslConfiguration":{"renew":"x","status":{}},"aksNetworkingConfiguration":{"subnetId":1},"systemServices":[{}]}}`,
	} {
		var properties map[string]any
		if err := json.Unmarshal([]byte(body), &properties); err != nil {
			panic(err) // it stands above
		}
		out[fmt.Sprintf("nested-%d", i)] = map[string]any{
			"tags": map[string]any{"a": 7, "b": nil, "c": []any{}}, "identity": map[string]any{"type": "SystemAssigned", "userAssignedIdentities": map[string]any{"x": 7}},
			"properties": properties,
		}
	}
	return out
}

// put sends one body as it is.
func (b *box) put(t testing.TB, c *http.Client, url string, body any) int {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.profile.Token)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// browser trusts the server and nobody else.
func (b *box) browser(t testing.TB) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(b.profile.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// TestListsAreNeverBroken fills a workspace with targets that somebody put with odd bodies, page after page:
// every client reads its list to the end.
func TestListsAreNeverBroken(t *testing.T) {
	t.Parallel()
	first, second := v1(t, "3.10"), v2(t)
	b := start(t)
	c, err := b.WorkspaceConfig(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	root := b.profile.URL + "/subscriptions/" + c.Subscription + "/resourceGroups/" + c.Group + "/providers/Microsoft.MachineLearningServices/workspaces/" + c.Workspace
	web, want := b.browser(t), 0
	for name, body := range oddTargets() {
		switch status := b.put(t, web, root+"/computes/"+name, body); {
		case status < 300:
			want++
		case status >= 500:
			t.Errorf("%v: %d", body, status)
		}
	}
	if want < 500 {
		t.Fatalf("only %d were taken", want)
	}
	listed := fmt.Sprintf("LISTED %d", want)
	holds(t, b.must(t, script{python: first, file: "v1_list.py"}), listed)
	holds(t, b.must(t, script{python: second, file: "v2_list.py"}), listed)
	holds(t, b.armgo(t, computer{}, "list"), listed)
}
