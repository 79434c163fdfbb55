package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// With a registry, environments are images that the server makes: nothing is built in pods, and nodes fetch an
// environment once. The nodes' login is a Secret of the namespace, which is written and never read.

// ownRegistry starts the option where the registry is the server's own: "own:HOST:PORT".
const ownRegistry = "own:"

// registryOf reads the target's options; nil: none.
func registryOf(t driver.Target) (*driver.Registry, error) {
	text := strings.TrimSuffix(driver.Text(t.Options[optRegistry]), "/")
	if text == "" {
		return nil, nil //nolint:nilnil // no registry
	}
	r := &driver.Registry{User: driver.Text(t.Options[optRegistryUser]), Password: t.Secrets[optRegistryPassword]}
	rest, own := strings.CutPrefix(text, ownRegistry)
	r.Address, r.Path, _ = strings.Cut(rest, "/")
	const example = "give own:HOST:PORT, by which the nodes reach this server, or HOST/PREFIX of another registry"
	switch {
	case t.Images == nil:
		return nil, optionFault(optRegistry, "this server makes no images", "leave it out")
	case strings.Contains(text, "://"):
		return nil, optionFault(optRegistry, "it is a URL", example)
	case own && (r.Path != "" || !strings.Contains(r.Address, ":")):
		return nil, optionFault(optRegistry, "the server's own registry is named by an address with a port", example)
	case !own && (r.Path == "" || !strings.ContainsAny(r.Address, ".:") && r.Address != "localhost"):
		return nil, optionFault(optRegistry, "it has no host, or nothing below which images are pushed", example)
	case own && (r.User != "" || r.Password != ""):
		return nil, optionFault(optRegistryUser, "the server's own registry has logins of its own", "leave user and password out")
	case (r.User == "") != (r.Password == ""):
		return nil, optionFault(optRegistryPassword, "user and password belong together", "give both, or none")
	}
	r.Own = own
	return r, nil
}

// asImage reports whether an environment is made into an image. What installs nothing is used as it is.
func (c *conn) asImage(d driver.Definition) bool {
	return c.registry != nil && !d.UserManaged && len(d.Conda)+len(d.Pip) > 0
}

// buildImage has the server make an environment's image. A base that is not named is the target's image.
func (c *conn) buildImage(ctx context.Context, digest string, d driver.Definition) (err error) {
	if d.BaseImage == "" {
		if d.BaseImage, err = c.usualImage(); err != nil {
			return err
		}
	}
	return c.images.BuildImage(ctx, digest, d, *c.registry)
}

// imageStatus returns the state of an environment's image; BuildMissing: it is none.
func (c *conn) imageStatus(ctx context.Context, digest string) (driver.BuildStatus, error) {
	if c.registry == nil {
		return driver.BuildStatus{State: driver.BuildMissing}, nil
	}
	return c.images.ImageStatus(ctx, digest, *c.registry)
}

// imageLog opens the log of an image's build; nil: there is none.
func (c *conn) imageLog(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
	st, err := c.imageStatus(ctx, digest)
	if err != nil || st.State == driver.BuildMissing {
		return nil, err
	}
	return c.images.ImageLog(ctx, digest, *c.registry, offset)
}

// secretName is the Secret by which nodes enter the registry.
func (c *conn) secretName() string { return c.rootName() + "-registry" }

// letPull has nodes be able to fetch an image from the target's registry: the Secret says how. It adds its name to what
// a pod wants.
func (c *conn) letPull(ctx context.Context, w *wants, image string) error {
	if c.registry == nil {
		return nil
	}
	login, err := c.images.PullLogin(ctx, *c.registry, image)
	if err != nil || login.User == "" {
		return err
	}
	owner, err := c.root(ctx)
	if err != nil {
		return err
	}
	config, err := dockerConfig(login)
	if err != nil {
		return err
	}
	_, err = c.apply(ctx, secretsResource, &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
		"metadata": map[string]any{"name": c.secretName(), "labels": c.pods.labels(nil), "ownerReferences": ownedBy(owner)},
		"data":     map[string]any{".dockerconfigjson": config},
	}})
	w.secrets = append(w.secrets, c.secretName())
	return err
}

// dockerConfig is a login as Docker keeps it, in base64.
func dockerConfig(l driver.RegistryLogin) (string, error) {
	auth := base64.StdEncoding.EncodeToString([]byte(l.User + ":" + l.Password))
	b, err := json.Marshal(map[string]any{"auths": map[string]any{l.Address: map[string]string{"username": l.User, "password": l.Password, "auth": auth}}})
	return base64.StdEncoding.EncodeToString(b), err
}

// imageGone is said of a run whose environment is an image, on a target without a registry.
func (c *conn) imageGone(job driver.Job) error {
	if job.Runtime.Image == "" || c.registry != nil {
		return nil
	}
	return goneFault()
}

func dockerfileFault() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ImageBuildUnsupported", What: "the environment cannot be used on the cluster", Why: "it has a Dockerfile, whose commands only a container builder can run",
		Fix: "build it by docker build, push it (to the server's registry: docker push HOST:PORT/WORKSPACE/NAME), and name it as the environment's image",
	}
}
