package modelmgmt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/model"
)

// wireModel is a version of a model (Model).
type wireModel struct {
	ID               string            `json:"id"`
	Name             string            `json:"name"`
	Framework        *string           `json:"framework"`
	FrameworkVersion *string           `json:"frameworkVersion"`
	Version          int               `json:"version"`
	URL              string            `json:"url"`
	Description      *string           `json:"description"`
	Created          time.Time         `json:"createdTime,omitzero"`
	Modified         time.Time         `json:"modifiedTime,omitzero"`
	Parent           *string           `json:"parentModelId"`
	Run              *string           `json:"runId"`
	Experiment       *string           `json:"experimentName"`
	Tags             map[string]string `json:"kvTags"`
	Properties       map[string]string `json:"properties"`
	Derived          []string          `json:"derivedModelIds"`
	CreatedBy        map[string]any    `json:"createdBy,omitempty"`
	extra
}

// extra is what only SDK v1 knows of a version. The server gives it back as it came.
type extra struct {
	MimeType     string          `json:"mimeType"`
	Unpack       bool            `json:"unpack"`
	Datasets     []dataset       `json:"datasets"`
	SampleInput  *string         `json:"sampleInputData"`
	SampleOutput *string         `json:"sampleOutputData"`
	Resources    json.RawMessage `json:"resourceRequirements,omitempty"`
}

type dataset struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// base is what a version's files were called: a file, or a folder that holds them.
type base struct {
	Name   string `json:"base,omitempty"`
	Folder bool   `json:"folder,omitempty"`
}

// definition is what a version keeps of both.
type definition struct {
	extra
	base
	Experiment string `json:"experiment,omitempty"`
}

func definitionOf(v model.Version) (d definition) {
	if len(v.Definition) > 0 {
		_ = json.Unmarshal(v.Definition, &d) // the server wrote it
	}
	d.MimeType = cmp.Or(d.MimeType, "application/json")
	if d.Datasets == nil {
		d.Datasets = []dataset{}
	}
	return d
}

func (d definition) encode() []byte {
	raw, _ := json.Marshal(d) // what it holds was JSON
	return raw
}

// baseOf names the files of versions that other clients registered after the end of their source.
func baseOf(v model.Version) base {
	d := definitionOf(v)
	if d.Name == "" {
		d.Name = path.Base(strings.TrimRight(v.Source, "/"))
	}
	if d.Name == "" || d.Name == "." || d.Name == "/" || strings.ContainsAny(d.Name, "?#:") {
		d.Name = "model"
	}
	return d.base
}

func idOf(v model.Version) string { return v.Model + ":" + strconv.Itoa(v.Number) }

// version looks up NAME:VERSION; without a version it is the latest.
func (d Deps) version(r *face.Request, id string) (model.Version, error) {
	name, number, _ := strings.Cut(id, ":")
	return d.Models.GetVersion(r.Context(), r.Key(name), number)
}

const assetScheme = "aml://asset/"

// toModel shows a version; names has the experiments of runs that were looked up already.
func (d Deps) toModel(r *face.Request, v model.Version, names map[string]string) wireModel {
	def := definitionOf(v)
	if def.Experiment == "" && v.Run != "" {
		known, ok := names[v.Run]
		if !ok {
			if found, err := d.Runs.Get(r.Context(), r.Key(v.Run)); err == nil {
				known = found.Experiment
			}
			names[v.Run] = known
		}
		def.Experiment = known
	}
	return wireModel{
		ID: idOf(v), Name: v.Model, Framework: face.OrNull(v.Framework), FrameworkVersion: face.OrNull(v.FrameworkVersion), Version: v.Number,
		URL: assetScheme + idOf(v), Description: face.OrNull(v.Description), Created: v.Created.UTC(), Modified: v.Updated.UTC(),
		Run: face.OrNull(v.Run), Experiment: face.OrNull(def.Experiment), Tags: face.OrEmpty(v.Tags), Properties: face.OrEmpty(v.Properties),
		CreatedBy: map[string]any{"userName": v.CreatedBy, "userObjectId": "", "userTenantId": ""}, extra: def.extra,
	}
}

