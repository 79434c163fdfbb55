package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	pushed "github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/test/rig"
)

const (
	rebuildGoal = time.Second
	layerGoal   = 10 * time.Second
)

func heavy() []string {
	return []string{"scikit-learn==1.7.2", "pandas==2.3.3", "pyarrow==21.0.0"}
}

// images measures an image whose code changed, and one with a new environment, beside the bare tools: uv, tar, gzip.
func images(ctx context.Context, b *bench) ([]Figure, error) {
	uv, err := findUV(ctx, b)
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(b.scratch, "uv-cache")
	s, err := b.serve(ctx, rig.Options{Env: []string{"PATH=" + filepath.Dir(uv) + string(os.PathListSeparator) + os.Getenv("PATH"), "UV_CACHE_DIR=" + cache}})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	if err := pushBase(ctx, b, s); err != nil {
		return nil, err
	}
	if _, _, err := imageOnce(ctx, b, s, 0, 0); err != nil { // fills the cache
		return nil, err
	}
	layers, err := newLayers(ctx, b, s, uv, cache)
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range b.times(10, 3) {
		t, _, err := imageOnce(ctx, b, s, 1, i+1)
		if err != nil {
			return nil, err
		}
		took = append(took, t)
	}
	z := middle(took)
	return []Figure{{
		What:   "image rebuilt after a code change, from the folder to the registry",
		Zaffre: ms(z), Goal: "< 1 s", OK: new(z < rebuildGoal), Note: "base and environment stay; the code is one layer of two files", Values: map[string]float64{"zaffre": millis(z)},
	}, layers}, nil
}

// newLayers measures images whose environment nobody has made, uv's cache warm.
func newLayers(ctx context.Context, b *bench, s *rig.Server, uv, cache string) (Figure, error) {
	var ours, bare []time.Duration
	var size int64
	for i := range b.times(3, 1) {
		t, n, err := imageOnce(ctx, b, s, i+1, 0)
		if err != nil {
			return Figure{}, err
		}
		p, err := bareLayer(ctx, b, uv, cache, i)
		if err != nil {
			return Figure{}, err
		}
		ours, bare, size = append(ours, t), append(bare, p), n
	}
	z, p := middle(ours), middle(bare)
	return Figure{
		What:   "image with a new environment of scikit-learn, pandas and pyarrow, uv's cache warm",
		Zaffre: ms(z), Peer: "uv; tar | gzip -1; sha256sum " + ms(p), Ratio: ratio(z, p), Goal: "< 10 s", OK: new(z < layerGoal),
		Note:   fmt.Sprintf("the image has %.0f MB, compressed", float64(size)/1e6),
		Values: map[string]float64{"zaffre": millis(z), "bare": millis(p), "image_bytes": float64(size)},
	}, nil
}

// pushBase brings a base into the server's registry: as much of one as an image is made from. It is not run.
func pushBase(ctx context.Context, b *bench, s *rig.Server) error {
	file := filepath.Join(b.scratch, "base.tar")
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	for _, path := range []string{"usr/bin/python3.11", "usr/lib/libc-2.36.so"} {
		if err := w.WriteHeader(&tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o755}); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	layer, err := tarball.LayerFromFile(file)
	if err != nil {
		return err
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err == nil {
		img, err = mutate.AppendLayers(img, layer)
	}
	if err != nil {
		return err
	}
	host, transport, token := s.C.Registry()
	ref, err := name.ParseReference(host + "/" + s.WS + "/python:3.11")
	if err != nil {
		return err
	}
	return pushed.Write(ref, img, pushed.WithContext(ctx), pushed.WithTransport(transport), pushed.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "bench", Password: token})))
}

// imageOnce has an image made of an environment and code that others than these numbers have not.
func imageOnce(ctx context.Context, b *bench, s *rig.Server, environment, code int) (took time.Duration, bytes int64, err error) {
	env, err := s.C.RegisterEnvironment(ctx, s.WS, client.Environment{Name: "heavy", Pip: heavy(), Variables: map[string]string{"ROUND": strconv.Itoa(environment)}})
	if err != nil {
		return 0, 0, err
	}
	dir := filepath.Join(b.scratch, "image-code")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, err
	}
	for file, text := range map[string]string{"train.py": "print(" + strconv.Itoa(code) + ")\n", "data.py": strings.Repeat("x = 1\n", 1000)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return 0, 0, err
		}
	}
	began := time.Now()
	folder, err := client.ReadFolder(ctx, dir, client.FolderOptions{})
	if err != nil {
		return 0, 0, err
	}
	snapshot, err := s.C.Upload(ctx, s.WS, folder, nil)
	if err != nil {
		return 0, 0, err
	}
	i, err := s.C.BuildImage(ctx, s.WS, client.ImageBuild{Name: "train:1", Base: "python:3.11", Environment: env.Name + ":" + strconv.Itoa(env.Version), Snapshot: snapshot})
	for err == nil && i.State == "running" {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, 0, err
		}
		i, err = s.C.ImageBuildAt(ctx, s.WS, i.ID, 0)
	}
	if err == nil && i.State != "done" {
		err = fmt.Errorf("the image is %s: %v\n%s", i.State, i.Error, i.Log)
	}
	return time.Since(began), i.Bytes, err
}

// bareLayer does what a user would do by hand: install, pack, compress, and hash.
func bareLayer(ctx context.Context, b *bench, uv, cache string, i int) (time.Duration, error) {
	dir := filepath.Join(b.scratch, "bare-layer", strconv.Itoa(i))
	began := time.Now()
	install := exec.CommandContext(ctx, uv, append([]string{"pip", "install", "-q", "--target", dir, "--python-platform", "x86_64-manylinux_2_36", "--python-version", "3.11", "--only-binary", ":all:", "--link-mode", "hardlink"}, heavy()...)...)
	install.Env = append(os.Environ(), "UV_CACHE_DIR="+cache)
	if out, err := install.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("uv: %w: %s", err, out)
	}
	pack := exec.CommandContext(ctx, "sh", "-c", `tar --sort=name -C "$1" -cf - . | gzip -1 >"$1.tar.gz" && sha256sum "$1.tar.gz"`, "sh", dir)
	pack.Stderr, pack.Stdout = os.Stderr, io.Discard
	err := pack.Run()
	return time.Since(began), err
}
