package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"net/http"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/arm"
	"github.com/zaffre-ml/zaffre/internal/api/blob"
	"github.com/zaffre-ml/zaffre/internal/api/login"
	"github.com/zaffre-ml/zaffre/internal/api/mlflow"
	"github.com/zaffre-ml/zaffre/internal/api/native"
	"github.com/zaffre-ml/zaffre/internal/api/registry"
	"github.com/zaffre-ml/zaffre/internal/api/v1"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// openLogin makes the service that signs tokens. Its key is sealed in the database: a backup without the
// key file signs nothing.
func (s *server) openLogin(ctx context.Context) (*login.Service, error) {
	key, err := s.signingKey(ctx)
	if err != nil {
		return nil, err
	}
	return login.New(login.Config{Identity: s.identity, Key: key, Tenant: login.TenantOf(s.id)}), nil
}

func (s *server) signingKey(ctx context.Context) (ed25519.PrivateKey, error) {
	const name, place = "login.key", "login/key"
	text, err := s.db.Setting(ctx, name)
	if fault.CodeOf(err) == fault.NotFound {
		return s.newSigningKey(ctx, name, place)
	}
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	seed, err := s.keys.Open(ctx, sealed, place)
	if err != nil || len(seed) != ed25519.SeedSize {
		return s.newSigningKey(ctx, name, place) // restored without its key file: clients log in again
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func (s *server) newSigningKey(ctx context.Context, name, place string) (ed25519.PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails
	sealed, err := s.keys.Seal(ctx, seed, place)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), s.db.SetSetting(ctx, name, base64.StdEncoding.EncodeToString(sealed))
}

// faces hands requests to the faces of Azure and MLflow, whose paths have forms that a mux would redirect, and all
// others to rest.
func (s *server) faces(rest http.Handler) http.Handler {
	manager := arm.New(arm.Deps{
		Authenticate: s.login.Authenticate, Workspaces: s.workspaces, Computes: s.computes,
		Installation: s.id, Tenant: s.login.Tenant, BodyLimit: s.cfg.BodyLimit,
	})
	tracking, data, files, images := s.mlflow(), s.v1(), s.blobFace(), s.registry()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case mlflow.Owns(r.URL.Path):
			tracking.ServeHTTP(w, r)
		case v1.Owns(r.URL.Path):
			data.ServeHTTP(w, r)
		case blob.Owns(r.URL.Path):
			files.ServeHTTP(w, r)
		case registry.Owns(r.URL.Path):
			images.ServeHTTP(w, r)
		case login.Owns(r.URL.Path):
			s.login.ServeHTTP(w, r)
		case arm.Owns(r.URL.Path):
			manager.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// writeFault answers a request that broke in the spelling of its face.
func writeFault(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case mlflow.Owns(r.URL.Path):
		mlflow.WriteFault(w, r, err)
	case v1.Owns(r.URL.Path):
		v1.WriteFault(w, r, err)
	case registry.Owns(r.URL.Path):
		registry.WriteFault(w, r, err)
	case blob.Owns(r.URL.Path):
		blob.WriteFault(w, r, err)
	case login.Owns(r.URL.Path):
		login.WriteFault(w, r, err)
	case arm.Owns(r.URL.Path):
		arm.WriteFault(w, r, err)
	default:
		native.WriteFault(w, r, err)
	}
}

// azure is what the native API tells of the faces of Azure.
func (s *server) azure() native.Azure {
	return native.Azure{
		Environment: func(url, bundle, config, user string) []client.Variable {
			var out []client.Variable
			for _, v := range login.Environment(login.Client{URL: url, Bundle: bundle, Config: config, User: user, Tenant: s.login.Tenant}) {
				out = append(out, client.Variable{Name: v.Name, Value: v.Value, Why: v.Why, Secret: v.Secret})
			}
			return out
		},
		Config: func(ws string) client.WorkspaceConfig {
			return client.WorkspaceConfig{Subscription: arm.Subscription(s.id), Group: arm.Group, Workspace: ws}
		},
	}
}
