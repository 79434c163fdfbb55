package server

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"path/filepath"

	"github.com/zaffre-ml/zaffre/internal/api/registry"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// newImages makes the registry. What is being made lies beside uv's cache, whose files it links.
func (s *server) newImages() *image.Service {
	tools := filepath.Join(s.place.data, toolsDir)
	return image.New(image.Config{
		Manifests: s.db.Manifests(), Tags: s.db.Tags(), Layers: s.db.Layers(), Files: s.files(), Uv: uvx.New(tools), Work: filepath.Join(tools, "images"),
		Attached: s.attached,
	})
}

// registry answers for images.
func (s *server) registry() http.Handler {
	return registry.New(registry.Deps{Images: s.images, Authenticate: s.login.Authenticate, Limit: fileLimit})
}

// attached fails with fault.NotFound unless a workspace has a target of an ID.
func (s *server) attached(ctx context.Context, workspace, target string) error {
	for cursor := ""; ; {
		list, next, err := s.db.Targets().List(ctx, compute.Filter{Workspace: workspace}, store.Page{Limit: 1000, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, t := range list {
			if t.ID == target {
				return nil
			}
		}
		if cursor = next; next == "" {
			return &fault.Error{
				Code: fault.NotFound, Reason: "TargetNotFound", What: fmt.Sprintf("there is no compute target with the ID %q", target), Why: "it was detached", Fix: "run: zaffre compute list",
			}
		}
	}
}

// derived is a key that follows from the one that signs tokens.
func (s *server) derived(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.login.Key.Seed(), nil, purpose, 32)
}

// hostsOf are the names by which clients may know a server that listens on an address.
func hostsOf(listen string, configured []string) (out []string) {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	for _, name := range certNames(listen, configured) {
		out = append(out, net.JoinHostPort(name, port))
	}
	return out
}
