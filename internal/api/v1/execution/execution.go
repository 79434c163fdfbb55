// Package execution starts runs as azureml-core asks for them: on a compute target, or, for the target local, by
// scripts that the client runs itself.
package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/api/v1/envwire"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// Deps is what the part stands on.
type Deps struct {
	Runs         *run.Service
	Computes     *compute.Service
	Environments *environment.Service
	// Variables returns those of a run's own process, for one that reaches the server at url.
	Variables func(ctx context.Context, r run.Run, url string) (map[string]string, error)
}

const base = "/execution/v1.0" + face.WS + "/experiments/{experiment}"

// Calls returns what the part answers.
func Calls(d Deps) []face.Call {
	const zips = "code is sent as a snapshot: leave AML_FORCE_EXECUTE_WITH_ZIP unset"
	const prepare = "environments are built when a run needs them: submit it, or build the environment"
	return []face.Call{
		{Method: "POST", Path: base + "/snapshotrun", What: "Starts a run from a snapshot", Do: d.snapshotRun},
		{Method: "POST", Path: base + "/localrun", What: "Returns what the client runs itself, for the target local", Do: d.localRun},
		{Method: "POST", Path: base + "/runs/{run}/cancel", What: "Cancels a run", Do: d.cancel},
		{Method: "POST", Path: base + "/startrun", What: "Starts a run from a ZIP file", Refuse: zips},
		{Method: "POST", Path: base + "/localprepare", What: "Prepares the client's machine", Refuse: prepare},
		{Method: "POST", Path: base + "/snapshotprepare", What: "Prepares a compute target", Refuse: prepare},
		{Method: "POST", Path: base + "/snapshotcheckprepare", What: "Asks whether a compute target is prepared", Refuse: prepare},
		{Method: "POST", Path: base + "/startprepare", What: "Prepares a compute target with a ZIP file", Refuse: prepare},
		{Method: "POST", Path: base + "/startcheckprepare", What: "Asks whether a compute target is prepared, with a ZIP file", Refuse: prepare},
		{Method: "POST", Path: "/execution/v1.0" + face.WS + "/snapshotrun", What: "Starts a run from a Git repository", Refuse: "the server reaches no Git repository: submit a folder that was cloned"},
	}
}

// properties of a run that clients look for.
const (
	snapshotProperty = "ContentSnapshotId"
	targetProperty   = "_azureml.ComputeTargetType"
)

// snapshotRun starts a run under the name that the client chose. It may ask twice.
func (d Deps) snapshotRun(r *face.Request) (any, error) {
	def, err := face.Body[definition](r)
	if err != nil {
		return nil, err
	}
	p, err := read(def, func(target string) (ability, error) { return d.abilityOf(r, target) })
	if err != nil {
		return nil, err
	}
	if def.SnapshotID != "" {
		c, err := d.Runs.CodeOf(r.Context(), r.Key(def.SnapshotID))
		if err != nil {
			return nil, err
		}
		p.spec.Snapshot = c.Snapshot
	}
	if err := d.dropBare(r, &p); err != nil {
		return nil, err
	}
	if p.spec.Environment, err = d.environment(r, p); err != nil {
		return nil, err
	}
	if p.spec.GPUs, err = d.gpus(r, p.spec.Target); err != nil {
		return nil, err
	}
	properties := map[string]string{targetProperty: "remote"}
	if def.SnapshotID != "" {
		properties[snapshotProperty] = def.SnapshotID
	}
	started, _, err := d.Runs.Submit(r.Context(), run.Request{
		Workspace: r.Workspace, Name: r.URL.Query().Get("runId"), Experiment: r.PathValue("experiment"), Parent: def.ParentRunID,
		Properties: properties, Definition: p.document, Warnings: p.warnings, Spec: p.spec,
	})
	return map[string]string{"runId": started.Name}, err
}

// environment registers the run's environment, if it is not one that is there, and returns its reference.
func (d Deps) environment(r *face.Request, p plan) (string, error) {
	if len(p.Environment) == 0 || string(p.Environment) == "null" {
		return "", nil
	}
	if p.named {
		if p.env.Version == "" {
			return p.env.Name, nil
		}
		return p.env.Name + ":" + p.env.Version, nil
	}
	e, err := d.Environments.Register(r.Context(), environment.Environment{
		Workspace: r.Workspace, Name: envwire.Plain(p.env.Name), Definition: p.made, Document: p.Environment,
	})
	return e.Key().Name, err
}

// gpus returns how many GPUs the run gets: all of a machine, as in Azure, where a run has its node for itself.
func (d Deps) gpus(r *face.Request, target string) (n int, err error) {
	t, err := d.Computes.Get(r.Context(), compute.KeyOf(r.Workspace, target))
	for _, m := range t.Status.Seen.Machines {
		n = max(n, m.GPUs)
	}
	return n, err
}

func (d Deps) cancel(r *face.Request) (any, error) {
	_, err := d.Runs.Cancel(r.Context(), r.Key(r.PathValue("run")))
	return map[string]any{}, err
}

// localRun records a run that the client executes, and returns a ZIP file with what it needs for that.
func (d Deps) localRun(r *face.Request) (any, error) {
	def, err := multipartDefinition(r)
	if err != nil {
		return nil, err
	}
	p, err := read(def, func(string) (ability, error) { return ability{}, nil })
	if err != nil {
		return nil, err
	}
	p.spec.Target = "local"
	started, _, err := d.Runs.CreateExternal(r.Context(), run.ExternalRequest{
		Workspace: r.Workspace, Name: r.URL.Query().Get("runId"), Experiment: r.PathValue("experiment"), Parent: def.ParentRunID,
		Properties: map[string]string{targetProperty: "local"}, Definition: p.document, Spec: p.spec, State: run.NotStarted,
	})
	if err != nil {
		return nil, err
	}
	if who := identity.From(r.Context()).Name; who != started.CreatedBy {
		return nil, &fault.Error{
			Code: fault.Denied, Reason: "RunOfAnother", What: fmt.Sprintf("cannot execute the run %q for %q", started.Name, who),
			Why: "with its token one logs as who made the run: " + started.CreatedBy, Fix: "submit it again, under a name of your own",
		}
	}
	body, err := d.invocation(r, started, p)
	if err != nil {
		return nil, err
	}
	r.W.Header().Set("Content-Type", "application/zip")
	r.W.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = r.W.Write(body) // the caller may have gone
	return face.Answered{}, nil
}

// maxParts bounds what comes with a definition: the client sends its configuration folder, which says nothing more.
const maxParts = 512 << 20

func multipartDefinition(r *face.Request) (d definition, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return d, badConfig("it is no multipart request", "")
	}
	parts := multipart.NewReader(http.MaxBytesReader(r.W, r.Request.Body, maxParts), params["boundary"])
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped it is that of a body that ends early
			return d, badConfig("it has no part definition.json", "")
		}
		if err != nil {
			return d, &fault.Error{
				Code: fault.Invalid, Reason: "BodyInvalid", What: "the server does not understand the request", Why: "its parts end too early", Fix: "send it again", Err: err,
			}
		}
		if part.FileName() != "definition.json" {
			continue
		}
		if err := json.NewDecoder(io.LimitReader(part, r.BodyLimit)).Decode(&d); err != nil {
			return d, badConfig("its definition.json cannot be read: "+err.Error(), "")
		}
		return d, nil
	}
}
