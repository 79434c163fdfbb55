package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/object"
)

// kept is an image of our own registry, for the library that works on images.
type kept struct {
	s   *Service
	ctx context.Context // of what is done with the image
	m   Manifest
	doc *v1.Manifest
}

// open opens an image of ours; of an index, the image of this machine's platform.
func (s *Service) open(ctx context.Context, m Manifest) (v1.Image, Manifest, error) {
	if m.isIndex() {
		child, err := s.child(ctx, m)
		if err != nil {
			return nil, m, err
		}
		m = child
	}
	k := &kept{s: s, ctx: ctx, m: m}
	var err error
	if k.doc, err = partial.Manifest(k); err != nil {
		return nil, m, err
	}
	img, err := partial.CompressedToImage(k)
	return img, m, err
}

func (s *Service) child(ctx context.Context, m Manifest) (Manifest, error) {
	index, err := v1.ParseIndexManifest(newReader(m.Content))
	if err != nil {
		return m, err
	}
	for _, d := range index.Manifests {
		if d.Platform != nil && d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH {
			return s.manifest(ctx, m.Workspace, m.Repository, d.Digest.String())
		}
	}
	return m, &fault.Error{
		Code: fault.Invalid, Reason: "PlatformMissing", What: "the image " + m.Repository + " cannot be a base", Why: "it has none for linux/" + runtime.GOARCH,
		Fix: "push it for that platform: docker build --platform linux/" + runtime.GOARCH,
	}
}

// RawManifest implements partial.CompressedImageCore, like all below.
func (k *kept) RawManifest() ([]byte, error) { return k.m.Content, nil }

func (k *kept) MediaType() (types.MediaType, error) { return types.MediaType(k.m.MediaType), nil }

func (k *kept) RawConfigFile() ([]byte, error) {
	r, err := k.reader(k.doc.Config.Digest.String())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, MaxManifest))
}

func (k *kept) reader(digest string) (io.ReadCloser, error) {
	_, r, err := k.s.Files.Open(k.ctx, owner(k.m.Workspace, k.m.Repository), digest, 0)
	return r, err
}

func (k *kept) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, d := range append(k.doc.Layers, k.doc.Config) {
		if d.Digest == h {
			return &keptLayer{s: k.s, ctx: k.ctx, owner: owner(k.m.Workspace, k.m.Repository), digest: h, size: d.Size, media: d.MediaType}, nil
		}
	}
	return nil, fmt.Errorf("the image %s has no layer %s", k.m.Repository, h)
}

// keptLayer is a layer that is a file of ours.
type keptLayer struct {
	s            *Service
	ctx          context.Context
	owner        string
	digest, diff v1.Hash // diff zero: not known
	size         int64
	media        types.MediaType
}

// Digest implements v1.Layer, like all below.
func (l *keptLayer) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l *keptLayer) DiffID() (v1.Hash, error)            { return l.diff, nil }
func (l *keptLayer) Size() (int64, error)                { return l.size, nil }
func (l *keptLayer) MediaType() (types.MediaType, error) { return l.media, nil }
func (l *keptLayer) Uncompressed() (io.ReadCloser, error) {
	return nil, fmt.Errorf("%s is kept compressed", l.digest)
}

func (l *keptLayer) Compressed() (io.ReadCloser, error) {
	_, r, err := l.s.Files.Open(l.ctx, l.owner, l.digest.String(), 0)
	return r, err
}

// layerOf is a layer that was written as a file of an owner.
func (s *Service) layerOf(ctx context.Context, owner string, digest, diffID string, size int64) (v1.Layer, error) {
	d, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	diff, err := v1.NewHash(diffID)
	return &keptLayer{s: s, ctx: ctx, owner: owner, digest: d, diff: diff, size: size, media: types.OCILayer}, err
}

// keep writes an image into a repository: the blobs that it lacks, shared with who has them, then the manifest.
func (s *Service) keep(ctx context.Context, workspace, repository, tag, source string, img v1.Image, from ...string) (Manifest, error) {
	unlock, err := s.locks.lock(ctx, owner(workspace, repository))
	if err != nil {
		return Manifest{}, err
	}
	defer unlock()
	layers, err := img.Layers()
	if err != nil {
		return Manifest{}, err
	}
	for _, l := range layers {
		if err := s.have(ctx, owner(workspace, repository), l, from); err != nil {
			return Manifest{}, err
		}
	}
	return s.keepManifest(ctx, Tag{Workspace: workspace, Repository: repository, Name: tag, Source: source}, img)
}

// keepManifest keeps an image's configuration and manifest, with a tag. Its layers are there.
func (s *Service) keepManifest(ctx context.Context, t Tag, img v1.Image) (Manifest, error) {
	config, err := img.RawConfigFile()
	name, nameErr := img.ConfigName()
	content, contentErr := img.RawManifest()
	media, mediaErr := img.MediaType()
	if err := errors.Join(err, nameErr, contentErr, mediaErr); err != nil {
		return Manifest{}, err
	}
	if err := s.PutBlob(ctx, t.Workspace, t.Repository, name.String(), newReader(config)); err != nil {
		return Manifest{}, err
	}
	m, err := s.read(ctx, t.Workspace, t.Repository, string(media), content)
	if err != nil {
		return m, err
	}
	t.Digest, t.Size = m.Digest, m.Size
	return m, s.insert(ctx, m, t)
}

// have has a layer be a file of an owner, without its bytes moving where another of ours has it.
func (s *Service) have(ctx context.Context, to string, l v1.Layer, from []string) error {
	h, err := l.Digest()
	if err != nil {
		return err
	}
	if _, err := s.Files.Get(ctx, to, h.String()); fault.CodeOf(err) != fault.NotFound {
		return err
	}
	for _, other := range from {
		if there, err := s.share(ctx, other, to, h.String()); there || err != nil {
			return err
		}
	}
	in, err := l.Compressed()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = s.Files.Put(ctx, to, h.String(), object.Received(in, h.Hex))
	return err
}
