package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// tokenGrace is how long after a run's end its token is good: for what its process sent last.
const tokenGrace = 10 * time.Minute

// runOwner returns who submitted a run, while the run's token is good.
func (s *server) runOwner(ctx context.Context, r identity.RunRef) (string, error) {
	v, err := s.db.Runs().Get(ctx, store.Key{Workspace: r.Workspace, Name: r.Name})
	if err != nil {
		return "", err
	}
	if v.ID != r.ID || !v.Deleted.IsZero() || v.Status.State.Final() && time.Since(v.Status.Ended) > tokenGrace {
		return "", &fault.Error{
			Code: fault.NotFound, Reason: "RunNotFound", What: "there is no run " + r.Name + " that goes on",
			Why: "it has ended", Fix: "run: zaffre run list",
		}
	}
	return v.CreatedBy, nil
}

// tracking returns the variables by which MLflow in a run's process logs to that run. A job elsewhere has
// none: it cannot reach the server by this machine's address.
func (s *server) tracking(ctx context.Context, r run.Run) (map[string]string, error) {
	t, err := s.computes.Get(ctx, r.TargetKey())
	if err != nil {
		return nil, err
	}
	if local, ok := s.implicit(); !ok || t.Kind != local.Name {
		return nil, nil
	}
	e, err := s.runs.GetExperiment(ctx, store.Key{Workspace: r.Workspace, Name: r.Experiment})
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"MLFLOW_TRACKING_URI":              s.url,
		"MLFLOW_TRACKING_TOKEN":            s.login.RunToken(identity.RunRef{Workspace: r.Workspace, Name: r.Name, ID: r.ID}, r.Created),
		"MLFLOW_TRACKING_SERVER_CERT_PATH": s.jobCA,
		"MLFLOW_RUN_ID":                    r.Name,
		"MLFLOW_EXPERIMENT_ID":             e.ID,
	}, nil
}

// sharedDir is where users of this machine other than the server's find what they may read.
const sharedDir = "/var/lib/zaffre"

// shareCA puts the CA's certificate where code on the target "server" can read it, and returns the file.
func (s *server) shareCA() (string, error) {
	own, err := runsAsServer(s.cfg.LocalUser, os.Geteuid())
	if err != nil {
		return "", err
	}
	if own {
		return filepath.Abs(s.authority.file)
	}
	dir := s.place.temp
	if dir == "" {
		if dir = sharedDir; os.MkdirAll(dir, 0o755) != nil {
			return "", nil // the driver says what is wrong with the machine
		}
	}
	pem, err := os.ReadFile(s.authority.file)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "ca-"+s.id+".pem")
	fresh := file + ".new"
	err = os.WriteFile(fresh, pem, 0o644) //nolint:gosec // a certificate is for all
	if err == nil {
		err = errors.Join(os.Chmod(fresh, 0o644), os.Rename(fresh, file))
	}
	if err != nil {
		return "", dirFault(dir, err)
	}
	return file, nil
}
