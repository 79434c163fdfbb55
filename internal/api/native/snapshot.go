package native

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
)

// manifestMax bounds the body that lists a snapshot's files: about 300,000 of them.
const manifestMax = 64 << 20

// Hashes asks which files are missing.
type Hashes struct {
	Hashes []string `json:"hashes" maxItems:"100000" doc:"SHA-256, lower-case hex"`
}

// MissingFiles answers it.
type MissingFiles struct {
	Missing []string `json:"missing"`
}

// Manifest lists the files of a snapshot.
type Manifest struct {
	Files []client.File `json:"files"`
}

// SnapshotID names a snapshot.
type SnapshotID struct {
	ID string `json:"id"`
}

func (a *api) routesSnapshots() {
	const all = "/workspaces/{ws}/snapshots"
	missing := a.op(http.MethodPost, all+"/missing", "list-missing-files", "Say which files the server does not have")
	missing.MaxBodyBytes = max(a.BodyLimit, 8<<20)
	huma.Register(a.huma, missing, a.missingFiles)
	commit := a.op(http.MethodPost, all, "commit-snapshot", "Make a snapshot of files that the server has")
	commit.MaxBodyBytes = manifestMax
	huma.Register(a.huma, commit, a.commitSnapshot)
	pack := a.op(http.MethodPost, all+"/pack", "send-files", "Send files as a tar stream whose entries are named by their hash")
	pack.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-tar": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	pack.DefaultStatus = http.StatusNoContent
	pack.Responses = map[string]*huma.Response{"204": {Description: "Stored"}}
	huma.Register(a.huma, pack, a.sendFiles)
}

func (a *api) missingFiles(ctx context.Context, in *struct {
	WorkspacePath
	Body Hashes
},
) (*out[MissingFiles], error) {
	if err := identity.Require(ctx, in.Workspace, identity.Contributor); err != nil {
		return nil, err
	}
	missing, err := a.Snapshots.Missing(ctx, in.Body.Hashes)
	if missing == nil {
		missing = []string{}
	}
	return &out[MissingFiles]{MissingFiles{missing}}, err
}

func (a *api) commitSnapshot(ctx context.Context, in *struct {
	WorkspacePath
	Body Manifest
},
) (*out[SnapshotID], error) {
	if err := identity.Require(ctx, in.Workspace, identity.Contributor); err != nil {
		return nil, err
	}
	id, err := a.Snapshots.Commit(ctx, fromFiles(in.Body.Files))
	return &out[SnapshotID]{SnapshotID{string(id)}}, err
}

// sendFiles reads the stream as it comes: nothing of it is kept in memory.
func (a *api) sendFiles(ctx context.Context, in *WorkspacePath) (*huma.StreamResponse, error) {
	if err := identity.Require(ctx, in.Workspace, identity.Contributor); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		body := httpx.Upload(w, r, a.SnapshotMax+a.SnapshotMax/8+1<<20) // a tar header for each file
		defer body.Close()
		if _, err := a.Snapshots.Receive(ctx, body); err != nil {
			WriteFault(w, r, packFault(err))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}}, nil
}

func packFault(err error) error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge(fmt.Sprintf("the files have more than %d bytes", large.Limit))
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "BodyBroken", What: "the files did not arrive", Why: "the stream broke off or is no tar archive",
		Fix: "send them again; those that arrived are kept", Err: err,
	}
}
