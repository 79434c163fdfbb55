package run

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type (
	// Artifact is a file that a run left. Its owner is the run's ID.
	Artifact = object.File
	// ArtifactStore keeps artifacts, in the order of their paths.
	ArtifactStore = object.Rows
	// ArtifactFilter selects the artifacts of a run, below a prefix of their paths.
	ArtifactFilter = object.Filter
)

// files keeps the files of runs.
func (s *Service) files() *object.Store { return object.New(s.Artifacts, s.Blobs) }

// PutArtifact adds a file to a run, in any state, in place of one at its path: the whole of it or
// nothing. It fails with fault.Invalid, Reason "ArtifactPathInvalid", and as object.Received does.
func (s *Service) PutArtifact(ctx context.Context, k store.Key, path string, body io.Reader) (Artifact, error) {
	if err := object.CheckPath(path); err != nil {
		return Artifact{}, err
	}
	r, err := s.mayChange(ctx, k)
	if err != nil {
		return Artifact{}, err
	}
	return s.files().Put(ctx, r.ID, path, object.Received(body, ""))
}

// DeleteArtifact removes a file of a run; one that is not there is no error.
func (s *Service) DeleteArtifact(ctx context.Context, k store.Key, path string) error {
	r, err := s.mayChange(ctx, k)
	if err != nil {
		return err
	}
	return s.files().Delete(ctx, r.ID, path)
}

func (s *Service) mayChange(ctx context.Context, k store.Key) (Run, error) {
	if err := identity.Require(ctx, k.Workspace, identity.Tracker); err != nil {
		return Run{}, err
	}
	return s.Get(ctx, k)
}

// ListArtifacts returns the files that a run left, below a prefix of their paths.
func (s *Service) ListArtifacts(ctx context.Context, k store.Key, prefix string, p store.Page) ([]Artifact, string, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return nil, "", err
	}
	return s.files().List(ctx, r.ID, prefix, p)
}

// ArtifactFolder lists one level of a run's files: those in the folder, and the folders in it.
func (s *Service) ArtifactFolder(ctx context.Context, k store.Key, dir string, p store.Page) ([]object.Entry, string, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return nil, "", err
	}
	return s.files().Folder(ctx, r.ID, strings.Trim(dir, "/"), p)
}

// OpenArtifact opens a file that a run left. It fails with fault.NotFound, Reason
// "ArtifactNotFound".
func (s *Service) OpenArtifact(ctx context.Context, k store.Key, path string, offset int64) (Artifact, io.ReadCloser, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return Artifact{}, nil, err
	}
	a, body, err := s.files().Open(ctx, r.ID, path, offset)
	if fault.ReasonOf(err) == "ArtifactNotFound" {
		err = &fault.Error{
			Code: fault.NotFound, Reason: "ArtifactNotFound", What: fmt.Sprintf("run %s has no file %q", r.Name, path),
			Why: "it left none of that name", Fix: "run: zaffre run show " + r.Name,
		}
	}
	return a, body, err
}

// ReopenArtifact opens the bytes of an artifact that OpenArtifact returned, from another offset: the
// same bytes, also if the file was replaced since.
func (s *Service) ReopenArtifact(ctx context.Context, a Artifact, offset int64) (io.ReadCloser, error) {
	return s.files().OpenFile(ctx, a, offset)
}
