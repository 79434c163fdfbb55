package model

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// NewVersion asks for a version of a model.
type NewVersion struct {
	Workspace, Model string
	Request          string // a name of the client's own making: the same again is the same version; "" is none
	// Where its files come from: a run or a logged model, and a file or a folder there ("" is all). With
	// neither it has no files, unless Upload says that they come with PutFile and Finish.
	// Owner names the owner of the files where it is neither of them: of an upload that the caller may read.
	Run, Logged, Owner, Path string
	Upload                   bool

	Source                      string
	Environment                 string // "" is the run's
	Framework, FrameworkVersion string
	Description                 string
	Tags, Properties            map[string]string
	Definition                  []byte // see Version.Definition
}

// CreateVersion registers a version under the next number, with the files shared in the same
// transaction. A model of the name is made if there is none. It fails with fault.NotFound, Reason
// "ArtifactNotFound", if there is no file at the path, and then there is no version.
func (s *Service) CreateVersion(ctx context.Context, r NewVersion) (Version, error) {
	v, links, err := s.plan(ctx, r)
	if err != nil {
		return v, err
	}
	if _, err := s.Ensure(ctx, Model{Workspace: r.Workspace, Name: r.Model}); err != nil {
		return v, err
	}
	f, err := s.Versions.Change(ctx, v.ModelKey(), Want{Request: v.Request}, func(f *Family) ([]store.Effect, error) {
		if len(f.Versions) > 0 {
			return nil, nil // it was asked for before
		}
		return f.add(ctx, v, links), nil
	})
	if err != nil {
		return v, err
	}
	return f.Versions[0], nil
}

func (s *Service) plan(ctx context.Context, r NewVersion) (v Version, links []object.Link, err error) {
	if err := identity.Require(ctx, r.Workspace, identity.Tracker); err != nil {
		return v, nil, err
	}
	if err := r.check(); err != nil {
		return v, nil, err
	}
	now := time.Now()
	v = Version{
		Workspace: r.Workspace, Model: r.Model, ID: id.New(), Request: r.Request, Source: r.Source, Environment: r.Environment,
		Stage: None, Status: Ready, Framework: r.Framework, FrameworkVersion: r.FrameworkVersion, Description: r.Description,
		Tags: r.Tags, Properties: r.Properties, Definition: r.Definition, CreatedBy: identity.From(ctx).Name, Created: now, Updated: now,
	}
	if r.Upload {
		v.Status, v.Message = Pending, "its files are being uploaded"
	}
	owner, err := s.origin(ctx, r, &v)
	if owner != "" && !r.Upload {
		links = []object.Link{{From: owner, Path: r.Path, To: v.ID}}
	}
	return v, links, err
}

// origin finds the owner of the files that a version is made of, and notes where it comes from.
func (s *Service) origin(ctx context.Context, r NewVersion, v *Version) (owner string, err error) {
	if r.Run != "" {
		run, err := s.Run(ctx, store.Key{Workspace: r.Workspace, Name: r.Run})
		if err != nil {
			return "", err
		}
		v.Run, v.RunID, v.Snapshot, v.Environment = run.Name, run.ID, run.Snapshot, cmp.Or(v.Environment, run.Environment)
		owner = run.ID
	}
	if r.Logged != "" {
		l, err := s.GetLogged(ctx, store.Key{Workspace: r.Workspace, Name: r.Logged})
		if err != nil {
			return "", err
		}
		v.Logged, owner = l.ID, l.ID
		v.RunID = cmp.Or(v.RunID, l.RunID)
	}
	return cmp.Or(r.Owner, owner), nil
}

func (r NewVersion) check() error {
	if err := checkModel(Model{Name: r.Model}); err != nil {
		return err
	}
	if r.Request != "" {
		if err := id.CheckName("request", r.Request); err != nil {
			return err
		}
	}
	if r.Path != "" {
		if err := object.CheckPath(r.Path); err != nil {
			return err
		}
	}
	return cmp.Or(checkLabels("tags", r.Tags), checkLabels("properties", r.Properties))
}

func (f *Family) add(ctx context.Context, v Version, links []object.Link) []store.Effect {
	f.Model.Numbered++
	v.Number = f.Model.Numbered
	if v.Status == Ready {
		f.Model.Latest = v.Number
	}
	f.Model.Updated = v.Created
	f.Versions, f.Links = []Version{v}, links
	return []store.Effect{v.emit(ctx, f.Model, "model.version_created")}
}

func (v Version) emit(ctx context.Context, m Model, typ string) store.Effect {
	return m.emit(ctx, typ, map[string]string{"version": strconv.Itoa(v.Number), "stage": string(v.Stage), "status": string(v.Status), "run": v.Run})
}

