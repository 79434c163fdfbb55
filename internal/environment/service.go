package environment

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Config is what a Service stands on.
type Config struct {
	Environments Store
	Builds       BuildStore
	Computes     *compute.Service
	Blobs        blob.Store
	Log          *slog.Logger
}

// Service registers environments and has them built. Its methods may be called from several
// goroutines.
type Service struct{ Config }

// New returns a Service.
func New(c Config) *Service { return &Service{c} }

// Register adds a version of an environment. A definition that a version has already is that
// version: nothing is added.
//
// A Document is compared too: another one for the same definition is a version of its own.
func (s *Service) Register(ctx context.Context, e Environment) (Environment, error) {
	what := fmt.Sprintf("cannot register environment %q", e.Name)
	e, err := s.prepare(ctx, e)
	if err != nil {
		return e, fault.Doing(what, err)
	}
	for {
		versions, _, err := s.Environments.List(ctx, Filter{Workspace: e.Workspace, Name: e.Name}, store.Page{Limit: 1000})
		if err != nil {
			return e, fault.Doing(what, err)
		}
		e.Version = 1
		for _, v := range versions {
			if v.same(e) {
				return v, nil
			}
			e.Version = max(e.Version, v.Version+1)
		}
		err = s.Environments.Insert(ctx, e, e.registered())
		if fault.CodeOf(err) != fault.Exists {
			return e, fault.Doing(what, err)
		}
	}
}

// prepare checks an environment and fills in what the service says of it.
func (s *Service) prepare(ctx context.Context, e Environment) (Environment, error) {
	plan, err := s.check(ctx, e)
	if err != nil {
		return e, err
	}
	e.Definition.Env = merged(plan.Variables, e.Definition.Env)
	e.Digest, e.Labels, e.CreatedBy, e.Created = Digest(e.Definition), nil, identity.From(ctx).Name, time.Now()
	return e, nil
}

// same reports whether a version says what e says. One without a document asks for the definition alone.
func (v Environment) same(e Environment) bool {
	return v.Digest == e.Digest && (e.Document == nil || bytes.Equal(v.Document, e.Document))
}

func (e Environment) registered() store.Effect {
	return store.Emit{
		Workspace: e.Workspace, Subject: "environment/" + e.Name, Type: "environment.registered",
		Actor: e.CreatedBy, Data: map[string]string{"version": strconv.Itoa(e.Version)},
	}
}

// merged adds the variables of the conda specification to those of the definition, which win.
func merged(conda, own map[string]string) map[string]string {
	if len(conda) == 0 {
		return own
	}
	out := maps.Clone(conda)
	maps.Copy(out, own)
	return out
}

func (s *Service) check(ctx context.Context, e Environment) (plan conda.Plan, err error) {
	if err := identity.Require(ctx, e.Workspace, identity.Contributor); err != nil {
		return plan, err
	}
	if err := id.CheckName("name", e.Name); err != nil {
		return plan, err
	}
	if strings.Contains(e.Name, ":") {
		return plan, &fault.Error{
			Code: fault.Invalid, Reason: "NameInvalid", What: "the name cannot be used",
			Why: "a colon separates an environment's name from its version", Fix: "choose a name without a colon", Field: "name",
		}
	}
	if e.Definition.UserManaged {
		return plan, nil
	}
	return conda.Translate(e.Definition.Conda, e.Definition.Pip)
}

// Get returns the version that a reference means: "name" and "name:latest" are the newest,
// "name:3" the third. It fails with fault.NotFound, Reason "EnvironmentNotFound".
func (s *Service) Get(ctx context.Context, workspace, ref string) (Environment, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Environment{}, err
	}
	name, version, _ := strings.Cut(ref, ":")
	if version == "" || version == "latest" {
		list, _, err := s.Environments.List(ctx, Filter{Workspace: workspace, Name: name}, store.Page{Limit: 1})
		if err == nil && len(list) == 0 {
			err = notFound(workspace, ref)
		}
		if err != nil {
			return Environment{}, err
		}
		return list[0], nil
	}
	e, err := s.Environments.Get(ctx, store.Key{Workspace: workspace, Name: ref})
	if fault.CodeOf(err) == fault.NotFound {
		return e, notFound(workspace, ref)
	}
	return e, err
}

func notFound(workspace, ref string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "EnvironmentNotFound", What: fmt.Sprintf("there is no environment %q", ref),
		Why: "nobody registered it in workspace " + workspace, Fix: "run: zaffre environment list", Field: "environment",
	}
}

// List returns environments.
func (s *Service) List(ctx context.Context, f Filter, p store.Page) ([]Environment, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", err
	}
	return s.Environments.List(ctx, f, p)
}
