package server

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/arm"
	"github.com/zaffre-ml/zaffre/internal/api/login"
	"github.com/zaffre-ml/zaffre/internal/driver"
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

// reach says how the process of a run reaches the server: by its target's relay, with the variables of MLflow's
// clients and of azureml-core (Run.get_context; the names are those of azureml-core 1.61).
func (s *server) reach(ctx context.Context, r run.Run) (run.Reach, error) {
	t, err := s.computes.Get(ctx, r.TargetKey())
	if err != nil {
		return run.Reach{}, err
	}
	kind, err := s.computes.Kind(t.Kind)
	if err != nil || !kind.Relays {
		return run.Reach{}, err
	}
	return s.variables(ctx, r)
}

// variablesAt are those of the process of a run that its client executes, and that reaches the server at url.
func (s *server) variablesAt(ctx context.Context, r run.Run, url string) (map[string]string, error) {
	way, err := s.variables(ctx, r)
	for k, v := range way.Env {
		if way.Env[k] = strings.ReplaceAll(v, driver.HomeURL, url); strings.Contains(v, driver.HomeCA) {
			delete(way.Env, k) // it trusts whom its client trusts
		}
	}
	return way.Env, err
}

// variables are those by which MLflow's clients and azureml-core find a run, and its token.
func (s *server) variables(ctx context.Context, r run.Run) (run.Reach, error) {
	e, err := s.runs.GetExperiment(ctx, store.Key{Workspace: r.Workspace, Name: r.Experiment})
	if err != nil {
		return run.Reach{}, err
	}
	w, err := s.workspaces.Get(ctx, r.Workspace)
	if err != nil {
		return run.Reach{}, err
	}
	token := s.login.RunToken(identity.RunRef{Workspace: r.Workspace, Name: r.Name, ID: r.ID}, r.Created)
	return run.Reach{Token: token, Env: map[string]string{
		"MLFLOW_TRACKING_URI": driver.HomeURL, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_TRACKING_SERVER_CERT_PATH": driver.HomeCA,
		"MLFLOW_RUN_ID": r.Name, "MLFLOW_EXPERIMENT_ID": e.ID,

		"AZUREML_ARM_SUBSCRIPTION": arm.Subscription(s.id), "AZUREML_ARM_RESOURCEGROUP": arm.Group, "AZUREML_ARM_WORKSPACE_NAME": r.Workspace,
		"AZUREML_ARM_PROJECT_NAME": r.Experiment, "AZUREML_RUN_ID": r.Name, "AZUREML_ROOT_RUN_ID": r.Name,
		"AZUREML_RUN_TOKEN": token, "AZUREML_RUN_TOKEN_EXPIRY": strconv.FormatInt(login.RunTokenEnd(r.Created).Unix(), 10),
		"AZUREML_EXPERIMENT_ID": e.ID, "AZUREML_WORKSPACE_ID": w.ID, "AZUREML_SERVICE_ENDPOINT": driver.HomeURL,
		"AZUREML_DISCOVERY_SERVICE_ENDPOINT": driver.HomeURL + "/discovery/" + w.ID,
		"ARM_CLOUD_METADATA_URL":             driver.HomeURL + "/metadata/endpoints?api-version=2019-05-01", "AZUREML_CURRENT_CLOUD": "AzureCloud",
		"AZUREML_DEV_URL_MFE": driver.HomeURL, "REQUESTS_CA_BUNDLE": driver.HomeCA, "SSL_CERT_FILE": driver.HomeCA,
	}}, nil
}
