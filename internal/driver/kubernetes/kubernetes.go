// Package kubernetes is the kind of compute target that is a Kubernetes cluster: its runs are Jobs of a namespace, one
// pod each. The agent and the files of a run come in by exec, so that pods need no way to the server; nothing is
// installed in the cluster but what rbac.yaml grants.
package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// Option paths.
const (
	optKubeconfig = "kubeconfig" // as the inventory has it
	optContext    = "context"
	optServer     = "server"
	optToken      = "token"
	optCA         = "ca"
	optNamespace  = "namespace" // as in ARM's KubernetesProperties, and so the next two
	optDefault    = "defaultInstanceType"
	optInstances  = "instanceTypes"
	optImage      = "image"
	optAccount    = "serviceAccount"
	optCache      = "cache"
	optVia        = "via"
	optUser       = "runAsUser"
	optResource   = "resourceId"

	optRegistry         = "registry"
	optRegistryUser     = "registryUser"
	optRegistryPassword = "registryPassword"
)

// Paths of the options of targets that are made, and of what a service there is reached by: as in ARM's AKSSchema.
const (
	optAgents    = "agentCount"
	optSize      = "agentVmSize"
	optPurpose   = "clusterPurpose"
	optSizes     = "sizes"
	optTLSStatus = "sslConfiguration.status"
	optTLSName   = "sslConfiguration.cname"
	optTLSCert   = "sslConfiguration.cert"
	optTLSKey    = "sslConfiguration.key"
)

// groupLogin is the group of the options that say by what the cluster is entered, groupTLS that of a service's name.
const (
	groupLogin = "login"
	groupTLS   = "tls"
)

// groupRegistry is the group of those that say by what the registry is entered.
const groupRegistry = "registry"

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "kubernetes", Summary: "A Kubernetes cluster: each run is a Job.",
		ComputeTypes: []string{"Kubernetes", "AKS"}, Attached: true, Relays: true,
		ResourceTypes: []string{"Microsoft.Kubernetes/connectedClusters", "Microsoft.ContainerService/managedClusters"},
		Example:       "--kubeconfig-file kubeconfig.yaml --namespace ml --image python:3.12",
		Options: []driver.Option{
			{Path: optKubeconfig, Type: driver.String, Secret: true, Group: groupLogin, Help: "kubeconfig that holds its certificates and token itself, as of: kubectl config view --minify --flatten"},
			{Path: optContext, Type: driver.String, Help: "context of the kubeconfig; by default its current one"},
			{Path: optServer, Type: driver.String, Help: "URL of the API server, where no kubeconfig is given"},
			{Path: optToken, Type: driver.String, Secret: true, Group: groupLogin, Help: "token of a service account, where no kubeconfig is given"},
			{Path: optCA, Type: driver.String, Help: "certificate of the API server's authority, as PEM or as PEM in base64; by default those that the server's machine trusts"},
			{Path: optNamespace, Type: driver.String, Immutable: true, Only: driver.Attaching, Help: "namespace for the runs; by default that of the kubeconfig's context"},
			{Path: optImage, Type: driver.String, Help: "image of runs that name none; it has a shell, coreutils and, for Python, python3"},
			{Path: optDefault, Flag: "default-instance-type", Type: driver.String, Help: "instance type of runs that name none"},
			{Path: optInstances, Flag: "instance-types", Type: driver.Object, Help: `instance types by name: {"gpu":{"resources":{"limits":{"nvidia.com/gpu":"1"}},"nodeSelector":{"gpu":"a100"}}}`},
			{Path: optAccount, Type: driver.String, Help: "service account of the pods; they get no token of it"},
			{Path: optCache, Type: driver.String, Help: "volume for the packages of environments: pvc:CLAIM, or a path of the nodes; by default each pod fetches its own"},
			{Path: optUser, Type: driver.Int, Help: "number of the user as whom pods run, without any rights: what namespaces whose pod security is restricted ask for; by default the image's user"},
			{Path: optRegistry, Type: driver.String, Help: "registry from which nodes fetch the images that the server makes of environments: own:HOST:PORT, the server's own as nodes reach it, or HOST/PREFIX; by default environments are built in pods"},
			{Path: optRegistryUser, Type: driver.String, Group: groupRegistry, Help: "user of that registry, for pushing and for the nodes"},
			{Path: optRegistryPassword, Type: driver.String, Secret: true, Group: groupRegistry, Help: "password of that user"},
			{Path: optVia, Type: driver.TargetRef, Many: true, Help: "compute target, or machine of the inventory, through which the API server is reached"},
			{Path: optResource, Type: driver.String, Help: "ARM ID of the cluster, where the inventory knows its kubeconfig"},
			{Path: optAgents, Flag: "agents", Type: driver.Int, Only: driver.Making, Help: "how many machines it counts for: the quota is that many times the size; by default 3, or 1 where the purpose is DevTest"},
			{Path: optSize, Flag: "size", Type: driver.String, Only: driver.Making, Help: "size of such a machine, by its name in Azure; by default " + usualSize},
			{Path: optPurpose, Flag: "purpose", Type: driver.String, Only: driver.Making, Help: "FastProd or DevTest"},
			{Path: optSizes, Type: driver.Object, Only: driver.Making, Help: `sizes by name, beside those of Azure: {"big":{"cpu":32,"memory":"128Gi","gpus":2}}`},
			{Path: optTLSStatus, Flag: "ssl-status", Type: driver.String, Group: groupTLS, Help: "Enabled or Disabled: whether services on the target are reached by a name of their own, once there are such"},
			{Path: optTLSName, Flag: "ssl-cname", Type: driver.String, Group: groupTLS, Help: "that name"},
			{Path: optTLSCert, Flag: "ssl-cert", Type: driver.String, Group: groupTLS, Secret: true, Beside: true, Help: "its certificate, with those between it and the authority, as PEM"},
			{Path: optTLSKey, Flag: "ssl-key", Type: driver.String, Group: groupTLS, Secret: true, Beside: true, Help: "the certificate's key, as PEM"},
		},
		JobOptions: jobOptions(),
		Grants:     rbac, GrantsFlag: "print-rbac",
		Provision: &driver.Provision{ComputeTypes: []string{"AKS"}, Resource: provisionID, Grants: provisionRBAC(), Example: "--agents 3 --size Standard_D3_v2 --image python:3.12"},
		Document:  document,
		Prototype: (*conn)(nil),
		Connect:   connect,
	}
}

