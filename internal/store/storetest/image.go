package storetest

import (
	"testing"

	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/oci"
	"github.com/zaffre-ml/zaffre/internal/store"
)

var manifests = records[image.Manifest, image.Filter]{
	of:  func(s Store) store.Repo[image.Manifest, image.Filter] { return s.Manifests() },
	key: image.Manifest.Key,
	make: func(n int) image.Manifest {
		return image.Manifest{
			Workspace: "ws", Repository: "train", Digest: numbered("sha256:", n), MediaType: "m", Content: []byte{0, 255}, Blobs: []string{"b"}, Created: epoch,
			Base: &oci.Base{Arch: "amd64", Libc: "musl", Pythons: []oci.Python{{Version: "3.11", Path: "/p"}}},
		}
	},
	named:  func(v *image.Manifest, s string) { v.Digest = s },
	touch:  func(v *image.Manifest) { v.Used = next(v.Used) },
	filter: image.Filter{Workspace: "ws", Repository: "train"},
}

var imageTags = records[image.Tag, image.Filter]{
	of:  func(s Store) store.Repo[image.Tag, image.Filter] { return s.Tags() },
	key: image.Tag.Key,
	make: func(n int) image.Tag {
		return image.Tag{Workspace: "ws", Repository: "train", Name: numbered("v", n), Digest: "d", Source: "s", Updated: epoch}
	},
	named:  func(v *image.Tag, s string) { v.Name = s },
	touch:  func(v *image.Tag) { v.Size++ },
	filter: image.Filter{Workspace: "ws", Repository: "train"},
}

var imageLayers = records[image.Layer, image.Filter]{
	of:  func(s Store) store.Repo[image.Layer, image.Filter] { return s.Layers() },
	key: image.Layer.Key,
	make: func(n int) image.Layer {
		return image.Layer{Workspace: "ws", Name: numbered("l", n), Digest: "d", DiffID: "e", Warnings: []string{"w"}, Created: epoch}
	},
	named:  func(v *image.Layer, s string) { v.Name = s },
	touch:  func(v *image.Layer) { v.Used = next(v.Used) },
	filter: image.Filter{Workspace: "ws"},
}

// testRepositories: a list is that of one repository, not of those whose names begin like it.
func testRepositories(t *testing.T, open func(*testing.T) Store) {
	s := open(t)
	for _, tag := range []image.Tag{
		{Workspace: "ws", Repository: "train", Name: "1"}, {Workspace: "ws", Repository: "train/gpu", Name: "1"}, {Workspace: "other", Repository: "train", Name: "1"},
	} {
		must(t, s.Tags().Insert(t.Context(), tag))
	}
	for f, want := range map[image.Filter]int{{Workspace: "ws", Repository: "train"}: 1, {Workspace: "ws"}: 2, {}: 3} {
		list, _, err := s.Tags().List(t.Context(), f, store.Page{})
		if must(t, err); len(list) != want {
			t.Errorf("%+v lists %d tags, want %d", f, len(list), want)
		}
	}
}
