// Package content takes code snapshots as azureml-core sends them: the files that changed, each to an address of its
// own, and then the tree of all.
package content

import (
	"context"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
)

// Deps is what the part stands on.
type Deps struct {
	Runs      *run.Service
	Snapshots snapshot.Store
	Files     *object.Store
	// WriteURL returns an address to write a file to, which becomes one of Files with an owner of Owner.
	WriteURL func(r *face.Request, kind, owner, path string) string
	ReadURL  func(r *face.Request, kind, owner, path string) string
	// Sent returns the owner and the path of an address that WriteURL handed out in this workspace.
	Sent func(workspace, address string) (owner, path string, err error)
}

// Kind is that of the addresses.
const Kind = "content"

// Owner is under which name the files of an address are kept.
func Owner(workspace, owner string) string { return object.Content.Owner(workspace, owner) }

// Calls returns what the part answers.
func Calls(d Deps) []face.Call {
	list := []face.Call{}
	for _, version := range []string{"v1.0", "v2.0"} {
		base := "/content/" + version + face.WS + "/snapshots"
		list = append(list,
			face.Call{Method: "GET", Path: base + "/latest/metadata", What: "Says which snapshot was the last: none, so that the client sends all that it does not remember", Do: latest},
			face.Call{Method: "POST", Path: base + "/getblob", What: "Hands out addresses for the files of a snapshot", Do: d.getBlob},
			face.Call{Method: "POST", Path: base + "/{snapshot}", What: "Makes a snapshot of files that were sent, and of those of the one before", Do: d.create},
			face.Call{Method: "GET", Path: base + "/{snapshot}", What: "Describes a snapshot", Do: d.get},
			face.Call{Method: "GET", Path: base + "/{snapshot}/metadata", What: "Describes a snapshot", Do: d.get},
			face.Call{Method: "POST", Path: base + "/{snapshot}/zip", What: "Returns a snapshot as a ZIP file", Do: d.zip},
		)
	}
	return append(list, refused()...)
}

// refused are the calls that azureml-core 1.61 has code for. None of them is made by what its users call but that
// with a Git repository: its path is /snapshots/uri/SNAPSHOT.
func refused() []face.Call {
	const (
		base = "/content/v1.0" + face.WS + "/snapshots"
		old  = "azureml-core 1.61 has no user of this: it fetches snapshots as ZIP files"
		kept = "runs may need it: snapshots stay as long as their workspace"
		diff = "what two snapshots differ in is the client's to find out: it sends only what changed"
	)
	return []face.Call{
		{Method: "POST", Path: "/content/v2.0" + face.WS + "/snapshots/{uri}/{snapshot}", What: "Makes a snapshot of a Git repository", Refuse: "the server reaches no Git repository: submit a folder that was cloned"},
		{Method: "DELETE", Path: base + "/{snapshot}", What: "Deletes a snapshot", Refuse: kept},
		{Method: "GET", Path: base + "/{snapshot}/sas", What: "Hands out addresses to read the files of a snapshot from", Refuse: old},
		{Method: "GET", Path: base + "/{snapshot}/storageurls", What: "Tells where the files of a snapshot lie", Refuse: old},
		{Method: "GET", Path: base + "/{snapshot}/fileslocation", What: "Tells where the ZIP file of a snapshot lies", Refuse: old},
		{Method: "GET", Path: base + "/diff", What: "Compares two snapshots", Refuse: diff},
		{Method: "POST", Path: base + "/diff", What: "Compares a folder with a snapshot", Refuse: diff},
	}
}

func latest(*face.Request) (any, error) {
	return map[string]any{"root": map[string]any{}, "id": nil}, nil
}

type fileNode struct {
	Name string `json:"fullName"`
	URI  string `json:"blobUri"`
}

func (d Deps) getBlob(r *face.Request) (any, error) {
	in, err := face.Body[struct{ FileNames []string }](r)
	if err == nil {
		err = identity.Require(r.Context(), r.Workspace, identity.Contributor)
	}
	if err != nil {
		return nil, err
	}
	owner, nodes := id.New(), []fileNode{}
	for _, name := range in.FileNames {
		if err := object.CheckPath(clean(name)); err != nil {
			return nil, err
		}
		nodes = append(nodes, fileNode{Name: name, URI: d.WriteURL(r, Kind, owner, clean(name))})
	}
	return map[string]any{"fileNodes": nodes}, nil
}

