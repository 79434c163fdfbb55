package server

import (
	"context"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// readFor is how long an address to read from is good: the SDK asks for a log's at every poll, and prints
// those of files.
const readFor = 24 * time.Hour

// logGrant lets its bearer read the log of an attempt of a run.
func logGrant(ctx context.Context, k store.Key, attempt int) blob.Grant {
	return blob.Grant{
		Workspace: k.Workspace, Kind: "log", Owner: k.Name, Path: strconv.Itoa(attempt) + "/std_log.txt",
		User: identity.From(ctx).Name, Until: time.Now().Add(readFor),
	}
}

// statLog finds the log of a grant: as long as it is written, its whole lines.
func (s *server) statLog(ctx context.Context, g blob.Grant) (object.File, error) {
	attempt, err := attemptOf(g)
	if err != nil {
		return object.File{}, err
	}
	size, err := s.runs.LogSize(ctx, store.Key{Workspace: g.Workspace, Name: g.Owner}, attempt)
	return object.File{Path: path.Base(g.Path), Size: size}, err
}

func (s *server) openLog(ctx context.Context, g blob.Grant, offset int64) (io.ReadCloser, error) {
	attempt, err := attemptOf(g)
	if err != nil {
		return nil, err
	}
	return s.runs.OpenLog(ctx, store.Key{Workspace: g.Workspace, Name: g.Owner}, attempt, offset, false)
}

func attemptOf(g blob.Grant) (int, error) {
	first, _, _ := strings.Cut(g.Path, "/")
	if n, err := strconv.Atoi(first); err == nil && n > 0 {
		return n, nil
	}
	return 0, &fault.Error{
		Code: fault.NotFound, Reason: "AttemptNotFound", What: "there is no log " + g.Path, Why: "a log has the number of an attempt",
		Fix: "run: zaffre run logs " + g.Owner,
	}
}
