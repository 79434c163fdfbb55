package server

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/zaffre-ml/zaffre/internal/api/blob"
	"github.com/zaffre-ml/zaffre/internal/api/v1/content"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// writeFor is how long an address to write to is good.
const writeFor = 24 * time.Hour

// signer makes the addresses of files. Its key follows from the one that signs tokens: when that is made anew,
// clients ask for the addresses again.
func (s *server) signer() blob.Signer {
	key, err := hkdf.Key(sha256.New, s.login.Key.Seed(), nil, "zaffre/blob", 32)
	if err != nil {
		panic(err) // 32 bytes are always possible
	}
	return blob.Signer{Key: key}
}

// blobFace answers for the files that addresses name.
func (s *server) blobFace() http.Handler {
	return blob.New(blob.Deps{
		Signer: s.signer(), Stat: s.statBlob, Open: s.openBlob, Put: s.putBlob, Parts: s.files(), Limit: fileLimit,
	})
}

func (s *server) files() *object.Store { return object.New(s.db.Artifacts(), s.blobs) }

// ownerOf returns the owner of the files of a grant that are no run's.
func ownerOf(g blob.Grant) (string, error) {
	switch g.Kind {
	case "upload":
		return object.Upload.Owner(g.Workspace, g.Owner), nil
	case content.Kind:
		return content.Owner(g.Workspace, g.Owner), nil
	case "model":
		return g.Owner, nil
	}
	return "", &fault.Error{
		Code: fault.NotFound, Reason: "ArtifactNotFound", What: fmt.Sprintf("there is no file %q", g.Path),
		Why: "nothing of the kind " + g.Kind + " has files", Fix: "ask for the address again",
	}
}

func runKey(g blob.Grant) store.Key { return store.Key{Workspace: g.Workspace, Name: g.Owner} }

func (s *server) statBlob(ctx context.Context, g blob.Grant) (object.File, error) {
	switch g.Kind {
	case "log":
		return s.statLog(ctx, g)
	case buildKind:
		return s.statBuild(ctx, g)
	case "run":
		f, body, err := s.runs.OpenArtifact(ctx, runKey(g), g.Path, 0)
		if err == nil {
			body.Close()
		}
		return f, err
	}
	owner, err := ownerOf(g)
	if err != nil {
		return object.File{}, err
	}
	return s.files().Get(ctx, owner, g.Path)
}

func (s *server) openBlob(ctx context.Context, g blob.Grant, f object.File, offset int64) (io.ReadCloser, error) {
	switch g.Kind {
	case "log":
		return s.openLog(ctx, g, offset)
	case buildKind:
		return s.openBuild(ctx, g, offset)
	}
	return s.files().OpenFile(ctx, f, offset)
}

func (s *server) putBlob(ctx context.Context, g blob.Grant, body io.Reader) (object.File, error) {
	if g.Kind == "run" {
		return s.runs.PutArtifact(ctx, runKey(g), g.Path, body)
	}
	owner, err := ownerOf(g)
	if err != nil {
		return object.File{}, err
	}
	return s.files().Put(ctx, owner, g.Path, body)
}

// writeURL returns an address to write to, for the caller.
func (s *server) writeURL(r *face.Request, kind, owner, path string) string {
	return s.signer().WriteURL(r.Host, blob.Grant{
		Workspace: r.Workspace, Kind: kind, Owner: owner, Path: path, User: identity.From(r.Context()).Name, Until: time.Now().Add(writeFor).UTC(),
	})
}

// readURL returns an address to read from, for the caller.
func (s *server) readURL(r *face.Request, kind, owner, path string) string {
	return s.signer().ReadURL(r.Host, blob.Grant{
		Workspace: r.Workspace, Kind: kind, Owner: owner, Path: path, User: identity.From(r.Context()).Name, Until: time.Now().Add(readFor).UTC(),
	})
}

// sent returns what an address that was handed out to send code names.
func (s *server) sent(workspace, address string) (owner, path string, err error) {
	g, err := s.signer().Of(address)
	if err == nil && (g.Workspace != workspace || g.Kind != content.Kind) {
		err = &fault.Error{
			Code: fault.Denied, Reason: "BlobAddressInvalid", What: "the address of the file is not accepted", Why: "it is not one of this snapshot", Fix: "send the snapshot again",
		}
	}
	return g.Owner, g.Path, err
}
