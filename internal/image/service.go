package image

import (
	"context"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/oci"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Config is what a Service stands on.
type Config struct {
	Manifests ManifestStore
	Tags      TagStore
	Layers    LayerStore
	Files     *object.Store
	Uv        oci.Uv
	Work      string // folder for what is being made, beside uv's cache; "": the system's
	Key       []byte // signs the logins of targets
	// Attached fails with fault.NotFound unless there is a target of that ID in the workspace.
	Attached func(ctx context.Context, workspace, target string) error
}

// Service is the registry, and makes images. Its methods may be called from several goroutines.
type Service struct {
	Config
	mu     sync.Mutex
	builds map[string]*build
	making sync.WaitGroup
	stop   context.CancelCauseFunc
	ctx    context.Context // of all that is being made
	locks  keyed           // by what is made or changed: one at a time
}

// New returns a Service. Close ends what it makes.
func New(c Config) *Service {
	s := &Service{Config: c, builds: map[string]*build{}}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	return s
}

// Close ends what is being made, and waits for it. It may be called twice.
func (s *Service) Close() {
	s.stop(&fault.Error{Code: fault.Unavailable, Reason: "ServerStopping", What: "the image is not made", Why: "the server stops", Fix: "start it again, and build again"})
	s.making.Wait()
}

// List returns the tags of a workspace, or of one repository. It takes a Reader.
func (s *Service) List(ctx context.Context, f Filter, p store.Page) ([]Tag, string, error) {
	if err := identity.Require(ctx, f.Workspace, identity.Reader); err != nil {
		return nil, "", fault.Doing("cannot list images", err)
	}
	return s.Tags.List(ctx, f, p)
}

// Get returns a manifest by tag or digest; fault.NotFound, Reason "ImageNotFound". It takes a Reader.
func (s *Service) Get(ctx context.Context, workspace, repository, reference string) (Manifest, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Manifest{}, fault.Doing("cannot show the image", err)
	}
	return s.manifest(ctx, workspace, repository, reference)
}

func (s *Service) manifest(ctx context.Context, workspace, repository, reference string) (Manifest, error) {
	digest := reference
	if !isDigest(reference) {
		t, err := s.Tags.Get(ctx, Tag{Workspace: workspace, Repository: repository, Name: reference}.Key())
		if err != nil {
			return Manifest{}, missing(repository, reference, err)
		}
		digest = t.Digest
	}
	m, err := s.Manifests.Get(ctx, Manifest{Workspace: workspace, Repository: repository, Digest: digest}.Key())
	return m, missing(repository, reference, err)
}

// missing says NotFound in the words of images; other errors stay.
func missing(repository, reference string, err error) error {
	if fault.CodeOf(err) != fault.NotFound {
		return err
	}
	return noImage(repository, reference, err)
}

func noImage(repository, reference string, err error) error {
	between := ":"
	if isDigest(reference) {
		between = "@"
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "ImageNotFound", What: "there is no image " + repository + between + reference, Why: "nobody pushed or built it in this workspace, or it was deleted",
		Fix: "look for its name; run: zaffre image list", Err: err,
	}
}

// Delete deletes a tag, or a manifest with all its tags. What no other manifest names goes with it. One that is not
// there is no error. It takes a Contributor.
func (s *Service) Delete(ctx context.Context, workspace, repository, reference string) error {
	const what = "cannot delete the image"
	if err := identity.Require(ctx, workspace, identity.Contributor); err != nil {
		return fault.Doing(what, err)
	}
	if !isDigest(reference) {
		t, err := s.Tags.Get(ctx, Tag{Workspace: workspace, Repository: repository, Name: reference}.Key())
		if err != nil {
			return ignoreMissing(err)
		}
		if err := s.Tags.Delete(ctx, t.Key(), emit(ctx, t.Workspace, t.Key().Name, "image.deleted")); err != nil {
			return fault.Doing(what, err)
		}
		return fault.Doing(what, s.collectLocked(ctx, workspace, repository, time.Now()))
	}
	if err := s.untag(ctx, workspace, repository, reference); err != nil {
		return fault.Doing(what, err)
	}
	if err := s.Manifests.Delete(ctx, Manifest{Workspace: workspace, Repository: repository, Digest: reference}.Key()); err != nil {
		return fault.Doing(what, err)
	}
	return fault.Doing(what, s.collectLocked(ctx, workspace, repository, time.Now().Add(-keepUntagged)))
}

func (s *Service) collectLocked(ctx context.Context, workspace, repository string, since time.Time) error {
	unlock, err := s.locks.lock(ctx, owner(workspace, repository))
	if err != nil {
		return err
	}
	defer unlock()
	return s.collect(ctx, workspace, repository, since)
}

func (s *Service) untag(ctx context.Context, workspace, repository, digest string) error {
	return each(ctx, s.Tags, Filter{workspace, repository}, func(t Tag) error {
		if t.Digest != digest {
			return nil
		}
		return s.Tags.Delete(ctx, t.Key(), emit(ctx, t.Workspace, t.Key().Name, "image.deleted"))
	})
}

func ignoreMissing(err error) error {
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	return err
}

func emit(ctx context.Context, workspace, name, typ string) store.Effect {
	return store.Emit{Workspace: workspace, Subject: "image/" + name, Type: typ, Actor: identity.From(ctx).Name}
}

// each calls do with all records that a filter selects. do may delete what it is given.
func each[T any](ctx context.Context, rows store.Repo[T, Filter], f Filter, do func(T) error) error {
	for cursor := ""; ; {
		list, next, err := rows.List(ctx, f, store.Page{Limit: 1000, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, v := range list {
			if err := do(v); err != nil {
				return err
			}
		}
		if cursor = next; next == "" {
			return nil
		}
	}
}

var _ driver.Images = (*For)(nil)
