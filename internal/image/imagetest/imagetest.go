// Package imagetest puts the registry together on a real database, for tests and benchmarks.
package imagetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/registry"
	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/oci"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// Workspace is where the tests work.
const Workspace = "ws"

// Tokens that the registry knows.
const (
	Writer   = "zaf_writer"   // a Contributor of Workspace
	Reader   = "zaf_reader"   // a Reader of it
	Stranger = "zaf_stranger" // a Contributor of another workspace
)

// Lab is a registry, its database and its bytes.
type Lab struct {
	*image.Service
	Files   *object.Store
	Handler http.Handler
	// Detached are the targets whose login is good no more.
	Detached map[string]bool

	db    *sqlstore.DB
	blobs *blob.Dir
}

// Open opens a registry in a folder, where another may have been before.
func Open(ctx context.Context, dir string, uv oci.Uv) (*Lab, error) {
	l := &Lab{Detached: map[string]bool{}}
	var err error
	if l.blobs, err = blob.NewDir(filepath.Join(dir, "blobs")); err != nil {
		return nil, err
	}
	if l.db, err = sqlstore.OpenWith(ctx, "sqlite:"+filepath.Join(dir, "z.db"), slog.New(slog.DiscardHandler), sqlstore.Options{NoSync: true}); err != nil {
		return nil, err
	}
	l.Files = object.New(l.db.Artifacts(), l.blobs)
	l.Service = image.New(image.Config{
		Manifests: l.db.Manifests(), Tags: l.db.Tags(), Layers: l.db.Layers(), Files: l.Files, Uv: uv, Key: []byte("key"),
		Attached: func(_ context.Context, _, target string) error {
			if l.Detached[target] {
				return &fault.Error{Code: fault.NotFound, Reason: "TargetNotFound", What: "it is gone", Why: "it was detached", Fix: "attach it"}
			}
			return nil
		},
	})
	faces := registry.New(registry.Deps{Images: l.Service, Authenticate: authenticate, Limit: 1 << 40})
	l.Handler = httpx.Chain(faces, httpx.Requests(slog.New(slog.DiscardHandler), registry.WriteFault, nil), httpx.Deadline(time.Minute))
	return l, nil
}

// New opens a registry for a test.
func New(t testing.TB, dir string, uv oci.Uv) *Lab {
	t.Helper()
	l, err := Open(t.Context(), dir, uv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Close ends it. It may be called twice.
func (l *Lab) Close() error {
	l.Service.Close()
	return errors.Join(l.db.Close(), l.blobs.Close())
}

func authenticate(_ context.Context, bearer string) (identity.Caller, error) {
	switch bearer {
	case Writer:
		return identity.Caller{Name: "writer", Roles: map[string]identity.Role{Workspace: identity.Contributor}}, nil
	case Reader:
		return identity.Caller{Name: "reader", Roles: map[string]identity.Role{Workspace: identity.Reader}}, nil
	case Stranger:
		return identity.Caller{Name: "stranger", Roles: map[string]identity.Role{"other": identity.Contributor}}, nil
	}
	return identity.Caller{}, &fault.Error{Code: fault.Unauthorized, Reason: "TokenInvalid", What: "the token is not accepted", Why: "nobody knows it", Fix: "ask for one"}
}

// As returns the context of somebody who may do all in Workspace.
func As(ctx context.Context) context.Context {
	return identity.With(ctx, identity.Caller{Name: "writer", Roles: map[string]identity.Role{Workspace: identity.Contributor}})
}

// Serve has the registry listen on an address, and returns it as HOST:PORT. stop ends that.
func (l *Lab) Serve(ctx context.Context, address string) (host string, stop func(), err error) {
	in, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: l.Handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(in) }()
	return in.Addr().String(), func() { s.Close() }, nil
}

// By is a login of the library's clients.
func By(token string) remote.Option {
	return remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "zaffre", Password: token}))
}

// Push sends an image as a client does.
func Push(t testing.TB, ref string, img v1.Image, options ...remote.Option) error {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return remote.Write(r, img, append(options, remote.WithContext(t.Context()))...)
}

// Image makes an image of one layer with files of these names and contents.
func Image(t testing.TB, files map[string]string) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for path, text := range files {
		err := w.WriteHeader(&tar.Header{Name: path, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: int64(fs.FileMode(0o755))})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}, Config: v1.Config{Env: []string{"PATH=/usr/bin:/bin"}}})
	if err == nil {
		img, err = mutate.AppendLayers(img, layer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}
