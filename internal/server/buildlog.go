package server

import (
	"context"
	"io"

	"github.com/zaffre-ml/zaffre/internal/api/blob"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/object"
)

// buildKind is the kind of the logs of environments' builds: the owner is "name:version", the path a compute
// target.
const buildKind = "build"

// statBuild finds the log of a build, as long as it is now. Of one that goes on, that takes a second.
func (s *server) statBuild(ctx context.Context, g blob.Grant) (object.File, error) {
	r, err := s.openBuild(ctx, g, 0)
	if err != nil {
		return object.File{}, err
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	return object.File{Path: g.Path, Size: n}, err
}

func (s *server) openBuild(ctx context.Context, g blob.Grant, offset int64) (io.ReadCloser, error) {
	return s.environments.OpenLog(ctx, g.Workspace, g.Owner, compute.KeyOf(g.Workspace, g.Path), offset, false)
}