// GetVersion returns the version that a reference means: a number, "latest" (or "") for the newest that
// is Ready, or an alias. It fails with fault.NotFound, Reason "ModelNotFound" or "ModelVersionNotFound".
func (s *Service) GetVersion(ctx context.Context, k store.Key, ref string) (Version, error) {
	m, err := s.Get(ctx, k)
	if err != nil {
		return Version{}, err
	}
	n := m.resolve(ref)
	v, err := s.Versions.Get(ctx, Version{Workspace: k.Workspace, Model: k.Name, Number: n}.Key())
	if fault.CodeOf(err) == fault.NotFound {
		err = versionNotFound(k.Name, cmp.Or(ref, "latest"))
	}
	return v, err
}

// resolve returns the number that a reference means; 0 for none.
func (m Model) resolve(ref string) int {
	if ref == "" || ref == "latest" {
		return m.Latest
	}
	if n, ok := m.Aliases[ref]; ok {
		return n
	}
	n, err := strconv.Atoi(ref)
	if err != nil || strconv.Itoa(n) != ref {
		return 0
	}
	return n
}

// ListVersions returns versions, by model and then the newest first.
func (s *Service) ListVersions(ctx context.Context, f VersionFilter, p store.Page) ([]Version, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Versions.List(ctx, f, p)
}

// LatestVersions returns the newest version in each stage, for the stages that have one.
func (s *Service) LatestVersions(ctx context.Context, k store.Key) ([]Version, error) {
	var out []Version
	for _, stage := range Stages() {
		list, _, err := s.ListVersions(ctx, VersionFilter{Workspace: k.Workspace, Model: k.Name, Stage: stage}, store.Page{Limit: 1})
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// edit changes one version and tells it. The version's own fields only: its place in the model is
// changed by Change.
func (s *Service) edit(ctx context.Context, k store.Key, number int, typ string, change func(*Version) error) (Version, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Version{}, err
	}
	f, err := s.Versions.Change(ctx, k, Want{Number: number}, func(f *Family) ([]store.Effect, error) {
		if len(f.Versions) == 0 {
			return nil, versionNotFound(k.Name, strconv.Itoa(number))
		}
		v := &f.Versions[0]
		if err := change(v); err != nil {
			return nil, err
		}
		v.Updated, f.Model.Updated = time.Now(), time.Now()
		f.Model.Latest = max(f.Model.Latest, v.ready())
		return []store.Effect{v.emit(ctx, f.Model, typ)}, nil
	})
	if err != nil {
		return Version{}, err
	}
	return f.Versions[0], nil
}

// ready returns the number of a version that is Ready, else 0.
func (v Version) ready() int {
	if v.Status == Ready {
		return v.Number
	}
	return 0
}

// UpdateVersion changes a version. Again, it changes nothing.
func (s *Service) UpdateVersion(ctx context.Context, k store.Key, number int, c Change) (Version, error) {
	if err := cmp.Or(checkLabels("tags", c.Tags), checkLabels("properties", c.Properties)); err != nil {
		return Version{}, err
	}
	return s.edit(ctx, k, number, "model.version_updated", func(v *Version) error {
		if c.Description != nil {
			v.Description = *c.Description
		}
		v.Tags, v.Properties = labels(v.Tags, c.Tags, c.RemoveTags), labels(v.Properties, c.Properties, nil)
		return nil
	})
}

// EditVersion changes the description, tags, properties and definition of a version to what edit leaves, which
// may be called several times. Properties never change once they are set: that is fault.Invalid, Reason
// "PropertyChanged".
func (s *Service) EditVersion(ctx context.Context, k store.Key, number int, edit func(*Version) error) (Version, error) {
	return s.edit(ctx, k, number, "model.version_updated", func(v *Version) error {
		after := *v
		after.Tags, after.Properties = maps.Clone(v.Tags), maps.Clone(v.Properties)
		if err := edit(&after); err != nil {
			return err
		}
		if err := cmp.Or(checkLabels("tags", after.Tags), checkLabels("properties", after.Properties)); err != nil {
			return err
		}
		for name, value := range v.Properties {
			if after.Properties[name] != value {
				return propertyChanged(name)
			}
		}
		v.Description, v.Tags, v.Properties, v.Definition = after.Description, after.Tags, after.Properties, after.Definition
		return nil
	})
}

func propertyChanged(name string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "PropertyChanged", What: fmt.Sprintf("cannot change the property %.100q of the model", name),
		Why: "properties never change once they are set", Fix: "set a tag, which may change", Field: "properties",
	}
}

// Transition moves a version to a stage. With Archive, the others in that stage are Archived.
type Transition struct {
	Stage   Stage
	Archive bool
}

