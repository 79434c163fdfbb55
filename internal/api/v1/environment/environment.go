// Package environment answers for the environments of a workspace, as azureml-core's Environment calls them.
package environment

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/envwire"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Deps is what the part stands on.
type Deps struct {
	Environments *environment.Service
	// LogURL returns where the log of a build is read without a login: of "name:version" on a target.
	LogURL func(r *face.Request, ref, target string) string
}

// Calls returns what the part answers.
func Calls(d Deps) []face.Call {
	const all = "/environment/v1.0" + face.WS + "/environments"
	const one, version = all + "/{name}", all + "/{name}/versions/{version}"
	const build = "/environment/v2.0" + face.WS + "/environments/{name}/versions/{version}/image"
	const latest = "/environment/v2.0" + face.WS + "/environments/{name}/image"
	return []face.Call{
		{Method: http.MethodPut, Path: one, What: "Registers an environment under the next version", Do: d.register},
		{Method: http.MethodPut, Path: version, What: "Registers an environment under a version", Do: d.register},
		{Method: http.MethodGet, Path: one, What: "Returns the newest version of an environment", Do: d.get},
		{Method: http.MethodGet, Path: version, What: "Returns a version of an environment", Do: d.get},
		{Method: http.MethodGet, Path: one + "/labels/{label}", What: "Returns the version of an environment that a label is on", Do: d.labelled},
		{Method: http.MethodGet, Path: all + "/{$}", What: "Lists environments, each with its newest version", Do: d.list},
		{Method: http.MethodPut, Path: version + "/metadata", What: "Labels a version of an environment", Do: d.label},
		{Method: http.MethodGet, Path: one + "/image", What: "Describes the image of an environment's newest version", Do: d.image},
		{Method: http.MethodGet, Path: version + "/image", What: "Describes the image of an environment", Do: d.image},
		{Method: http.MethodPost, Path: one + "/recipe", What: "Returns scripts that build the newest version on the client's machine", Do: d.recipe},
		{Method: http.MethodPost, Path: version + "/recipe", What: "Returns scripts that build an environment on the client's machine", Do: d.recipe},
		{Method: http.MethodPost, Path: latest, What: "Builds the newest version on the server's machine", Do: d.build},
		{Method: http.MethodPost, Path: build, What: "Builds an environment on the server's machine", Do: d.build},
		{Method: http.MethodPost, Path: build + "oncompute/{compute}", What: "Builds an environment on a compute target", Do: d.build},
		{Method: http.MethodGet, Path: build + "/builds/{compute}", What: "Returns the state of a build", Do: d.buildState},
	}
}

// ref returns how the domain names what the path names.
func ref(r *face.Request) (string, error) {
	name, version := r.PathValue("name"), r.PathValue("version")
	if version == "" {
		return name, nil
	}
	n, err := number(version)
	return name + ":" + strconv.Itoa(n), err
}

func number(version string) (int, error) {
	if n, err := strconv.Atoi(version); err == nil && n > 0 && n < 1e9 && strconv.Itoa(n) == version {
		return n, nil
	}
	return 0, &fault.Error{
		Code: fault.Invalid, Reason: "EnvironmentVersionInvalid", What: "there is no such version of an environment",
		Why: strconv.Quote(version) + " is no number, and versions are numbers from 1 here", Fix: "take a number, or leave the version out: then it is the next or the newest", Field: "version",
	}
}

// curated is how the names of the environments begin that Microsoft keeps for everyone.
const curated = "AzureML-"

// found adds to a fault about a name that only Azure has.
func found(name string, err error) error {
	if fault.CodeOf(err) != fault.NotFound || !strings.HasPrefix(strings.ToLower(name), strings.ToLower(curated)) {
		return err
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "EnvironmentCurated", What: "there is no environment " + strconv.Quote(name),
		Why: "it is one of those that Microsoft keeps in Azure, and this server does not have their images",
		Fix: "make one of its packages: Environment.from_conda_specification or Environment.from_pip_requirements, or register one under this name", Field: "name",
	}
}

