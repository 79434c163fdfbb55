package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// An environment is built in a pod of its own, to see that it can be, and again in the pod of each run, from the
// packages that the cache has. What is known of it stands in a ConfigMap; the definition, in which credentials may
// stand, is told to agents only.

// envDir is where the prefix of a built environment seems to lie: its last element is the digest.
const envDir = workDir + "/environments"

// digestOf returns the environment that a runtime of ours stands for.
func digestOf(r driver.Runtime) (digest string, ok bool) {
	dir, digest := path.Split(r.Prefix)
	return digest, dir == envDir+"/"
}

// record is what stands in the cluster of an environment.
type record struct {
	Digest string             `json:"digest"`
	Image  string             `json:"image"`
	Python string             `json:"python,omitempty"` // user-managed: the interpreter in the image
	Status driver.BuildStatus `json:"status"`
	log    string
}

// maxRecordLog is how much of a build's log is kept, of its end: a ConfigMap holds 1 MiB.
const maxRecordLog = 256 << 10

// shortOf names what belongs to an environment of this target.
func (c *conn) shortOf(digest string) string {
	sum := sha256.Sum256([]byte(c.id + "/" + digest))
	return "zaffre-env-" + hex.EncodeToString(sum[:16])
}

// record reads what is known of an environment; zero: nothing.
func (c *conn) record(ctx context.Context, digest string) (r record, err error) {
	o, err := c.get(ctx, configsResource, c.shortOf(digest))
	if err != nil || o == nil {
		return r, err
	}
	data, _ := o.Object["data"].(map[string]any)
	if json.Unmarshal([]byte(driver.Text(data["record"])), &r) != nil || r.Digest != digest {
		return record{}, nil // of a version that wrote it otherwise: it is built again
	}
	r.log = driver.Text(data["log"])
	return r, nil
}

func (c *conn) keep(ctx context.Context, r record) error {
	owner, err := c.root(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = c.apply(ctx, configsResource, &object{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": c.shortOf(r.Digest), "labels": c.pods.labels(map[string]string{labelBuild: c.shortOf(r.Digest)}), "ownerReferences": ownedBy(owner)},
		"data":     map[string]any{"record": string(text), "log": r.log},
	}})
	return err
}

// Build implements driver.EnvBuilder. It returns once a pod has the definition.
func (c *conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	if len(d.Dockerfile) > 0 {
		return dockerfileFault()
	}
	if c.asImage(d) {
		return c.buildImage(ctx, digest, d)
	}
	image, d, err := c.split(d)
	if err != nil {
		return err
	}
	c.define(digest, d)
	r, err := c.record(ctx, digest)
	if err != nil || r.Status.State == driver.BuildDone && r.Image == image {
		return err
	}
	if r.Digest != "" {
		if err := c.remove(ctx, configsResource, c.shortOf(digest)); err != nil {
			return err
		}
	}
	j, err := c.builder(ctx, digest, image)
	if err != nil {
		return err
	}
	return c.handOver(ctx, j, record{Digest: digest, Image: image}, d)
}

// split returns the image of an environment, and what is built in it. An image with nothing to install is used as it is.
func (c *conn) split(d driver.Definition) (image string, rest driver.Definition, err error) {
	image = d.BaseImage
	if image == "" {
		if image, err = c.usualImage(); err != nil {
			return "", d, err
		}
	}
	if d.BaseImage != "" && len(d.Conda) == 0 && len(d.Pip) == 0 {
		d.UserManaged = true
	}
	d.BaseImage = ""
	return image, d, nil
}

func (c *conn) define(digest string, d driver.Definition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.defined[digest] = d
}

func (c *conn) definition(digest string) (driver.Definition, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.defined[digest]
	return d, ok
}

