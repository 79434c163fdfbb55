package content_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zaffre-ml/zaffre/internal/api/v1"
	"github.com/zaffre-ml/zaffre/internal/api/v1/content"
	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files")

// rig is the services behind the part. Its addresses are https://h/WORKSPACE/OWNER/PATH.
type rig struct {
	*domaintest.Server
	http.Handler
	files *object.Store
}

func newRig(t testing.TB) *rig {
	t.Helper()
	s := domaintest.New(t)
	workspaces := workspace.New(s.DB.Workspaces(), s.DB.LinkedServices())
	for _, name := range []string{domaintest.Workspace, "other"} {
		if _, _, err := workspaces.Create(identity.System(t.Context()), name); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{Server: s, files: object.New(s.DB.Artifacts(), s.Blobs)}
	address := func(r *face.Request, _, owner, path string) string {
		return "https://h/" + r.Workspace + "/" + owner + "/" + path
	}
	r.Handler = v1.New(v1.Deps{
		Authenticate: func(_ context.Context, role string) (identity.Caller, error) {
			roles := map[string]identity.Role{domaintest.Workspace: identity.Role(role), "other": identity.Role(role)}
			return identity.Caller{Name: "ann", Roles: roles}, nil
		},
		Workspaces: workspaces, Subscription: "S", Group: "G", BodyLimit: 1 << 20,
		Parts: [][]face.Call{content.Calls(content.Deps{
			Runs: s.Runs, Snapshots: snapshot.New(s.Blobs, snapshot.Limits{Files: 3000, Bytes: 100_000}), Files: r.files, WriteURL: address, ReadURL: address,
			Sent: func(ws, address string) (owner, path string, err error) {
				parts := strings.SplitN(strings.TrimPrefix(address, "https://h/"), "/", 3)
				if len(parts) != 3 || parts[0] != ws {
					return "", "", &fault.Error{Code: fault.Denied, Reason: "BlobAddressInvalid", What: "w", Why: "w", Fix: "f"}
				}
				return parts[1], parts[2], nil
			},
		})},
	})
	return r
}

func at(ws, path string) string {
	return "/content/v2.0/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/" + ws + "/snapshots" + path
}

// as sends a request for somebody with a role.
func (r *rig) as(t testing.TB, role identity.Role, method, path, body string) (int, string) {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	q.Header.Set("Authorization", "Bearer "+string(role))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w.Code, w.Body.String()
}

// post sends what a contributor sends.
func (r *rig) post(t testing.TB, path string, body any) (int, string) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return r.as(t, identity.Contributor, http.MethodPost, at(domaintest.Workspace, path), string(raw))
}

// upload asks for addresses and writes files there, as a client does. It returns what FileNodes is made of.
func (r *rig) upload(t testing.TB, files map[string]string) []map[string]any {
	t.Helper()
	names := slices.Sorted(maps.Keys(files))
	status, answer := r.post(t, "/getblob", map[string]any{"FileNames": names})
	var out struct {
		FileNodes []struct{ FullName, BlobURI string }
	}
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
		t.Fatalf("getblob: %d %s, %v", status, answer, err)
	}
	nodes := []map[string]any{}
	for _, n := range out.FileNodes {
		parts := strings.SplitN(n.BlobURI, "/", 6)
		if _, err := r.files.Put(t.Context(), content.Owner(domaintest.Workspace, parts[4]), parts[5], strings.NewReader(files[n.FullName])); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, map[string]any{"FullName": n.FullName, "BlobUri": n.BlobURI, "FileSize": len(files[n.FullName])})
	}
	return nodes
}

// tree is a DirTreeNode as azureml-core writes it.
func tree(paths ...string) map[string]any {
	root := map[string]any{"name": "/root", "type": "Directory", "timestamp": "t", "hash": "h", "children": map[string]any{}}
	for _, p := range paths {
		dir := root
		parts := strings.Split(p, "/")
		for i, name := range parts {
			children := dir["children"].(map[string]any)
			if children[name] == nil {
				kind := "Directory"
				if i == len(parts)-1 {
					kind = "File"
				}
				children[name] = map[string]any{"name": name, "type": kind, "timestamp": "t", "hash": "h", "children": map[string]any{}}
			}
			dir = children[name].(map[string]any)
		}
	}
	return root
}

