package kubernetes

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// manager is who we are to the API: the field manager, and the label managed-by.
const manager = "zaffre"

// The resources that we use.
var (
	jobsResource     = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	podsResource     = core("pods")
	eventsResource   = core("events")
	configsResource  = core("configmaps")
	nodesResource    = core("nodes")
	spacesResource   = core("namespaces")
	classesResource  = schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}
	priorityResource = schema.GroupVersionResource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}
	reviewsResource  = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}
	secretsResource  = core("secrets")
)

func core(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: resource}
}

// object is one of the API's.
type object = unstructured.Unstructured

// cluster is a client of an API server, and the namespace that we work in.
type cluster struct {
	access
	made      bool // the namespace is ours: see driver.Provisioner
	client    dynamic.Interface
	heads     metadata.Interface // objects without what is in them
	tls       *tls.Config
	dial      func(ctx context.Context, network, addr string) (net.Conn, error) // nil: from here
	transport *http.Client                                                      // with our credentials
}

// newCluster makes a client. It connects by the first request.
func newCluster(a access, via []driver.Conn) (*cluster, error) {
	cl := &cluster{access: a}
	if len(via) > 1 {
		return nil, optionFault(optVia, "it names more than one machine", "name the last one, and have that reached through the others by its own via")
	}
	if len(via) == 1 {
		host, err := driver.As[driver.Host](via[0])
		if err != nil {
			return nil, err
		}
		cl.dial = host.Dial
	}
	config := &rest.Config{
		Host: a.server, BearerToken: a.token, QPS: 100, Burst: 200, UserAgent: manager, WarningHandler: rest.NoWarnings{}, Dial: cl.dial,
		TLSClientConfig: rest.TLSClientConfig{CAData: a.ca, CertData: a.cert, KeyData: a.key, ServerName: a.serverName},
	}
	if cl.dial != nil {
		config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil } // the jump host is the way
	}
	var err error
	if cl.tls, err = rest.TLSConfigFor(config); err != nil {
		return nil, configFault("its certificates cannot be read")
	}
	if cl.transport, err = rest.HTTPClientFor(config); err != nil {
		return nil, configFault("its certificates cannot be read")
	}
	if cl.client, err = dynamic.NewForConfigAndClient(config, cl.transport); err != nil {
		return nil, optionFault(optServer, err.Error(), "give https://HOST:PORT")
	}
	if cl.heads, err = metadata.NewForConfigAndClient(metadata.ConfigFor(config), cl.transport); err != nil {
		return nil, optionFault(optServer, err.Error(), "give https://HOST:PORT")
	}
	return cl, nil
}

func (cl *cluster) close() { cl.transport.CloseIdleConnections() }

// answerWithin bounds one request: a call that has minutes asks again.
const answerWithin = 20 * time.Second

// own are the resources of a kind in our namespace.
func (cl *cluster) own(r schema.GroupVersionResource) dynamic.ResourceInterface {
	return cl.client.Resource(r).Namespace(cl.namespace)
}

// get reads one object of our namespace; nil: there is none.
func (cl *cluster) get(ctx context.Context, r schema.GroupVersionResource, name string) (*object, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	o, err := cl.own(r).Get(ctx, name, metav1.GetOptions{})
	if isMissing(err) {
		return nil, nil
	}
	return o, cl.asFault(ctx, err)
}

// list reads the objects of our namespace that have labels.
func (cl *cluster) list(ctx context.Context, r schema.GroupVersionResource, selector string) ([]object, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l, err := cl.own(r).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, cl.asFault(ctx, err)
	}
	return l.Items, nil
}

// names lists the objects of our namespace that have labels. What is in them, such as megabytes of the agent, stays there.
func (cl *cluster) names(ctx context.Context, r schema.GroupVersionResource, selector string) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	l, err := cl.heads.Resource(r).Namespace(cl.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, cl.asFault(ctx, err)
	}
	for _, o := range l.Items {
		names = append(names, o.Name)
	}
	return names, nil
}

// make creates an object, or finds the one of its name.
func (cl *cluster) make(ctx context.Context, r schema.GroupVersionResource, o *object) (*object, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	made, err := cl.own(r).Create(ctx, o, metav1.CreateOptions{FieldManager: manager})
	if isThere(err) {
		made, err = cl.own(r).Get(ctx, o.GetName(), metav1.GetOptions{})
	}
	return made, cl.asFault(ctx, err)
}

// apply makes an object as it is said, by server-side apply.
func (cl *cluster) apply(ctx context.Context, r schema.GroupVersionResource, o *object) (*object, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	made, err := cl.own(r).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return made, cl.asFault(ctx, err)
}

// lay makes an object as it is said, and does not have it sent back.
func (cl *cluster) lay(ctx context.Context, r schema.GroupVersionResource, o *object) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	b, err := o.MarshalJSON()
	if err == nil {
		_, err = cl.heads.Resource(r).Namespace(cl.namespace).Patch(ctx, o.GetName(), types.ApplyPatchType, b, metav1.PatchOptions{FieldManager: manager, Force: new(true)})
	}
	return cl.asFault(ctx, err)
}

// patch merges into an object that is there; false: it is not.
func (cl *cluster) patch(ctx context.Context, r schema.GroupVersionResource, name string, merge []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := cl.own(r).Patch(ctx, name, types.MergePatchType, merge, metav1.PatchOptions{FieldManager: manager})
	if isMissing(err) {
		return false, nil
	}
	return err == nil, cl.asFault(ctx, err)
}

// remove deletes an object with all that it owns. One that is not there is no error.
func (cl *cluster) remove(ctx context.Context, r schema.GroupVersionResource, name string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	err := cl.own(r).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})
	if isMissing(err) {
		return nil
	}
	return cl.asFault(ctx, err)
}

// raw reads what is no object: PATH of the API server, with a query.
func (cl *cluster) raw(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	u := strings.TrimSuffix(cl.server, "/") + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	resp, err := cl.transport.Do(req)
	if err != nil {
		return nil, cl.asFault(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, cl.asFault(ctx, refusal(resp))
	}
	return resp.Body, nil
}

// host is the API server's address, for people.
func (cl *cluster) host() string {
	u, err := url.Parse(cl.server)
	if err != nil {
		return "the cluster"
	}
	return u.Host
}
