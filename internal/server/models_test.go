package server_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

// aRun submits a run that leaves one file.
func aRun(t *testing.T, b *box) string {
	t.Helper()
	b.attach(t, "box", nil)
	r, err := b.Submit(t.Context(), "default", client.RunRequest{Compute: "box", Command: []string{"write", "outputs/model/a.txt", "0123456789"}})
	if err != nil {
		t.Fatal(err)
	}
	if done := b.finish(t, r.ID); done.State != "Completed" {
		t.Fatalf("run: %+v", done)
	}
	return r.ID
}

func textUpload(text string) client.Upload {
	sum := sha256.Sum256([]byte(text))
	return client.Upload{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
		Size: int64(len(text)), Hash: hex.EncodeToString(sum[:]),
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	b := start(t)
	run := aRun(t, b)
	for _, path := range []string{"plots/a b/模型 #1?.txt", "plots/empty", `it's "odd"/%2e%2e`, "plots/..a"} {
		text := strings.Repeat("x", len(path)) + path
		if strings.HasSuffix(path, "empty") {
			text = ""
		}
		f, err := b.PutArtifact(t.Context(), "default", run, path, textUpload(text))
		if err != nil || f.Path != path || f.Size != int64(len(text)) {
			t.Errorf("%q: %+v, %v", path, f, err)
			continue
		}
		body, err := b.OpenArtifact(t.Context(), "default", run, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); string(got) != text || err != nil {
			t.Errorf("%q came back as %q, %v", path, got, err)
		}
		body.Close()
	}
	wrong := textUpload("text")
	wrong.Hash = strings.Repeat("0", 64)
	for path, reason := range map[string]string{"a/b": "ChecksumMismatch", "a\nb": "ArtifactPathInvalid", "x/" + strings.Repeat("x", 300): "ArtifactPathInvalid"} {
		if _, err := b.PutArtifact(t.Context(), "default", run, path, wrong); client.ReasonOf(err) != reason {
			t.Errorf("%q: %v, want %s", path, err, reason)
		}
	}
	p, err := b.ArtifactFolder(t.Context(), "default", run, "plots", client.Cursor{})
	var got []string
	for _, f := range p.Items {
		got = append(got, fmt.Sprint(f.Path, f.Folder))
	}
	if diff := cmp.Diff([]string{"plots/..afalse", "plots/a btrue", "plots/emptyfalse"}, got); diff != "" || err != nil {
		t.Errorf("folder, %v (-want +got):\n%s", err, diff)
	}
	for range 2 {
		if err := b.DeleteArtifact(t.Context(), "default", run, "plots/empty"); err != nil {
			t.Error(err)
		}
	}
}

// An upload whose client dies in the middle leaves the file that was there, and no other.
func TestUploadThatDies(t *testing.T) {
	t.Parallel()
	b := start(t)
	run := aRun(t, b)
	at, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string]string{
		"outputs/model/a.txt": "Content-Length: 1000\r\n\r\nhalf",
		"outputs/new.txt":     "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		cfg := b.http.Transport.(*http.Transport).TLSClientConfig.Clone()
		cfg.NextProtos = []string{"http/1.1"}
		conn, err := tls.Dial("tcp", at.Host, cfg)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /api/v1/workspaces/default/runs/%s/artifacts/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s", run, name, b.profile.Token, head)
		if err := conn.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(conn) // the server has given up when it says so, or closes
		conn.Close()
		if strings.HasPrefix(string(answer), "HTTP/1.1 2") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	p, err := b.Artifacts(t.Context(), "default", run, "outputs/", client.Cursor{})
	if err != nil || len(p.Items) != 1 || p.Items[0].Size != 10 {
		t.Errorf("files: %+v, %v", p, err)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, run := t.Context(), aRun(t, b)
	v, err := b.RegisterModel(ctx, "default", "digits", client.ModelVersionRequest{Request: "1", Run: run, Path: "outputs/model", Tags: map[string]string{"k": "v"}})
	again, err2 := b.RegisterModel(ctx, "default", "digits", client.ModelVersionRequest{Request: "1", Run: run, Path: "outputs/model"})
	if err != nil || err2 != nil || v.Version != 1 || again.UID != v.UID || v.Run != run || v.Source != "runs:/"+run+"/outputs/model" {
		t.Fatalf("registered %+v, %v, and again %+v, %v", v, err, again, err2)
	}
	up, err := b.RegisterModel(ctx, "default", "digits", client.ModelVersionRequest{Request: "2", Upload: true})
	if err != nil || up.Status != "PENDING_REGISTRATION" {
		t.Fatalf("%+v, %v", up, err)
	}
	if _, err := b.PutModelFile(ctx, "default", "digits", 2, "b/c.bin", textUpload("bytes")); err != nil {
		t.Fatal(err)
	}
	if up, err = b.FinishModel(ctx, "default", "digits", 2, ""); err != nil || up.Status != "READY" {
		t.Fatalf("%+v, %v", up, err)
	}
	if _, err := b.SetModelAlias(ctx, "default", "digits", "champion", 1); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"champion": "a.txt", "latest": "b/c.bin"} {
		files, err := b.ModelFiles(ctx, "default", "digits", ref, "", client.Cursor{})
		if err != nil || len(files.Items) != 1 || files.Items[0].Path != want {
			t.Fatalf("files of %s: %+v, %v", ref, files, err)
		}
		dir := t.TempDir()
		if err := b.DownloadModel(ctx, "default", "digits", ref, files.Items, dir, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Error(err)
		}
	}
	text := "changed"
	if v, err = b.UpdateModelVersion(ctx, "default", "digits", 1, client.ModelChange{Description: &text, RemoveTags: []string{"k"}}); err != nil || v.Description != text || len(v.Tags) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err = b.StageModel(ctx, "default", "digits", 1, "Production", true); err != nil || v.Stage != "Production" {
		t.Errorf("%+v, %v", v, err)
	}
	if m, err := b.UpdateModel(ctx, "default", "digits", client.ModelChange{Name: "numbers", Tags: map[string]string{"a": "b"}}); err != nil || m.Name != "numbers" || m.Latest != 2 || m.Tags["a"] != "b" {
		t.Errorf("%+v, %v", m, err)
	}
	if err := b.DeleteModelVersion(ctx, "default", "numbers", 2); err != nil {
		t.Error(err)
	}
	if list, err := b.ModelVersions(ctx, "default", "numbers", client.Cursor{}); err != nil || len(list.Items) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := b.DeleteModel(ctx, "default", "numbers"); err != nil {
		t.Error(err)
	}
	if list, err := b.Models(ctx, "default", client.Cursor{}); err != nil || len(list.Items) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = b.Model(ctx, "default", "numbers")
	if client.ReasonOf(err) != "ModelNotFound" {
		t.Errorf("it is there: %v", err)
	}
}