func creation(parent any, dir map[string]any, nodes []map[string]any) map[string]any {
	return map[string]any{
		"ParentSnapshotId": parent, "Tags": nil, "Properties": map[string]string{"azureml.git.branch": "main"},
		"DirTreeNode": dir, "FileRevisionList": map[string]any{"FileNodes": nodes},
	}
}

// send makes a snapshot of paths, of which some were changed.
func (r *rig) send(t testing.TB, name string, parent any, changed map[string]string, paths ...string) (int, string) {
	t.Helper()
	return r.post(t, "/"+name, creation(parent, tree(paths...), r.upload(t, changed)))
}

// holds returns the files of a snapshot, by their paths.
func (r *rig) holds(t testing.TB, name string) map[string]string {
	t.Helper()
	c, err := r.Runs.CodeOf(domaintest.Owner(t.Context()), store.Key{Workspace: domaintest.Workspace, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Snapshots.Files(t.Context(), snapshot.ID(c.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	list, err := files.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range list {
		body, err := files.OpenHash(t.Context(), f.Hash)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(body)
		body.Close()
		if err != nil || int64(len(raw)) != f.Size || fmt.Sprintf("%x", sha256.Sum256(raw)) != f.Hash {
			t.Errorf("%s: %v, %+v holds %q", f.Path, err, f, raw)
		}
		out[f.Path] = string(raw)
	}
	return out
}

// TestIncrements sends three generations of a folder, each with what changed since the one before.
func TestIncrements(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, g := range []struct {
		name    string
		parent  any
		changed map[string]string
		want    map[string]string
	}{
		{"g1", nil, map[string]string{"train.py": "v1", "lib/a.py": "a", "lib/deep/b.py": "b", "empty": "", "東京 #%?.txt": "u"}, nil},
		{"g2", "g1", map[string]string{"train.py": "v2", "new/c.py": "c"}, map[string]string{"train.py": "v2", "new/c.py": "c", "lib/a.py": "a", "empty": ""}},
		{"g3", "g2", map[string]string{`win\dows.py`: "w"}, map[string]string{"train.py": "v2", "new/c.py": "c", "lib/a.py": "a", "win/dows.py": "w"}},
		{"g4", "g3", map[string]string{}, map[string]string{"lib/a.py": "a"}},
		{"g5", nil, map[string]string{"lib/a.py": "new"}, map[string]string{"lib/a.py": "new"}},
	} {
		if g.want == nil {
			g.want = g.changed
		}
		status, answer := r.send(t, g.name, g.parent, g.changed, slices.Collect(maps.Keys(g.want))...)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", g.name, status, answer)
		}
		if diff := cmp.Diff(g.want, r.holds(t, g.name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", g.name, diff)
		}
	}
	left, err := r.DB.Artifacts().Owners(t.Context(), "content/", "content/", 100)
	if err != nil || len(left) != 0 {
		t.Errorf("files wait after the snapshots were made: %v, %v", left, err)
	}
	r.checkEarlier(t)
}

// checkEarlier looks at the first generation after the others, and sends it again, as one does who heard no answer.
func (r *rig) checkEarlier(t *testing.T) {
	t.Helper()
	before := r.holds(t, "g1")
	if len(before) != 5 || before["train.py"] != "v1" {
		t.Errorf("the first generation has become %v", before)
	}
	_, first := r.as(t, identity.Reader, http.MethodGet, at(domaintest.Workspace, "/g1"), "")
	status, again := r.post(t, "/g1", creation(nil, tree("train.py"), []map[string]any{{"FullName": "train.py", "BlobUri": "https://h/ws/gone/train.py"}}))
	if status != http.StatusOK || again != first {
		t.Errorf("again it is %d %s, want %s", status, again, first)
	}
	if diff := cmp.Diff(before, r.holds(t, "g1")); diff != "" {
		t.Errorf("the first generation, sent again (-want +got):\n%s", diff)
	}
}

// TestRefusals sends what is no snapshot. A client that is answered so sends all files once more.
func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if status, answer := r.send(t, "base", nil, map[string]string{"a": "1"}, "a"); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	one := r.upload(t, map[string]string{"a": "x"})
	uri := one[0]["BlobUri"].(string)
	odd := func(name string) map[string]any { // a tree with a name as it is, and the file of it
		return creation(nil, map[string]any{"children": map[string]any{name: map[string]any{"type": "File"}}}, []map[string]any{{"FullName": name, "BlobUri": uri}})
	}
	through := map[string]any{"children": map[string]any{"a": map[string]any{"type": "File"}, "a/b": map[string]any{"type": "File"}}}
	many := map[string]any{}
	for i := range 3001 {
		many[fmt.Sprint(i)] = map[string]any{"type": "File"}
	}
	manyNodes := []map[string]any{}
	for name := range many {
		manyNodes = append(manyNodes, map[string]any{"FullName": name, "BlobUri": uri})
	}
	large := r.upload(t, map[string]string{"l": strings.Repeat("x", 100_001)})
	for name, c := range map[string]struct {
		body   any
		status int
		reason string
	}{
		"a file not sent":             {creation(nil, tree("a"), []map[string]any{}), 412, "FilesMissing"},
		"one of no parent":            {creation("base", tree("a", "b"), []map[string]any{}), 412, "FilesMissing"},
		"a parent that is unknown":    {creation("nobody", tree("a"), []map[string]any{}), 412, "FilesMissing"},
		"an address without a file":   {creation(nil, tree("a"), []map[string]any{{"FullName": "a", "BlobUri": strings.Replace(uri, "/a", "/b", 1)}}), 404, "ArtifactNotFound"},
		"another workspace's file":    {creation(nil, tree("a"), []map[string]any{{"FullName": "a", "BlobUri": strings.Replace(uri, "/ws/", "/other/", 1)}}), 403, "BlobAddressInvalid"},
		"an address of somebody":      {creation(nil, tree("a"), []map[string]any{{"FullName": "a", "BlobUri": "https://elsewhere.example/x"}}), 403, "BlobAddressInvalid"},
		"up":                          {odd(".."), 400, "PathInvalid"},
		"up from below":               {odd("a/../../b"), 400, "PathInvalid"},
		"absolute":                    {odd("/etc/passwd"), 400, "PathInvalid"},
		"the folder itself":           {odd("."), 400, "PathInvalid"},
		"no name":                     {odd(""), 400, "PathInvalid"},
		"a NUL":                       {odd("a\x00b"), 400, "PathInvalid"},
		"a name too long":             {odd(strings.Repeat("a", 256)), 400, "PathInvalid"},
		"through a file":              {creation(nil, through, []map[string]any{{"FullName": "a", "BlobUri": uri}, {"FullName": "a/b", "BlobUri": uri}}), 400, "PathThroughFile"},
		"too many files":              {creation(nil, map[string]any{"children": many}, manyNodes), 400, "SnapshotTooLarge"},
		"too many bytes":              {creation(nil, tree("l"), append(large, map[string]any{"FullName": "l", "BlobUri": large[0]["BlobUri"]})), 400, "SnapshotTooLarge"},
		"no JSON":                     {"text", 400, "BodyInvalid"},
		"a tree of something else":    {map[string]any{"DirTreeNode": []int{1}}, 400, "BodyInvalid"},
		"files that are a dictionary": {map[string]any{"FileRevisionList": map[string]any{"FileNodes": map[string]int{}}}, 400, "BodyInvalid"},
	} {
		status, answer := r.post(t, "/refused", c.body)
		if status != c.status || !strings.Contains(answer, `"`+c.reason+`"`) {
			t.Errorf("%s: %d %.300s, want %d %s", name, status, answer, c.status, c.reason)
		}
		if status, _ := r.as(t, identity.Reader, http.MethodGet, at(domaintest.Workspace, "/refused"), ""); status != http.StatusNotFound {
			t.Fatalf("%s: it is there, %d", name, status)
		}
	}
	if _, err := r.files.Get(t.Context(), content.Owner(domaintest.Workspace, strings.Split(uri, "/")[4]), "a"); err != nil {
		t.Errorf("a file that was sent is gone with a snapshot that was refused: %v", err)
	}
}

// TestRights has those ask who may not.
func TestRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if status, answer := r.send(t, "base", nil, map[string]string{"a": "1"}, "a"); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	for _, c := range []struct {
		role         identity.Role
		method, path string
		ws           string
		status       int
	}{
		{identity.Reader, "POST", "/getblob", domaintest.Workspace, 403},
		{identity.Tracker, "POST", "/getblob", domaintest.Workspace, 403},
		{identity.Contributor, "POST", "/getblob", domaintest.Workspace, 200},
		{identity.Reader, "POST", "/new", domaintest.Workspace, 403},
		{identity.Tracker, "POST", "/new", domaintest.Workspace, 403},
		{identity.Reader, "GET", "/base", domaintest.Workspace, 200},
		{identity.Reader, "POST", "/base/zip", domaintest.Workspace, 200},
		{identity.Owner, "GET", "/base", "other", 404},
		{identity.Owner, "POST", "/base/zip", "other", 404},
		{"nobody", "GET", "/base", domaintest.Workspace, 403},
	} {
		status, answer := r.as(t, c.role, c.method, at(c.ws, c.path), `{"FileNames":["a"]}`)
		if status != c.status {
			t.Errorf("%s %s %s of %s: %d %s, want %d", c.role, c.method, c.path, c.ws, status, answer, c.status)
		}
	}
	for _, name := range []string{"../a", "/a", "a/../../b", "", "a//b", `..\a`, "a\nb"} {
		if status, answer := r.post(t, "/getblob", map[string]any{"FileNames": []string{"good", name}}); status != http.StatusBadRequest || !strings.Contains(answer, "ArtifactPathInvalid") {
			t.Errorf("an address of %q: %d %s", name, status, answer)
		}
	}
}

// TestAFullSnapshot has as many files as a client sends at once, whose tree is larger than other bodies may be.
func TestAFullSnapshot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	paths, nodes := []string{}, []map[string]any{}
	one := r.upload(t, map[string]string{"x": "x"})
	for i := range 2000 {
		p := fmt.Sprintf("%s%04d.py", strings.Repeat("folder/", 30), i)
		paths = append(paths, p)
		nodes = append(nodes, map[string]any{"FullName": p, "BlobUri": one[0]["BlobUri"], "FileSize": 1, "Pad": strings.Repeat("x", 500)})
	}
	if status, answer := r.post(t, "/full", creation(nil, tree(paths...), nodes)); status != http.StatusOK {
		t.Fatalf("%d %.300s", status, answer)
	}
	if n := len(r.holds(t, "full")); n != 2000 {
		t.Errorf("it has %d files", n)
	}
}

// TestZIP restores a snapshot, also when its ZIP file is about to be swept.
func TestZIP(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := map[string]string{"train.py": "print(1)", "lib/東京.py": "", "a/b/c": strings.Repeat("c", 5000)}
	if status, answer := r.send(t, "s", nil, want, slices.Collect(maps.Keys(want))...); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	restore := func() object.File {
		status, answer := r.as(t, identity.Reader, http.MethodPost, at(domaintest.Workspace, "/s/zip"), "")
		var out struct{ ZipSasURI string }
		if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s, %v", status, answer, err)
		}
		u, err := url.Parse(out.ZipSasURI)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(u.Path, "/", 4)
		f, body, err := r.files.Open(t.Context(), content.Owner(parts[1], parts[2]), parts[3], 0)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, unzip(t, raw)); diff != "" {
			t.Errorf("the ZIP file (-want +got):\n%s", diff)
		}
		return f
	}
	first := restore()
	if again := restore(); again.Blob != first.Blob {
		t.Error("asked for again it was made anew")
	}
	old := first
	old.Blob, old.Created = "old", time.Now().Add(-object.Wait/2-time.Minute)
	rows := r.DB.Artifacts()
	if err := rows.Begin(t.Context(), old.Blob, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := rows.Keep(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if now := restore(); time.Since(now.Created) > time.Hour {
		t.Errorf("one that is swept before its address ends was handed out: it is of %s", now.Created)
	}
}

func unzip(t testing.TB, raw []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

var (
	ids   = regexp.MustCompile(`\b[0-9a-hjkmnp-tv-z]{26}\b`)
	times = regexp.MustCompile(`\b20[2-9]\d-\d\d-\d\dT[\d:.]+Z`)
)

// TestGolden sends the requests of testdata, as azureml-core sends them, and compares the answers.
func TestGolden(t *testing.T) {
	t.Parallel()
	const file = "testdata/wire.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, got, sent := newRig(t), &txtar.Archive{Comment: a.Comment}, ""
	for _, f := range a.Files {
		number, rest, request := strings.Cut(f.Name, ". ")
		if !request {
			continue
		}
		method, path, _ := strings.Cut(rest, " ")
		if method == "UPLOAD" {
			sent = r.upload(t, map[string]string{path: string(f.Data)})[0]["BlobUri"].(string)
			got.Files = append(got.Files, f)
			continue
		}
		version, path, _ := strings.Cut(path, "/snapshots")
		url := strings.Replace(at(domaintest.Workspace, path), "v2.0", version, 1)
		status, answer := r.as(t, identity.Owner, method, url, strings.ReplaceAll(string(f.Data), "{sent}", sent))
		answer = times.ReplaceAllString(ids.ReplaceAllString(answer, "{id}"), "{time}")
		got.Files = append(got.Files, f, txtar.File{Name: number, Data: fmt.Appendf(nil, "%d %s\n", status, strings.TrimSpace(answer))})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(a)), string(txtar.Format(got))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzCreate sends any snapshot: the answer is no fault of the server's, and what is made has clean paths.
func FuzzCreate(f *testing.F) {
	r := newRig(f)
	uri := r.upload(f, map[string]string{"a": "x"})[0]["BlobUri"].(string)
	for _, dir := range []string{`{"children":{"a":{"type":"File"}}}`, `{"children":{"..":{"children":{"a":{}}}}}`, `{"children":{"a":{"type":"Directory","children":null},"":{}}}`, `null`, `{"children":{"a":{"type":"directory","children":{"b":{"type":"FILE"}}}}}`} {
		f.Add(dir, "a")
	}
	f.Fuzz(func(t *testing.T, dir, name string) {
		full, _ := json.Marshal(name)
		body := fmt.Sprintf(`{"DirTreeNode":%s,"FileRevisionList":{"FileNodes":[{"FullName":%s,"BlobUri":%q}]}}`, dir, full, uri)
		snap := fmt.Sprintf("f%x", sha256.Sum256([]byte(body)))
		status, answer := r.as(t, identity.Owner, http.MethodPost, at(domaintest.Workspace, "/"+snap), body)
		if status >= 500 {
			t.Errorf("%q: %d %s", body, status, answer)
		}
		if status != http.StatusOK {
			return
		}
		for p := range r.holds(t, snap) {
			if !fs.ValidPath(p) {
				t.Errorf("%q made a file %q", body, p)
			}
		}
		parts := strings.SplitN(uri, "/", 6) // the address's file went with the snapshot
		if _, err := r.files.Put(t.Context(), content.Owner(domaintest.Workspace, parts[4]), parts[5], strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	})
}
