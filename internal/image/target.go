package image

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/oci"
)

// environments is the repository of images that are made for runs; each has its environment's digest as a tag.
const environments = "environment"

// For makes images for one compute target. It implements driver.Images.
type For struct {
	s                 *Service
	workspace, target string
}

// For returns what makes images for a target of a workspace.
func (s *Service) For(workspace, target string) *For { return &For{s, workspace, target} }

// name is that of a build for a registry.
func (f *For) name(digest string, r driver.Registry) string {
	return strings.Join([]string{f.workspace, r.Address, r.Path, r.User, digest}, "\x00")
}

// reference is the name of an environment's image as the machines have it.
func (f *For) reference(r driver.Registry) string {
	if r.Own {
		return path.Join(r.Address, f.workspace, environments)
	}
	return path.Join(r.Address, r.Path, environments)
}

// BuildImage implements driver.Images.
func (f *For) BuildImage(ctx context.Context, digest string, d driver.Definition, r driver.Registry) error {
	return f.s.start(identity.System(ctx), f.name(digest, r), false, func(ctx context.Context, b *build) (driver.BuildStatus, error) {
		return f.make(ctx, digest, d, r, b)
	})
}

func (f *For) make(ctx context.Context, digest string, d driver.Definition, r driver.Registry, b *build) (st driver.BuildStatus, err error) {
	q := recipe{workspace: f.workspace, repository: environments, tag: digest, base: d.BaseImage, digest: digest, environment: d}
	if r.Own {
		q.own = []string{r.Address}
	} else if r.User != "" {
		q.logins = []oci.Login{login(r)}
	}
	p, err := f.s.produce(ctx, q, b)
	if err != nil {
		return st, err
	}
	ref := f.reference(r)
	if !r.Own {
		if err := f.push(ctx, ref+":"+digest[:min(len(digest), 32)], p.img, r, b); err != nil {
			return st, err
		}
	}
	return driver.BuildStatus{Runtime: driver.Runtime{Image: ref + "@" + p.manifest.Digest}, Python: p.layer.Python, Warnings: p.layer.Warnings}, nil
}

func login(r driver.Registry) oci.Login {
	return oci.Login{Host: oci.Host(r.Address), User: r.User, Password: r.Password}
}

func (f *For) push(ctx context.Context, ref string, img v1.Image, r driver.Registry, b *build) error {
	b.printf("Pushing it as %s.", ref)
	return oci.Push(ctx, ref, img, login(r))
}

// ImageStatus implements driver.Images.
func (f *For) ImageStatus(_ context.Context, digest string, r driver.Registry) (driver.BuildStatus, error) {
	b := f.s.find(f.name(digest, r))
	if b == nil {
		return driver.BuildStatus{State: driver.BuildMissing}, nil
	}
	st, _ := b.now()
	return st, nil
}

// ImageLog implements driver.Images.
func (f *For) ImageLog(ctx context.Context, digest string, r driver.Registry, offset int64) (io.ReadCloser, error) {
	b := f.s.find(f.name(digest, r))
	if b == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return b.reader(ctx, offset), nil
}

// PullLogin implements driver.Images.
func (f *For) PullLogin(ctx context.Context, r driver.Registry, image string) (driver.RegistryLogin, error) {
	if !r.Own {
		if r.User == "" {
			return driver.RegistryLogin{}, nil
		}
		address := r.Address
		if login(r).Host == "index.docker.io" {
			address = "https://index.docker.io/v1/" // as logins name it
		}
		return driver.RegistryLogin{Address: address, User: r.User, Password: r.Password}, nil
	}
	out := driver.RegistryLogin{Address: r.Address, User: PullUser, Password: f.s.pullToken(f.workspace, f.target)}
	name, ours := strings.CutPrefix(image, r.Address+"/"+f.workspace+"/")
	if !ours {
		return out, nil
	}
	repository, reference := Split(name)
	_, err := f.s.manifest(ctx, f.workspace, repository, reference)
	if fault.CodeOf(err) == fault.NotFound && repository == environments {
		f.s.forget(image)
		err = &fault.Error{
			Code: fault.Precondition, Reason: "EnvironmentMissing", What: "the job cannot be started", Why: "the image of its environment was deleted", Fix: "build it again", Err: err,
		}
	}
	return out, err
}

// forget forgets builds whose image is gone, so that it is made again.
func (s *Service) forget(image string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, b := range s.builds {
		if st, _ := b.now(); st.Runtime.Image == image {
			delete(s.builds, name)
		}
	}
}

// Request asks for an image of our own registry.
type Request struct {
	Workspace, Name string // Name: "repository:tag"
	Base            string // an image's name; "": that of the environment
	Digest          string // of the environment; "": none
	Environment     driver.Definition
	Code            driver.Files // nil: none
	Hosts           []string     // by which the caller knows our own registry
	ID              string       // names the build; the same asks for the same
}

// Building is what is known of a build.
type Building struct {
	Status driver.BuildStatus // Runtime.Image: "repository@digest"
	Log    []byte             // from the offset asked for
	Next   int64              // the offset after it
	Size   int64              // of the image, once done
}

// Build starts to make an image, or finds the same being made. It takes a Contributor. Look tells how it goes.
func (s *Service) Build(ctx context.Context, q Request) error {
	const what = "cannot build the image"
	repository, tag := Split(q.Name)
	if err := errors.Join(s.admit(ctx, q.Workspace, repository, noDigest), CheckTag(tag)); err != nil {
		return fault.Doing(what, err)
	}
	r := recipe{
		workspace: q.Workspace, repository: repository, tag: tag, base: cmp.Or(q.Base, q.Environment.BaseImage), digest: q.Digest, environment: q.Environment, code: q.Code, own: q.Hosts,
	}
	if r.base == "" {
		return fault.Doing(what, &fault.Error{
			Code: fault.Invalid, Reason: "BaseMissing", What: what, Why: "neither the request nor the environment names a base image", Fix: "name one; run: zaffre image build --base docker.io/library/python:3.12-slim …", Field: "base",
		})
	}
	if len(q.Environment.Dockerfile) > 0 {
		return fault.Doing(what, Dockerfile())
	}
	return fault.Doing(what, s.start(ctx, q.Workspace+"/"+q.ID, true, func(ctx context.Context, b *build) (driver.BuildStatus, error) {
		p, err := s.produce(ctx, r, b)
		b.weigh(p.manifest.Size)
		return driver.BuildStatus{Runtime: driver.Runtime{Image: repository + "@" + p.manifest.Digest}, Python: p.layer.Python, Warnings: p.layer.Warnings}, err
	}))
}

// Dockerfile is the fault of an environment that has one.
func Dockerfile() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "DockerfileUnsupported", What: "the image is not made", Why: "the environment has a Dockerfile, whose commands only a container builder can run",
		Fix: "build it by docker build, push it to the server's registry, and name it as the environment's image",
	}
}

// Look returns how a build stands, with its log from an offset; fault.NotFound, Reason "BuildUnknown". It takes a Reader.
func (s *Service) Look(ctx context.Context, workspace, id string, offset int64) (Building, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return Building{}, err
	}
	b := s.find(workspace + "/" + id)
	if b == nil {
		return Building{}, &fault.Error{
			Code: fault.NotFound, Reason: "BuildUnknown", What: "there is no such build", Why: "the server was started again since, or many images were built", Fix: "build again: what was made is not made again",
		}
	}
	st, _ := b.now() // before the log, so that the end has all of it
	text, _ := b.text(offset)
	return Building{Status: st, Log: text, Next: max(offset, 0) + int64(len(text)), Size: b.weigh(0)}, nil
}