func (d Deps) register(r *face.Request) (any, error) {
	fields, err := face.Body[map[string]json.RawMessage](r)
	if err != nil {
		return nil, err
	}
	document, err := kept(fields)
	if err != nil {
		return nil, err
	}
	document, _ = envwire.Scrub(document)
	e := environment.Environment{Workspace: r.Workspace, Name: r.PathValue("name"), Document: document}
	if _, e.Definition, _, err = envwire.Decode(document, false); err != nil {
		return nil, err
	}
	if v := r.PathValue("version"); v == "" {
		e, err = d.Environments.Register(r.Context(), e)
	} else if e.Version, err = number(v); err == nil {
		e, err = d.Environments.RegisterAs(r.Context(), e)
	}
	if err != nil {
		return nil, err
	}
	return d.show(e)
}

// kept is what is stored of a definition: its fields in camelCase and in one order, without its name. A
// client writes some of them in PascalCase when it registers, and reads camelCase.
func kept(fields map[string]json.RawMessage) ([]byte, error) {
	out := map[string]any{}
	for name, value := range fields {
		if name == "" {
			continue
		}
		name = strings.ToLower(name[:1]) + name[1:]
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return nil, err
		}
		switch name {
		case "name", "version", "assetId":
		default:
			out[name] = v
		}
	}
	return json.Marshal(out)
}

// show returns an environment as clients read it.
func (d Deps) show(e environment.Environment) (map[string]any, error) {
	document, err := e.Document, error(nil)
	if document == nil {
		document, err = envwire.Encode(e.Name, e.Version, e.Definition)
	}
	out := map[string]any{}
	if err == nil {
		err = json.Unmarshal(document, &out)
	}
	if err != nil {
		return nil, err
	}
	version := strconv.Itoa(e.Version)
	out["name"], out["version"] = e.Name, version
	out["assetId"] = "azureml://environments/" + e.Name + "/versions/" + version
	for name, v := range map[string]any{ // a dict with name and version alone is read as a reference
		"environmentVariables": map[string]any{}, "python": map[string]any{}, "docker": map[string]any{},
		"spark": nil, "databricks": nil, "r": nil, "inferencingStackVersion": nil,
	} {
		if _, ok := out[name]; !ok {
			out[name] = v
		}
	}
	return out, nil
}

func (d Deps) get(r *face.Request) (any, error) {
	e, err := d.of(r)
	if err != nil {
		return nil, err
	}
	return d.show(e)
}

func (d Deps) of(r *face.Request) (environment.Environment, error) {
	name, err := ref(r)
	if err != nil {
		return environment.Environment{}, err
	}
	e, err := d.Environments.Get(r.Context(), r.Workspace, name)
	return e, found(r.PathValue("name"), err)
}

func (d Deps) labelled(r *face.Request) (any, error) {
	e, err := d.Environments.Labelled(r.Context(), r.Workspace, r.PathValue("name"), r.PathValue("label"))
	if err != nil {
		return nil, found(r.PathValue("name"), err)
	}
	return d.show(e)
}

func (d Deps) label(r *face.Request) (any, error) {
	body, err := face.Body[struct{ Labels []string }](r)
	if err != nil {
		return nil, err
	}
	name, err := ref(r)
	if err != nil {
		return nil, err
	}
	e, err := d.Environments.Label(r.Context(), r.Workspace, name, body.Labels)
	if err != nil {
		return nil, err
	}
	return map[string]any{"labels": e.Labels}, nil
}

// list answers with the newest version of each name. The pages of the store are by name and the newest
// first, so that a name's newest version stands where the name begins.
func (d Deps) list(r *face.Request) (any, error) {
	items := []any{}
	err := d.newest(r.Context(), r.Workspace, func(e environment.Environment) error {
		doc, err := d.show(e)
		items = append(items, doc)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"value": items, "continuationToken": nil}, nil
}

func (d Deps) newest(ctx context.Context, workspace string, do func(environment.Environment) error) error {
	last, page := "", store.Page{Limit: 1000}
	for {
		list, next, err := d.Environments.List(ctx, environment.Filter{Workspace: workspace}, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Name == last {
				continue
			}
			last = e.Name
			if err := do(e); err != nil {
				return err
			}
		}
		if page.Cursor = next; next == "" {
			return nil
		}
	}
}