// builder makes the pod in which an environment is built.
func (c *conn) builder(ctx context.Context, digest, image string) (*object, error) {
	w, err := c.wantsOf(nil, 0)
	if err != nil {
		return nil, err
	}
	w.image = image
	for name := range w.limits { // a build needs no GPU
		if strings.Contains(name, "/") {
			delete(w.limits, name)
			delete(w.requests, name)
		}
	}
	owner, err := c.root(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.letPull(ctx, &w, image); err != nil {
		return nil, err
	}
	name := c.shortOf(digest)
	return c.make(ctx, jobsResource, c.pods.job(name, w, map[string]string{labelJob: name, labelBuild: name}, owner))
}

// handWithin is how long Build waits for the pod; a registry may take longer, and then it is called again.
const handWithin = 15 * time.Second

// handOver gives the definition to the agent in the builder's pod.
func (c *conn) handOver(ctx context.Context, j *object, r record, d driver.Definition) error {
	for begin := time.Now(); ; {
		p, err := c.podOf(ctx, j)
		switch {
		case err != nil:
			return err
		case p != nil && p.over():
			r.Status = failedBy(p.verdict())
			return c.conclude(ctx, r)
		case p != nil && p.runs():
			return c.agent(j.GetName(), *p).Build(ctx, r.Digest, d)
		case p != nil && p.waiting().State.Final():
			r.Status = failedBy(p.waiting())
			return c.conclude(ctx, r)
		case time.Since(begin) > handWithin:
			return pendingFault(p)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return pendingFault(p)
		}
	}
}

func pendingFault(p *pod) error {
	why := "its pod is not made yet"
	if p != nil {
		why = p.waiting().Message
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "BuilderPending", What: "the environment is not built yet", Why: why, Fix: "nothing: it is tried again; what it waits for stands here",
	}
}

// failedBy is a build whose pod ended so.
func failedBy(st driver.JobStatus) driver.BuildStatus {
	return driver.BuildStatus{
		State: driver.BuildFailed, Way: "pod", Reason: st.Reason, Message: "the pod that was to build it: " + st.Message,
		Fix: "see that the image can be fetched and has a shell; give the pod more memory by the target's default instance type",
	}
}

// conclude writes a build's end down; its pod is of no more use.
func (c *conn) conclude(ctx context.Context, r record) error {
	if err := c.keep(ctx, r); err != nil {
		return err
	}
	name := c.shortOf(r.Digest)
	c.forget(name)
	return c.remove(ctx, jobsResource, name)
}

// BuildStatus implements driver.EnvBuilder. What is built, and was never defined since the server started, is missing:
// it has to be told to the agents of runs.
func (c *conn) BuildStatus(ctx context.Context, digest string) (driver.BuildStatus, error) {
	if st, err := c.imageStatus(ctx, digest); err != nil || st.State != driver.BuildMissing {
		return st, err
	}
	r, err := c.record(ctx, digest)
	if err != nil {
		return driver.BuildStatus{}, err
	}
	if r.Digest == "" {
		if r, err = c.look(ctx, digest); err != nil || r.Digest == "" {
			return r.Status, err
		}
	}
	_, defined := c.definition(digest)
	if r.Status.State == driver.BuildDone && r.Python == "" && !defined {
		return driver.BuildStatus{State: driver.BuildMissing}, nil
	}
	return r.Status, nil
}

// look looks at the pod of a build, and writes its end down. A record without a digest is none.
func (c *conn) look(ctx context.Context, digest string) (record, error) {
	name := c.shortOf(digest)
	running := record{Status: driver.BuildStatus{State: driver.BuildRunning}}
	missing := record{Status: driver.BuildStatus{State: driver.BuildMissing}}
	p, err := c.builderPod(ctx, digest)
	if err != nil {
		return record{}, err
	}
	r := record{Digest: digest}
	if p != nil {
		r.Image = p.image()
	}
	switch {
	case p == nil || p.Metadata.Deletion != nil:
		return missing, nil
	case p.over():
		r.Status = failedBy(p.verdict())
		return r, c.conclude(ctx, r)
	case !p.runs():
		return missing, nil // nobody has told it what to build
	}
	a := c.agent(name, *p)
	if r.Status, err = a.BuildStatus(ctx, digest); err != nil {
		return record{}, err
	}
	switch r.Status.State {
	case driver.BuildMissing:
		return missing, nil
	case driver.BuildRunning:
		return running, nil
	case driver.BuildDone:
		r.Python = r.Status.Runtime.Python
		r.Status.Runtime = driver.Runtime{Prefix: envDir + "/" + digest}
	}
	if r.log, err = logOf(ctx, a, digest); err != nil {
		return record{}, err
	}
	return r, c.conclude(ctx, r)
}

// builderPod returns the pod of a build; nil: there is none.
func (c *conn) builderPod(ctx context.Context, digest string) (*pod, error) {
	j, err := c.get(ctx, jobsResource, c.shortOf(digest))
	if err != nil || j == nil {
		return nil, err
	}
	return c.podOf(ctx, j)
}

// logOf reads the end of a build's log.
func logOf(ctx context.Context, a *podAgent, digest string) (string, error) {
	in, err := a.BuildLog(ctx, digest, 0)
	if err != nil {
		return "", err
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if len(b) > maxRecordLog {
		b = b[len(b)-maxRecordLog:]
	}
	return strings.ToValidUTF8(string(b), "?"), err
}

// BuildLog implements driver.EnvBuilder.
func (c *conn) BuildLog(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
	if in, err := c.imageLog(ctx, digest, offset); err != nil || in != nil {
		return in, err
	}
	r, err := c.record(ctx, digest)
	if err != nil {
		return nil, err
	}
	if r.Digest != "" {
		return io.NopCloser(strings.NewReader(r.log[min(max(offset, 0), int64(len(r.log))):])), nil
	}
	p, err := c.builderPod(ctx, digest)
	if err != nil || p == nil || !p.runs() {
		return io.NopCloser(strings.NewReader("")), err
	}
	return c.agent(c.shortOf(digest), *p).BuildLog(ctx, digest, offset)
}

// prepare puts a run's environment into its pod; false: it is being built there. One that cannot be ends the run.
func (c *conn) prepare(ctx context.Context, a *podAgent, job *driver.Job) (ready bool, err error) {
	if job.Runtime.Image != "" {
		job.Runtime = driver.Runtime{Python: driver.ImageEnvironment + "/bin/python"}
		return true, nil
	}
	digest, is := digestOf(job.Runtime)
	if !is {
		return true, nil
	}
	r, err := c.record(ctx, digest)
	if err != nil {
		return false, err
	}
	if r.Python != "" {
		job.Runtime = driver.Runtime{Python: r.Python}
		return true, nil
	}
	d, defined := c.definition(digest)
	if !defined {
		return false, goneFault()
	}
	if err := a.Build(ctx, digest, d); err != nil {
		return false, err
	}
	st, err := a.BuildStatus(ctx, digest)
	switch {
	case err != nil || st.State == driver.BuildRunning:
		return false, err
	case st.State != driver.BuildDone:
		return false, c.settle(ctx, job.ID, driver.JobStatus{State: driver.JobFailed, Reason: "NotStarted", Message: "its environment cannot be built in its pod: " + st.Message})
	}
	job.Runtime = st.Runtime
	return true, nil
}

func goneFault() error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "EnvironmentMissing", What: "the job cannot be started", Why: "its environment is not known to this server, or no longer in the cluster", Fix: "build it again",
	}
}
