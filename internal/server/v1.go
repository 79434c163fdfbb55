package server

import (
	"net/http"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/arm"
	"github.com/zaffre-ml/zaffre/internal/api/login"
	"github.com/zaffre-ml/zaffre/internal/api/v1"
	"github.com/zaffre-ml/zaffre/internal/api/v1/artifact"
	"github.com/zaffre-ml/zaffre/internal/api/v1/content"
	"github.com/zaffre-ml/zaffre/internal/api/v1/credential"
	"github.com/zaffre-ml/zaffre/internal/api/v1/environment"
	"github.com/zaffre-ml/zaffre/internal/api/v1/execution"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/api/v1/history"
	"github.com/zaffre-ml/zaffre/internal/api/v1/metric"
	"github.com/zaffre-ml/zaffre/internal/api/v1/modelmgmt"
	"github.com/zaffre-ml/zaffre/internal/api/v1/unserved"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// v1 is the data plane of the SDK v1.
func (s *server) v1() http.Handler {
	return v1.New(v1.Deps{
		Authenticate: s.login.Authenticate, Workspaces: s.workspaces, Subscription: arm.Subscription(s.id), Group: arm.Group,
		BodyLimit: s.cfg.BodyLimit, Parts: s.v1Parts(),
	})
}

// v1Parts is all that the data plane answers.
func (s *server) v1Parts() [][]face.Call {
	logURL := func(r *face.Request, run string, attempt int) string {
		return s.signer().ReadURL(r.Host, logGrant(r.Context(), r.Key(run), attempt))
	}
	return [][]face.Call{
		history.Calls(history.Deps{
			Runs: s.runs, Token: s.runToken, LogURL: logURL,
			ReadURL: func(r *face.Request, run, path string) string { return s.readURL(r, "run", run, path) },
		}),
		content.Calls(content.Deps{
			Runs: s.runs, Snapshots: s.snapshots, Files: s.files(), WriteURL: s.writeURL, ReadURL: s.readURL, Sent: s.sent,
		}),
		execution.Calls(execution.Deps{Runs: s.runs, Computes: s.computes, Environments: s.environments, Variables: s.variablesAt}),
		environment.Calls(environment.Deps{
			Environments: s.environments,
			LogURL:       func(r *face.Request, ref, target string) string { return s.readURL(r, buildKind, ref, target) },
		}),
		credential.Calls(credential.Deps{Vault: s.vault}),
		metric.Calls(metric.Deps{Runs: s.runs}),
		artifact.Calls(artifact.Deps{
			Runs: s.runs, Models: s.models, Files: s.files(), WriteURL: s.writeURL, ReadURL: s.readURL, LogURL: logURL,
		}),
		modelmgmt.Calls(modelmgmt.Deps{Models: s.models, Runs: s.runs, Files: s.files()}),
		unserved.Calls(),
	}
}

// runToken returns the token of a run, and when it ends if the run does not end before.
func (s *server) runToken(r run.Run) (token string, expires time.Time) {
	return s.login.RunToken(identity.RunRef{Workspace: r.Workspace, Name: r.Name, ID: r.ID}, r.Created), login.RunTokenEnd(r.Created)
}
