package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/oci"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// recipe is what an image is made of.
type recipe struct {
	workspace, repository, tag string
	base                       string            // an image's name
	digest                     string            // of the environment
	environment                driver.Definition // one that installs nothing adds no layer
	code                       driver.Files      // nil: none
	own                        []string          // HOST[:PORT] of our own registry, as names have it
	logins                     []oci.Login       // for the base
}

// product is an image that was made.
type product struct {
	img      v1.Image
	manifest Manifest
	layer    Layer
}

// produce makes an image and keeps it in its repository. Made twice it is the same.
func (s *Service) produce(ctx context.Context, r recipe, b *build) (product, error) {
	base, from, err := s.base(ctx, r, b)
	if err != nil {
		return product{}, err
	}
	img, m, err := s.open(ctx, from)
	if err != nil {
		return product{}, err
	}
	parts := oci.Parts{Variables: r.environment.Env}
	layer, err := s.environment(ctx, r, base, b)
	if err == nil && layer.Digest != "" {
		parts.Environment, err = s.layerOf(ctx, layerOwner(r.workspace), layer.Digest, layer.DiffID, layer.Size)
	}
	if err != nil {
		return product{}, err
	}
	to := owner(r.workspace, r.repository)
	if r.code != nil {
		if parts.Code, err = s.code(ctx, to, r.code, b); err != nil {
			return product{}, err
		}
	}
	if img, err = oci.Assemble(img, parts); err != nil {
		return product{}, err
	}
	done, err := s.keep(ctx, r.workspace, r.repository, r.tag, "", img, layerOwner(r.workspace), owner(m.Workspace, m.Repository))
	if err == nil {
		b.printf("Image %s:%s is %s, %s.", r.repository, r.tag, done.Digest, megabytes(done.Size))
	}
	return product{img, done, layer}, err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// base finds the base image among ours, or fetches it, and looks into it once.
func (s *Service) base(ctx context.Context, r recipe, b *build) (oci.Base, Manifest, error) {
	m, err := s.baseManifest(ctx, r, b)
	if err != nil || m.Base != nil {
		return deref(m.Base), m, err
	}
	img, one, err := s.open(ctx, m)
	if err != nil {
		return oci.Base{}, m, err
	}
	b.printf("Looking into the base image %s.", r.base)
	seen, err := oci.LookInto(img)
	if err != nil {
		return seen, m, err
	}
	_, err = s.Manifests.Update(ctx, m.Key(), func(now *Manifest) ([]store.Effect, error) {
		now.Base = &seen
		return nil, nil
	})
	return seen, one, err
}

func deref(b *oci.Base) oci.Base {
	if b == nil {
		return oci.Base{}
	}
	return *b
}

// baseManifest returns the base: one of ours, or what another registry has now. Where that cannot be asked, what was
// fetched before will do.
func (s *Service) baseManifest(ctx context.Context, r recipe, b *build) (Manifest, error) {
	if m, ours, err := s.ownBase(ctx, r); ours {
		return m, err
	}
	repository, tag, err := s.cacheName(r)
	if err != nil {
		return Manifest{}, err
	}
	unlock, err := s.locks.lock(ctx, "base "+r.workspace+"/"+repository)
	if err != nil {
		return Manifest{}, err
	}
	defer unlock()
	old, oldErr := s.Tags.Get(ctx, Tag{Workspace: r.workspace, Repository: repository, Name: tag}.Key())
	digest, err := oci.Digest(ctx, r.base, r.logins...)
	switch {
	case err != nil && oldErr == nil && fault.ReasonOf(err) == "RegistryUnreachable":
		b.printf("The registry of %s cannot be reached; what was fetched before is used.", r.base)
		return s.manifest(ctx, r.workspace, repository, tag)
	case err != nil:
		return Manifest{}, err
	case oldErr == nil && old.Source == digest:
		return s.manifest(ctx, r.workspace, repository, tag)
	}
	b.printf("Fetching the base image %s.", r.base)
	img, err := oci.Fetch(ctx, r.base, r.logins...)
	if err != nil {
		return Manifest{}, err
	}
	m, err := s.keep(ctx, r.workspace, repository, tag, digest, img)
	return m, err
}

// ownBase finds a base that is one of our images: its name has no registry, or is one of our own.
func (s *Service) ownBase(ctx context.Context, r recipe) (m Manifest, ours bool, err error) {
	name, mine := r.base, false
	for _, host := range r.own {
		if rest, ok := strings.CutPrefix(r.base, host+"/"); ok {
			if name, mine = strings.CutPrefix(rest, r.workspace+"/"); !mine {
				return m, true, noImage(rest, "", nil)
			}
		}
	}
	repository, reference := Split(name)
	m, err = s.manifest(ctx, r.workspace, repository, reference)
	return m, mine || err == nil, err
}

// cacheName is where a base of another registry is kept among ours.
func (s *Service) cacheName(r recipe) (repository, tag string, err error) {
	ref, err := oci.ParseName(r.base)
	if err != nil {
		return "", "", err
	}
	host := strings.NewReplacer(":", "-", "[", "", "]", "").Replace(strings.ToLower(ref.Context().RegistryStr()))
	tag = strings.ReplaceAll(ref.Identifier(), ":", "-")
	return "base/" + host + "/" + ref.Context().RepositoryStr(), tag, CheckTag(tag)
}

// environment returns the layer of an environment on a base; a zero one adds none. It is made once.
func (s *Service) environment(ctx context.Context, r recipe, base oci.Base, b *build) (Layer, error) {
	if r.digest == "" {
		return Layer{}, nil
	}
	plan, err := oci.PlanFor(r.environment, base)
	if err != nil {
		return Layer{}, err
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{r.digest, plan.Python.Path, plan.Python.Version, plan.Platform}, "\x00")))
	l := Layer{Workspace: r.workspace, Name: hex.EncodeToString(sum[:]), Python: plan.Python.Version, Warnings: plan.Warnings}
	unlock, err := s.locks.lock(ctx, "layer "+l.Workspace+"/"+l.Name)
	if err != nil {
		return l, err
	}
	defer unlock()
	if old, ok, err := s.made(ctx, l); ok || err != nil {
		b.printf("The environment's layer is there: %s, %s.", old.Digest, megabytes(old.Size))
		return old, err
	}
	for _, w := range plan.Warnings {
		b.printf("Note: %s", w)
	}
	return s.makeLayer(ctx, l, plan, b)
}