// register makes a version under the next number. The same asset again is the same version.
func (d Deps) register(r *face.Request) (any, error) {
	in, err := face.Body[wireModel](r)
	if err != nil {
		return nil, err
	}
	id, ok := strings.CutPrefix(in.URL, assetScheme)
	if !ok {
		return nil, badAsset(strconv.Quote(in.URL), "a model's files are named by "+assetScheme+"ID", "make an asset first, as azureml-core 1.61 does")
	}
	from, err := d.filesOf(r, id)
	if err != nil {
		return nil, err
	}
	v, err := d.Models.CreateVersion(r.Context(), model.NewVersion{
		Workspace: r.Workspace, Model: in.Name, Request: "asset/" + id, Run: value(in.Run), Owner: from.owner, Path: from.path,
		Framework: value(in.Framework), FrameworkVersion: value(in.FrameworkVersion), Description: value(in.Description),
		Tags: in.Tags, Properties: in.Properties,
		Definition: definition{in.extra, from.base, value(in.Experiment)}.encode(),
	})
	if err != nil {
		return nil, err
	}
	return d.toModel(r, v, map[string]string{}), nil
}

// filesOf finds the files of an asset, or of a version that is one.
func (d Deps) filesOf(r *face.Request, id string) (source, error) {
	if strings.Contains(id, ":") {
		v, err := d.version(r, id)
		return source{owner: v.ID, base: baseOf(v)}, err
	}
	a, err := d.Models.GetAsset(r.Context(), r.Key(id))
	if err != nil {
		return source{}, err
	}
	return d.sourceOf(r, a)
}

func (d Deps) get(r *face.Request) (any, error) {
	v, err := d.version(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return d.toModel(r, v, map[string]string{}), nil
}

func (d Deps) remove(r *face.Request) (any, error) {
	v, err := d.version(r, r.PathValue("id"))
	if fault.CodeOf(err) == fault.NotFound {
		return face.Status{Code: http.StatusNoContent}, nil
	}
	if err != nil {
		return nil, err
	}
	return face.Status{Code: http.StatusOK}, d.Models.DeleteVersion(r.Context(), v.ModelKey(), v.Number)
}

// operation is one of a JSON patch.
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

func (d Deps) patch(r *face.Request) (any, error) {
	ops, err := face.Body[[]operation](r)
	if err != nil {
		return nil, err
	}
	v, err := d.version(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v, err = d.Models.EditVersion(r.Context(), v.ModelKey(), v.Number, func(v *model.Version) error {
		for _, op := range ops {
			if err := op.apply(v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d.toModel(r, v, map[string]string{}), nil
}

// apply does what the SDK asks for: it sends whole maps, also of what is to be added to.
func (op operation) apply(v *model.Version) (err error) {
	def := definitionOf(*v)
	switch op.Path {
	case "/kvTags":
		v.Tags = nil
		err = json.Unmarshal(op.Value, &v.Tags)
	case "/properties":
		err = json.Unmarshal(op.Value, &v.Properties) // into those that are there
	case "/description":
		err = json.Unmarshal(op.Value, &v.Description)
	case "/sampleInputData":
		err = json.Unmarshal(op.Value, &def.SampleInput)
	case "/sampleOutputData":
		err = json.Unmarshal(op.Value, &def.SampleOutput)
	case "/resourceRequirements":
		def.Resources = op.Value
	case "/datasets":
		var more []dataset
		err = json.Unmarshal(op.Value, &more)
		def.Datasets = with(def.Datasets, more)
	default:
		err = fmt.Errorf("the server changes no %q of a model", op.Path)
	}
	if err == nil && op.Op != "add" && op.Op != "replace" {
		err = fmt.Errorf("the operation %q is none that azureml-core sends", op.Op)
	}
	if err != nil {
		return &fault.Error{
			Code: fault.Invalid, Reason: "PatchInvalid", What: "cannot change the model " + idOf(*v), Why: err.Error(),
			Fix: "change tags, properties, the description, datasets or the resource requirements", Field: op.Path,
		}
	}
	if strings.HasPrefix(op.Path, "/sample") || op.Path == "/resourceRequirements" || op.Path == "/datasets" {
		v.Definition = def.encode()
	}
	return nil
}

// with adds datasets that are not there yet.
func with(have, more []dataset) []dataset {
	for _, m := range more {
		known := false
		for _, h := range have {
			known = known || h == m
		}
		if !known {
			have = append(have, m)
		}
	}
	return have
}
