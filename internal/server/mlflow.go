package server

import (
	"crypto/hkdf"
	"crypto/sha256"
	"net/http"

	"github.com/zaffre-ml/zaffre/internal/api/arm"
	"github.com/zaffre-ml/zaffre/internal/api/mlflow"
	"github.com/zaffre-ml/zaffre/internal/metric"
)

// fileLimit bounds a file that MLflow's clients upload.
const fileLimit = 1 << 40

// mlflow is the face of MLflow. Addresses of files are signed with a key that follows from the one that
// signs tokens: when that is made anew, clients ask for the addresses again.
func (s *server) mlflow() http.Handler {
	key, err := hkdf.Key(sha256.New, s.login.Key.Seed(), nil, "zaffre/mlflow/files", 32)
	if err != nil {
		panic(err) // 32 bytes are always possible
	}
	return mlflow.New(mlflow.Deps{
		Authenticate: s.login.Authenticate, Workspaces: s.workspaces, Runs: s.runs, Metrics: s.db.Metrics(metric.Limits{}), Models: s.models,
		Subscription: arm.Subscription(s.id), Group: arm.Group, Key: key, BodyLimit: s.cfg.BodyLimit, FileLimit: fileLimit,
	})
}
