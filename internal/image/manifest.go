package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// MaxManifest is the largest manifest that is kept, in bytes: as much as registries have to take.
const MaxManifest = 4 << 20

// PutManifest keeps a manifest and gives it a tag, unless reference is its digest. Its blobs have to be there: Reason
// "BlobUnknown". It takes a Contributor.
func (s *Service) PutManifest(ctx context.Context, workspace, repository, reference, mediaType string, content []byte) (Manifest, error) {
	m, err := s.read(ctx, workspace, repository, mediaType, content)
	if err != nil {
		return m, err
	}
	switch {
	case !isDigest(reference):
		if err := CheckTag(reference); err != nil {
			return m, err
		}
	case reference != m.Digest:
		return m, &fault.Error{
			Code: fault.Invalid, Reason: "ChecksumMismatch", What: "the manifest is not kept", Why: "its digest is " + m.Digest + ", and it was pushed as " + reference, Fix: "push it again",
		}
	}
	unlock, err := s.locks.lock(ctx, owner(workspace, repository))
	if err != nil {
		return m, err
	}
	defer unlock()
	if isDigest(reference) {
		return m, s.insert(ctx, m)
	}
	return m, s.insert(ctx, m, Tag{Workspace: workspace, Repository: repository, Name: reference, Digest: m.Digest, Size: m.Size})
}

// read takes a manifest apart.
func (s *Service) read(ctx context.Context, workspace, repository, mediaType string, content []byte) (Manifest, error) {
	if err := s.admit(ctx, workspace, repository, noDigest); err != nil {
		return Manifest{}, err
	}
	sum, now := sha256.Sum256(content), time.Now()
	m := Manifest{
		Workspace: workspace, Repository: repository, Digest: "sha256:" + hex.EncodeToString(sum[:]), MediaType: mediaType, Content: content,
		Size: int64(len(content)), CreatedBy: identity.From(ctx).Name, Created: now, Used: now,
	}
	var doc struct {
		SchemaVersion int64
		Config        *v1.Descriptor
		Layers        []v1.Descriptor
		Manifests     []v1.Descriptor
	}
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&doc); err != nil || doc.SchemaVersion != 2 || len(content) > MaxManifest {
		return m, &fault.Error{
			Code: fault.Invalid, Reason: "ManifestInvalid", What: "the manifest is not kept", Why: "it is no manifest of schema version 2, or larger than 4 MiB", Fix: "push by a client of today", Err: err,
		}
	}
	if doc.Config != nil {
		doc.Layers = append(doc.Layers, *doc.Config)
	}
	for _, l := range doc.Layers {
		if len(l.URLs) == 0 { // else it lies elsewhere
			m.Blobs = append(m.Blobs, l.Digest.String())
			m.Size += l.Size
		}
	}
	for _, c := range doc.Manifests {
		m.Children = append(m.Children, c.Digest.String())
	}
	return m, nil
}

// present sees that all that a manifest names is there. Of an index, clients may leave out platforms.
func (s *Service) present(ctx context.Context, m Manifest) error {
	for _, d := range m.Blobs {
		_, err := s.Files.Get(ctx, owner(m.Workspace, m.Repository), d)
		if fault.CodeOf(err) == fault.NotFound {
			err = &fault.Error{
				Code: fault.Invalid, Reason: "ManifestBlobUnknown", What: "the manifest is not kept", Why: fmt.Sprintf("%s has no blob %.80s", m.Repository, d), Fix: "push the image again, with its blobs",
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insert keeps a manifest whose blobs are there, and gives it tags. Nobody collects meanwhile: the repository is locked.
func (s *Service) insert(ctx context.Context, m Manifest, tags ...Tag) error {
	if err := s.present(ctx, m); err != nil {
		return err
	}
	err := s.Manifests.Insert(ctx, m)
	if fault.CodeOf(err) == fault.Exists {
		err = s.use(ctx, m, 0)
	}
	for _, t := range tags {
		if err == nil {
			err = s.tag(ctx, t)
		}
	}
	return err
}

// useEvery is how old the time of a manifest's latest use may be: pulls are many, and write little.
const useEvery = time.Hour

func (s *Service) use(ctx context.Context, m Manifest, every time.Duration) error {
	if every > 0 && time.Since(m.Used) < every {
		return nil
	}
	_, err := s.Manifests.Update(ctx, m.Key(), func(now *Manifest) ([]store.Effect, error) {
		now.Used = time.Now()
		return nil, nil
	})
	return ignoreMissing(err)
}

// Pull returns a manifest to who fetches the image. It takes a Reader.
func (s *Service) Pull(ctx context.Context, workspace, repository, reference string) (Manifest, error) {
	m, err := s.Get(ctx, workspace, repository, reference)
	if err != nil {
		return m, err
	}
	return m, s.use(ctx, m, useEvery)
}

// tag gives a tag to a manifest, and clears up.
func (s *Service) tag(ctx context.Context, t Tag) error {
	t.CreatedBy, t.Updated = identity.From(ctx).Name, time.Now()
	err := s.Tags.Insert(ctx, t, emit(ctx, t.Workspace, t.Key().Name, "image.pushed"))
	if fault.CodeOf(err) == fault.Exists {
		_, err = s.Tags.Update(ctx, t.Key(), func(now *Tag) ([]store.Effect, error) {
			same := now.Digest == t.Digest && now.Source == t.Source
			*now = t
			if same {
				return nil, nil
			}
			return []store.Effect{emit(ctx, t.Workspace, t.Key().Name, "image.pushed")}, nil
		})
	}
	if err != nil {
		return err
	}
	return s.collect(ctx, t.Workspace, t.Repository, time.Now().Add(-keepUntagged))
}

// collect deletes manifests without a tag that nobody used since, and blobs that no manifest names.
func (s *Service) collect(ctx context.Context, workspace, repository string, since time.Time) error {
	f := Filter{workspace, repository}
	named, all := map[string]bool{}, map[string]Manifest{}
	if err := each(ctx, s.Tags, f, func(t Tag) error { named[t.Digest] = true; return nil }); err != nil {
		return err
	}
	if err := each(ctx, s.Manifests, f, func(m Manifest) error { all[m.Digest] = m; return nil }); err != nil {
		return err
	}
	for _, m := range all {
		if named[m.Digest] || m.Used.After(since) {
			for _, d := range append(m.Children, m.Digest) {
				named[d] = true
			}
		}
	}
	for digest, m := range all {
		if named[digest] {
			for _, b := range m.Blobs {
				named[b] = true
			}
		} else if err := s.Manifests.Delete(ctx, m.Key()); err != nil {
			return err
		}
	}
	return s.collectBlobs(ctx, owner(workspace, repository), named)
}

func (s *Service) collectBlobs(ctx context.Context, owner string, named map[string]bool) error {
	var gone []object.File
	for cursor := ""; ; {
		files, next, err := s.Files.List(ctx, owner, "", store.Page{Limit: 1000, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, f := range files {
			if !named[f.Path] && time.Since(f.Created) > keepBlob {
				gone = append(gone, f)
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	for _, f := range gone {
		if err := s.Files.Delete(ctx, f.Owner, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// isIndex reports whether a manifest is an index of images.
func (m Manifest) isIndex() bool { return types.MediaType(m.MediaType).IsIndex() }