// document is what a cluster says of itself. azureml-core takes none of it for granted, but that there is something.
func document(v driver.View) map[string]any {
	if v.ComputeType == "AKS" {
		return asAKS(v)
	}
	out := map[string]any{"namespace": v.Seen.Facts["namespace"]}
	if s := driver.Text(v.Options[optNamespace]); s != "" {
		out["namespace"] = s
	}
	for _, path := range []string{optDefault, optInstances} {
		if given := v.Options[path]; given != nil {
			out[path] = given
		}
	}
	return out
}

// asAKS is what clients of AKS find. Of a target that is attached they look for what only Azure could say.
func asAKS(v driver.View) map[string]any {
	out := map[string]any{"sslConfiguration": tlsShown(v.Options)}
	if v.Made {
		p := shapeOf(v.Options)
		out[optAgents], out[optSize] = p.agents, p.name
	}
	if host, _, _ := strings.Cut(v.Seen.Facts["api-server"], ":"); v.Made && host != "" {
		out["clusterFqdn"] = host
	}
	return out
}

// conn is a namespace of a cluster, and the agents in its pods.
type conn struct {
	*cluster
	id     string // of the target
	making making
	image  string // of runs that name none
	pods   podPlan
	types  instances
	home   homeFunc
	uv     *uvx.Store
	pins   map[string]string
	seen   *seen

	images   driver.Images
	registry *driver.Registry // nil: environments are built in pods

	mu        sync.Mutex
	agents    map[string]*podAgent // by the job's ID, and the node: see agentKey
	defined   map[string]driver.Definition
	onChange  []*watching
	awaited   map[string]*arrival // by pod
	kept      keptParts
	inherited bool // what targets of this name left is away
	deviceMemo

	probing chan struct{} // held while probed is read or changed
	probed  probed
}

var _ interface {
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
	driver.Provisioner
} = (*conn)(nil)

// connect reads the options. The cluster is asked by the first call.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	a, err := accessOf(t)
	if err != nil {
		return nil, err
	}
	if t.Made {
		a.namespace = madeSpace(t.ID)
	} else if err := checkTLS(t.Options, t.Secrets); err != nil {
		return nil, err
	}
	cl, err := newCluster(a, t.On[optVia])
	if err != nil {
		return nil, err
	}
	c := &conn{
		cluster: cl, id: t.ID, image: driver.Text(t.Options[optImage]), home: t.Home, uv: uvx.New(t.Tools), pins: t.Pinned, seen: newSeen(),
		agents: map[string]*podAgent{}, awaited: map[string]*arrival{}, defined: map[string]driver.Definition{}, probing: make(chan struct{}, 1),
	}
	cl.made, c.making = t.Made, making{t.Options, t.Secrets}
	c.pods = podPlan{target: t.ID, place: t.Place, account: driver.Text(t.Options[optAccount])}
	if c.pods.user, err = userOf(t.Options); err != nil {
		return nil, err
	}
	if c.pods.cache, err = cacheOf(driver.Text(t.Options[optCache])); err != nil {
		return nil, err
	}
	c.images = t.Images
	if c.registry, err = registryOf(t); err != nil {
		return nil, err
	}
	c.types, err = instancesOf(t.Options)
	return c, err
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	c.kept.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, a := range c.agents {
		a.close()
		delete(c.agents, name)
	}
	c.cluster.close()
	return nil
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", path),
		Why: why, Fix: fix, Field: "options." + path,
	}
}
