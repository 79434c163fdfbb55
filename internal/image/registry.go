package image

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
)

// owner is whose files a repository's blobs are; the path of each is its digest.
func owner(workspace, repository string) string { return "image/" + workspace + "/" + repository }

// layerOwner is whose files the layers of a workspace's environments are.
func layerOwner(workspace string) string { return "image-layer/" + workspace }

// Blob returns a blob of a repository; fault.NotFound, Reason "BlobUnknown". It takes a Reader.
func (s *Service) Blob(ctx context.Context, workspace, repository, digest string) (object.File, error) {
	if err := identity.Require(ctx, workspace, identity.Reader); err != nil {
		return object.File{}, err
	}
	f, err := s.Files.Get(ctx, owner(workspace, repository), digest)
	if fault.CodeOf(err) == fault.NotFound {
		err = blobUnknown(repository, digest)
	}
	return f, err
}

func blobUnknown(repository, digest string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "BlobUnknown", What: fmt.Sprintf("%s has no blob %.80s", repository, digest), Why: "nobody pushed it there, or no manifest named it for a day",
		Fix: "push the image again",
	}
}

// OpenBlob opens a blob at a byte offset.
func (s *Service) OpenBlob(ctx context.Context, f object.File, offset int64) (io.ReadCloser, error) {
	return s.Files.OpenFile(ctx, f, offset)
}

// PutBlob keeps a blob that comes in one piece. It takes a Contributor, like all below.
func (s *Service) PutBlob(ctx context.Context, workspace, repository, digest string, body io.Reader) error {
	if err := s.admit(ctx, workspace, repository, digest); err != nil {
		return err
	}
	_, err := s.Files.Put(ctx, owner(workspace, repository), digest, object.Received(body, hexOf(digest)))
	return err
}

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

// noDigest stands where a request names no blob.
const noDigest = "-"

func (s *Service) admit(ctx context.Context, workspace, repository, digest string) error {
	if err := identity.Require(ctx, workspace, identity.Contributor); err != nil {
		return err
	}
	if err := CheckRepository(workspace + "/" + repository); err != nil {
		return err
	}
	if digest == noDigest || isDigest(digest) {
		return nil
	}
	return &fault.Error{
		Code: fault.Unsupported, Reason: "DigestUnsupported", What: fmt.Sprintf("the digest %.100q cannot be used", digest), Why: "it is no SHA-256", Fix: "push by sha256:, as all clients do by default",
	}
}

// Mount has a blob of another repository of the workspace be one of this too; false: there is none.
func (s *Service) Mount(ctx context.Context, workspace, repository, digest, from string) (bool, error) {
	if err := s.admit(ctx, workspace, repository, digest); err != nil {
		return false, err
	}
	return s.share(ctx, owner(workspace, from), owner(workspace, repository), digest)
}

func (s *Service) share(ctx context.Context, from, to, digest string) (bool, error) {
	_, err := s.Files.Share(ctx, object.Link{From: from, Path: digest, To: to})
	if fault.CodeOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}

// BeginUpload returns the ID of a new upload, which its sender alone knows.
func (s *Service) BeginUpload(ctx context.Context, workspace, repository string) (string, error) {
	return rand.Text(), s.admit(ctx, workspace, repository, noDigest)
}

func (s *Service) upload(workspace, repository, upload string) object.Partial {
	return s.Files.Partial(strings.Join([]string{workspace, repository, upload}, " "))
}

// UploadSize returns how many bytes of an upload are there.
func (s *Service) UploadSize(ctx context.Context, workspace, repository, upload string) (int64, error) {
	if err := s.admit(ctx, workspace, repository, noDigest); err != nil {
		return 0, err
	}
	return s.upload(workspace, repository, upload).Size(ctx)
}

// AppendUpload adds bytes to an upload and returns how many there are.
func (s *Service) AppendUpload(ctx context.Context, workspace, repository, upload string, offset int64, body io.Reader) (int64, error) {
	if err := s.admit(ctx, workspace, repository, noDigest); err != nil {
		return 0, err
	}
	return s.upload(workspace, repository, upload).Append(ctx, offset, body)
}

// FinishUpload makes an upload a blob. One whose bytes have another digest is fault.Invalid, Reason "ChecksumMismatch".
func (s *Service) FinishUpload(ctx context.Context, workspace, repository, upload, digest string) error {
	if err := s.admit(ctx, workspace, repository, digest); err != nil {
		return err
	}
	_, err := s.upload(workspace, repository, upload).Finish(ctx, owner(workspace, repository), digest, hexOf(digest))
	return err
}

// DropUpload forgets an upload.
func (s *Service) DropUpload(ctx context.Context, workspace, repository, upload string) error {
	if err := s.admit(ctx, workspace, repository, noDigest); err != nil {
		return err
	}
	return s.upload(workspace, repository, upload).Drop(ctx)
}

// Collection: what no tag names, and was neither pushed nor pulled for keepUntagged, goes when something is pushed to its
// repository or deleted from it; so do blobs that no manifest names, after keepBlob: an image's blobs come before its
// manifest. The bytes go with the sweep of package object.
const (
	keepUntagged = 7 * 24 * time.Hour
	keepBlob     = 24 * time.Hour
)
