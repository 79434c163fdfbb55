package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// artifactBlob names the bytes of a run's artifact. The path is hashed: it may hold anything.
func artifactBlob(run, path string) string {
	h := sha256.Sum256([]byte(path))
	return "runs/" + run + "/files/" + hex.EncodeToString(h[:16])
}

// keepOutputs copies the files that the job left; bytes first, then the row that names them. Of a
// run that is tried again only the last attempt's are kept.
func (s *Service) keepOutputs(ctx context.Context, c driver.Conn, r Run) error {
	outputs, ok := c.(driver.Outputs)
	if !ok {
		return nil
	}
	h := *r.Attempt().Handle
	files, err := outputs.ListOutputs(ctx, h)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := s.keepOutput(ctx, outputs, h, r.ID, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) keepOutput(ctx context.Context, outputs driver.Outputs, h driver.Handle, run string, f driver.File) error {
	body, err := outputs.OpenOutput(ctx, h, f.Path, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	sum := sha256.New()
	size, err := s.Blobs.Put(ctx, artifactBlob(run, f.Path), io.TeeReader(body, sum))
	if err != nil {
		return err
	}
	a := Artifact{Run: run, Path: f.Path, Size: size, Hash: hex.EncodeToString(sum.Sum(nil)), Created: time.Now()}
	err = s.Artifacts.Insert(ctx, a)
	if fault.CodeOf(err) != fault.Exists {
		return err
	}
	_, err = s.Artifacts.Update(ctx, a.Key(), func(old *Artifact) ([]store.Effect, error) {
		if old.Hash != a.Hash {
			*old = a
		}
		return nil, nil
	})
	return err
}

// ListArtifacts returns the files that a run left, below a prefix of their paths.
func (s *Service) ListArtifacts(ctx context.Context, k store.Key, prefix string, p store.Page) ([]Artifact, string, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return nil, "", err
	}
	return s.Artifacts.List(ctx, ArtifactFilter{Run: r.ID, Prefix: prefix}, p)
}

// OpenArtifact opens a file that a run left. It fails with fault.NotFound, Reason
// "ArtifactNotFound".
func (s *Service) OpenArtifact(ctx context.Context, k store.Key, path string, offset int64) (Artifact, io.ReadCloser, error) {
	r, err := s.Get(ctx, k)
	if err != nil {
		return Artifact{}, nil, err
	}
	a, err := s.Artifacts.Get(ctx, store.Key{Workspace: r.ID, Name: path})
	if fault.CodeOf(err) == fault.NotFound {
		return a, nil, &fault.Error{
			Code: fault.NotFound, Reason: "ArtifactNotFound", What: fmt.Sprintf("run %s has no file %q", r.Name, path),
			Why: "it left none of that name", Fix: "run: zaffre run show " + r.Name,
		}
	}
	if err != nil {
		return a, nil, err
	}
	body, err := s.Blobs.Open(ctx, artifactBlob(r.ID, path), offset)
	return a, body, err
}