// made returns a layer that was made before.
func (s *Service) made(ctx context.Context, l Layer) (Layer, bool, error) {
	old, err := s.Layers.Get(ctx, l.Key())
	if err == nil {
		_, err = s.Files.Get(ctx, layerOwner(l.Workspace), old.Digest)
	}
	if fault.CodeOf(err) == fault.NotFound {
		return l, false, nil
	}
	if err == nil && time.Since(old.Used) > useEvery {
		_, err = s.Layers.Update(ctx, l.Key(), func(now *Layer) ([]store.Effect, error) {
			now.Used = time.Now()
			return nil, nil
		})
	}
	return old, err == nil, err
}

// makeLayer installs an environment into a folder and writes that as a layer.
func (s *Service) makeLayer(ctx context.Context, l Layer, plan oci.Plan, b *build) (Layer, error) {
	dir, err := s.workDir()
	if err != nil {
		return l, err
	}
	defer os.RemoveAll(dir)
	b.printf("Installing the environment for Python %s (%s), %s.", plan.Python.Version, plan.Python.Path, plan.Platform)
	if !plan.Empty() {
		if err := plan.Install(ctx, s.Uv, dir, b.printf); err != nil {
			return l, err
		}
	}
	b.printf("Writing its layer.")
	w, err := s.write(ctx, layerOwner(l.Workspace), func(out io.Writer) (oci.Layer, error) { return plan.Write(ctx, out, dir) })
	if err != nil {
		return l, err
	}
	l.Digest, l.DiffID, l.Size, l.Created, l.Used = w.Digest, w.DiffID, w.Size, time.Now(), time.Now()
	b.printf("The environment's layer is %s, %s.", l.Digest, megabytes(l.Size))
	err = s.Layers.Insert(ctx, l)
	if fault.CodeOf(err) == fault.Exists {
		_, err = s.Layers.Update(ctx, l.Key(), func(now *Layer) ([]store.Effect, error) { *now = l; return nil, nil })
	}
	if err != nil {
		return l, err
	}
	return l, s.forgetLayers(ctx, l.Workspace)
}

// keepLayer is for how long the layer of an environment is kept that no image was made of. Images that have it go on.
const keepLayer = 30 * 24 * time.Hour

// forgetLayers forgets the layers of a workspace that nobody used for long.
func (s *Service) forgetLayers(ctx context.Context, workspace string) error {
	return each(ctx, s.Layers, Filter{Workspace: workspace}, func(l Layer) error {
		if time.Since(l.Used) < keepLayer {
			return nil
		}
		if err := s.Files.Delete(ctx, layerOwner(workspace), l.Digest); err != nil {
			return err
		}
		return s.Layers.Delete(ctx, l.Key())
	})
}

// code writes files as a layer.
func (s *Service) code(ctx context.Context, to string, files driver.Files, b *build) (v1.Layer, error) {
	w, err := s.write(ctx, to, func(out io.Writer) (oci.Layer, error) { return oci.WriteCode(ctx, out, files) })
	if err != nil {
		return nil, err
	}
	b.printf("The code's layer is %s, %s.", w.Digest, megabytes(w.Size))
	return s.layerOf(ctx, to, w.Digest, w.DiffID, w.Size)
}

// write has a layer become a file of an owner while it is written. Its name follows from its bytes, so it has another
// name until then.
func (s *Service) write(ctx context.Context, to string, do func(io.Writer) (oci.Layer, error)) (l oci.Layer, err error) {
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, err = do(pw)
		pw.CloseWithError(err)
	}()
	f, putErr := s.Files.Add(ctx, to, func(hash string) string { return "sha256:" + hash }, pr)
	pr.CloseWithError(putErr) // the writer ends with us
	<-done
	if putErr != nil {
		return l, putErr
	}
	if err == nil && f.Path != l.Digest {
		err = fmt.Errorf("a layer was written as %s and kept as %s", l.Digest, f.Path)
	}
	return l, err
}

func (s *Service) workDir() (string, error) {
	if s.Work != "" {
		if err := os.MkdirAll(s.Work, 0o700); err != nil {
			return "", workFault(err)
		}
		s.clearWork()
	}
	dir, err := os.MkdirTemp(s.Work, "image-")
	return dir, workFault(err)
}

// abandoned is the age from which a folder belongs to a server that died.
const abandoned = 24 * time.Hour

// clearWork removes what servers that died have left.
func (s *Service) clearWork() {
	entries, _ := os.ReadDir(s.Work) // what stays costs room alone
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.RemoveAll(filepath.Join(s.Work, e.Name()))
		}
	}
}

func workFault(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{
		Code: fault.Exhausted, Reason: "DiskFull", What: "cannot make the image", Why: "the server has no place for what is being made: " + err.Error(),
		Fix: "free space in the server's data folder; run: zaffre config show", Err: err,
	}
}