// clean is a path as we write it: clients on Windows send theirs.
func clean(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// node is a file or a folder of the tree.
type node struct {
	Type     string          `json:"type"` // "File", "Directory"
	Children map[string]node `json:"children"`
}

func (n node) files(at string) (list []string) {
	for name, c := range n.Children {
		p := at + name // as it is: what is no clean path is refused with the manifest
		if strings.EqualFold(c.Type, "Directory") || len(c.Children) > 0 {
			list = append(list, c.files(p+"/")...)
		} else {
			list = append(list, p)
		}
	}
	return list
}

type creation struct {
	ParentSnapshotID string `json:"ParentSnapshotId"`
	Properties       map[string]string
	DirTreeNode      node
	FileRevisionList struct {
		FileNodes []struct{ FullName, BlobURI string }
	}
}

// treeLimit bounds the tree of a snapshot in bytes: a file costs 250, and 1,000 if it was sent. Clients send 2,000
// at most, but more come together.
const treeLimit = 64 << 20

// create may happen twice: the snapshot is kept by its name before what was sent is removed.
func (d Deps) create(r *face.Request) (any, error) {
	ctx, key := r.Context(), r.Key(r.PathValue("snapshot"))
	if c, err := d.Runs.CodeOf(ctx, key); fault.CodeOf(err) != fault.NotFound {
		return document(c), err
	}
	if err := identity.Require(ctx, r.Workspace, identity.Contributor); err != nil {
		return nil, err
	}
	r.BodyLimit = max(r.BodyLimit, treeLimit)
	in, err := face.Body[creation](r)
	if err != nil {
		return nil, err
	}
	sent, owners, err := d.store(r, in)
	if err != nil {
		return nil, err
	}
	files, err := d.tree(r, in, sent)
	if err != nil {
		return nil, err
	}
	snap, err := d.Snapshots.Commit(ctx, files)
	if err != nil {
		return nil, err
	}
	c, err := d.Runs.NameCode(ctx, run.Code{Workspace: r.Workspace, Name: key.Name, Snapshot: string(snap), Parent: in.ParentSnapshotID, Properties: in.Properties})
	if err != nil {
		return nil, err
	}
	for _, o := range owners {
		if err := d.Files.Clear(ctx, o); err != nil {
			return nil, err
		}
	}
	return document(c), nil
}

// store brings the files that were sent to the others, and returns them by their paths.
func (d Deps) store(r *face.Request, in creation) (sent map[string]driver.File, owners []string, err error) {
	ctx := r.Context()
	sent = map[string]driver.File{}
	for _, n := range in.FileRevisionList.FileNodes {
		owner, name, err := d.Sent(r.Workspace, n.BlobURI)
		if err != nil {
			return nil, nil, err
		}
		owner = Owner(r.Workspace, owner)
		f, err := d.Files.Get(ctx, owner, name)
		if err != nil {
			return nil, nil, fault.Doing("cannot make the snapshot: a file of it was not sent", err)
		}
		if err := d.bring(ctx, f); err != nil {
			return nil, nil, err
		}
		if !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
		p := clean(n.FullName)
		sent[p] = driver.File{Path: p, Mode: 0o644, Size: f.Size, Hash: f.Hash}
	}
	return sent, owners, nil
}

func (d Deps) bring(ctx context.Context, f object.File) error {
	lacking, err := d.Snapshots.Missing(ctx, []string{f.Hash})
	if err != nil || len(lacking) == 0 {
		return err
	}
	body, err := d.Files.OpenFile(ctx, f, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	return d.Snapshots.PutFile(ctx, f.Hash, body)
}

// tree returns the files of the tree: those that were sent, the others from the snapshot before.
func (d Deps) tree(r *face.Request, in creation, sent map[string]driver.File) (files []driver.File, err error) {
	before := map[string]driver.File{}
	if in.ParentSnapshotID != "" {
		c, err := d.Runs.CodeOf(r.Context(), r.Key(in.ParentSnapshotID))
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return nil, err
		}
		if err == nil {
			if before, err = d.manifest(r.Context(), c); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range in.DirTreeNode.files("") {
		f, ok := sent[p]
		if !ok {
			f, ok = before[p]
		}
		if !ok {
			return nil, &fault.Error{
				Code: fault.Precondition, Reason: "FilesMissing", What: "cannot make the snapshot",
				Why: "the file " + p + " was not sent, and the snapshot before does not have it", Fix: "send all files again: azureml-core does so by itself", Field: "ParentSnapshotId",
			}
		}
		files = append(files, f)
	}
	return files, nil
}

func (d Deps) manifest(ctx context.Context, c run.Code) (map[string]driver.File, error) {
	opened, err := d.Snapshots.Files(ctx, snapshot.ID(c.Snapshot))
	if err != nil {
		return nil, err
	}
	list, err := opened.Manifest(ctx)
	out := make(map[string]driver.File, len(list))
	for _, f := range list {
		out[f.Path] = f
	}
	return out, err
}

func (d Deps) get(r *face.Request) (any, error) {
	c, err := d.Runs.CodeOf(r.Context(), r.Key(r.PathValue("snapshot")))
	return document(c), err
}

func document(c run.Code) map[string]any {
	return map[string]any{
		"id": c.Name, "rootNodeHash": c.Snapshot, "parentSnapshotId": c.Parent, "createdTime": c.Created.UTC(),
		"createdBy": map[string]string{"userName": c.CreatedBy}, "tags": map[string]string{}, "properties": c.Properties,
	}
}
