package server_test

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/driver/fake"
)

// withPython is as much of an image as another is made from.
func withPython(t *testing.T) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "usr/bin/python3.11", Typeflag: tar.TypeReg, Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	if err == nil {
		img, err = mutate.AppendLayers(img, layer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// registry is an image's name in the server's registry, and the way there.
func registry(t *testing.T, b *box, image string) (name.Reference, []remote.Option) {
	t.Helper()
	host, transport, token := b.Registry()
	ref, err := name.ParseReference(host + "/default/" + image)
	if err != nil {
		t.Fatal(err)
	}
	return ref, []remote.Option{remote.WithTransport(transport), remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "me", Password: token})), remote.WithContext(t.Context())}
}

// TestImages: a base is pushed, an image is made of it and code, and both are there after the server's next start.
func TestImages(t *testing.T) {
	t.Parallel()
	dir, world := t.TempDir(), fake.NewWorld()
	b := startIn(t, dir, nil, world)
	ref, options := registry(t, b, "python:3.11")
	if err := remote.Write(ref, withPython(t), options...); err != nil {
		t.Fatal(err)
	}
	env, err := b.RegisterEnvironment(t.Context(), "default", client.Environment{Name: "none", Variables: map[string]string{"A": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	q := client.ImageBuild{Name: "team/train:1", Base: "python:3.11", Environment: "none:1"}
	made := makeImage(t, b, q)
	if made.State != "done" || made.Python != "3.11" || env.Version != 1 {
		t.Fatalf("the image is %+v", made)
	}
	b.stop()
	b = startIn(t, dir, nil, world)
	page, err := b.Images(t.Context(), "default", "", client.Cursor{})
	if err != nil || len(page.Items) != 2 || page.Items[0].Name != "python:3.11" || page.Items[1].Name != "team/train:1" {
		t.Fatalf("the images are %+v, %v", page, err)
	}
	ref, options = registry(t, b, "team/train:1")
	img, err := remote.Image(ref, options...)
	if err == nil {
		err = validate.Image(img)
	}
	if err != nil {
		t.Error(err)
	}
	shown, err := b.Image(t.Context(), "default", "team/train:1")
	if err != nil || len(shown.Layers) != 2 || "team/train@"+shown.Digest != made.Image {
		t.Errorf("it is %+v, %v, and was made as %s", shown, err, made.Image)
	}
	if again := makeImage(t, b, q); again.Image != made.Image || !strings.Contains(again.Log, "layer is there") {
		t.Errorf("made again it is %+v", again)
	}
	if err := b.DeleteImage(t.Context(), "default", "team/train:1"); err != nil {
		t.Error(err)
	}
	if _, err := b.Image(t.Context(), "default", "team/train:1"); client.ReasonOf(err) != "ImageNotFound" {
		t.Errorf("a deleted image: %v", err)
	}
	q.Base = "none-of-these.invalid/python:1"
	if made := makeImage(t, b, q); made.State != "failed" || made.Error == nil || made.Error.Reason != "RegistryUnreachable" || made.Error.Fix == "" {
		t.Errorf("without its base it is %+v, %+v", made, made.Error)
	}
}

// makeImage has an image made, and waits for the end.
func makeImage(t *testing.T, b *box, q client.ImageBuild) client.ImageBuilding {
	t.Helper()
	i, err := b.BuildImage(t.Context(), "default", q)
	for end := time.Now().Add(3 * time.Minute); err == nil && i.State == "running"; <-time.After(10 * time.Millisecond) {
		if i, err = b.ImageBuildAt(t.Context(), "default", i.ID, 0); time.Now().After(end) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return i
}