// TransitionStage moves a version to a stage.
func (s *Service) TransitionStage(ctx context.Context, k store.Key, number int, t Transition) (Version, error) {
	if err := cmp.Or(identity.Require(ctx, k.Workspace, identity.Tracker), t.check()); err != nil {
		return Version{}, err
	}
	want, now := Want{Number: number}, time.Now()
	if t.Archive {
		want.Stage = t.Stage
	}
	var moved Version
	_, err := s.Versions.Change(ctx, k, want, func(f *Family) ([]store.Effect, error) {
		i := slices.IndexFunc(f.Versions, func(v Version) bool { return v.Number == number })
		if i < 0 {
			return nil, versionNotFound(k.Name, strconv.Itoa(number))
		}
		var then []store.Effect
		for j := range f.Versions {
			v, stage := &f.Versions[j], Archived
			if j == i {
				stage = t.Stage
			}
			if v.Stage != stage {
				v.Stage, v.Updated, f.Model.Updated = stage, now, now
				then = append(then, v.emit(ctx, f.Model, "model.stage_changed"))
			}
		}
		moved = f.Versions[i]
		return then, nil
	})
	return moved, err
}

func (t Transition) check() error {
	why := ""
	switch {
	case !slices.Contains(Stages(), t.Stage):
		why = "the stages are None, Staging, Production and Archived"
	case t.Archive && (t.Stage == None || t.Stage == Archived):
		why = "other versions are archived only for Staging and Production"
	default:
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "StageInvalid", What: "the version cannot be moved to the stage " + strconv.Quote(string(t.Stage)),
		Why: why, Fix: "choose one of them", Field: "stage",
	}
}

// DeleteVersion deletes a version, its aliases and its files. One that is not there is no error.
func (s *Service) DeleteVersion(ctx context.Context, k store.Key, number int) error {
	if err := identity.Require(ctx, k.Workspace, identity.Contributor); err != nil {
		return err
	}
	now := time.Now()
	_, err := s.Versions.Change(ctx, k, Want{All: true}, func(f *Family) ([]store.Effect, error) {
		i := slices.IndexFunc(f.Versions, func(v Version) bool { return v.Number == number })
		if i < 0 {
			return nil, nil
		}
		gone := f.Versions[i]
		f.Versions = slices.Delete(f.Versions, i, i+1)
		f.Model.Latest, f.Model.Updated = 0, now
		for _, v := range f.Versions {
			f.Model.Latest = max(f.Model.Latest, v.ready())
		}
		f.Model.Aliases = labels(f.Model.Aliases, nil, f.Model.aliasesOf(number))
		return []store.Effect{gone.emit(ctx, f.Model, "model.version_deleted")}, nil
	})
	if fault.ReasonOf(err) == "ModelNotFound" {
		return nil
	}
	return err
}

func (m Model) aliasesOf(number int) (names []string) {
	for name, n := range m.Aliases {
		if n == number {
			names = append(names, name)
		}
	}
	return names
}

// AliasesOf returns the aliases of a version, sorted.
func (m Model) AliasesOf(number int) []string {
	names := m.aliasesOf(number)
	slices.Sort(names)
	return names
}

// PutFile uploads a file of a version that is Pending. It fails with fault.Precondition, Reason
// "ModelVersionReady": the files of a version never change.
func (s *Service) PutFile(ctx context.Context, k store.Key, number int, path string, body io.Reader) (object.File, error) {
	if err := cmp.Or(identity.Require(ctx, k.Workspace, identity.Tracker), object.CheckPath(path)); err != nil {
		return object.File{}, err
	}
	v, err := s.GetVersion(ctx, k, strconv.Itoa(number))
	if err != nil {
		return object.File{}, err
	}
	if v.Status != Pending {
		return object.File{}, complete(v)
	}
	return s.Files.Put(ctx, v.ID, path, object.Received(body, ""))
}

func complete(v Version) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ModelVersionReady", What: "cannot change the files of version " + strconv.Itoa(v.Number) + " of " + v.Model,
		Why: "it is " + string(v.Status) + ": a version's files never change", Fix: "register another version",
	}
}

// Finish ends the upload of a version: with message "" it is Ready, else it has Failed for that reason.
// Again, it changes nothing.
func (s *Service) Finish(ctx context.Context, k store.Key, number int, message string) (Version, error) {
	return s.edit(ctx, k, number, "model.version_finished", func(v *Version) error {
		want := Ready
		if message != "" {
			want = Failed
		}
		if v.Status != Pending && v.Status != want {
			return complete(*v)
		}
		v.Status, v.Message = want, message
		return nil
	})
}

// ListFiles returns the files of a version below a prefix of their paths.
func (s *Service) ListFiles(ctx context.Context, k store.Key, ref, prefix string, p store.Page) ([]object.File, string, error) {
	v, err := s.GetVersion(ctx, k, ref)
	if err != nil {
		return nil, "", err
	}
	return s.Files.List(ctx, v.ID, prefix, p)
}

// OpenFile opens a file of a version. It fails with fault.NotFound, Reason "ArtifactNotFound".
func (s *Service) OpenFile(ctx context.Context, k store.Key, ref, path string, offset int64) (object.File, io.ReadCloser, error) {
	v, err := s.GetVersion(ctx, k, ref)
	if err != nil {
		return object.File{}, nil, err
	}
	return s.Files.Open(ctx, v.ID, path, offset)
}
