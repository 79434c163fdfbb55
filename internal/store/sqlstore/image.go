package sqlstore

import (
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/oci"
)

type manifestRow struct {
	Workspace  string   `json:"workspace"`
	Repository string   `json:"repository"`
	Digest     string   `json:"digest"`
	MediaType  string   `json:"media_type"`
	Content    []byte   `json:"content"`
	Blobs      []string `json:"blobs,omitempty"`
	Children   []string `json:"children,omitempty"`
	Size       int64    `json:"size,omitempty"`
	Base       *baseRow `json:"base,omitempty"`
	CreatedBy  string   `json:"created_by,omitempty"`
	Created    micros   `json:"created,omitempty"`
	Used       micros   `json:"used,omitempty"`
}

type baseRow struct {
	Arch    string      `json:"arch,omitempty"`
	Libc    string      `json:"libc,omitempty"`
	Pythons []pythonRow `json:"pythons,omitempty"`
}

type pythonRow struct {
	Version string `json:"version"`
	Path    string `json:"path"`
}

func encodeBase(b *oci.Base) *baseRow {
	if b == nil {
		return nil
	}
	row := &baseRow{Arch: b.Arch, Libc: b.Libc}
	for _, p := range b.Pythons {
		row.Pythons = append(row.Pythons, pythonRow(p))
	}
	return row
}

func (r *baseRow) decode() *oci.Base {
	if r == nil {
		return nil
	}
	b := &oci.Base{Arch: r.Arch, Libc: r.Libc}
	for _, p := range r.Pythons {
		b.Pythons = append(b.Pythons, oci.Python(p))
	}
	return b
}

func (r manifestRow) decode() image.Manifest {
	return image.Manifest{
		Workspace: r.Workspace, Repository: r.Repository, Digest: r.Digest, MediaType: r.MediaType, Content: r.Content, Blobs: r.Blobs, Children: r.Children,
		Size: r.Size, Base: r.Base.decode(), CreatedBy: r.CreatedBy, Created: r.Created.time(), Used: r.Used.time(),
	}
}

// Manifests returns the store of image manifests.
func (d *DB) Manifests() image.ManifestStore {
	return newRepo(d, &table[image.Manifest, image.Filter, manifestRow]{
		name: "image_manifest", noun: "image", reason: "ImageNotFound", show: "zaffre image list",
		key: image.Manifest.Key, decode: manifestRow.decode,
		encode: func(m image.Manifest) manifestRow {
			return manifestRow{
				m.Workspace, m.Repository, m.Digest, m.MediaType, m.Content, m.Blobs, m.Children, m.Size, encodeBase(m.Base),
				m.CreatedBy, toMicros(m.Created), toMicros(m.Used),
			}
		},
		columns: []column[image.Manifest]{{"repository", true, func(m *image.Manifest) any { return m.Repository }}},
		filter:  inRepository, order: []string{"workspace", "name"},
		position: func(m image.Manifest) []any { return []any{m.Workspace, m.Key().Name} },
	})
}

func inRepository(w *where, f image.Filter) {
	w.equal("workspace", f.Workspace)
	w.equal("repository", f.Repository)
}

type tagRow struct {
	Workspace  string `json:"workspace"`
	Repository string `json:"repository"`
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	Source     string `json:"source,omitempty"`
	Size       int64  `json:"size,omitempty"`
	CreatedBy  string `json:"created_by,omitempty"`
	Updated    micros `json:"updated,omitempty"`
}

// Tags returns the store of images' tags.
func (d *DB) Tags() image.TagStore {
	return newRepo(d, &table[image.Tag, image.Filter, tagRow]{
		name: "image_tag", noun: "image", reason: "ImageNotFound", show: "zaffre image list",
		key: image.Tag.Key,
		encode: func(t image.Tag) tagRow {
			return tagRow{t.Workspace, t.Repository, t.Name, t.Digest, t.Source, t.Size, t.CreatedBy, toMicros(t.Updated)}
		},
		decode: func(r tagRow) image.Tag {
			return image.Tag{
				Workspace: r.Workspace, Repository: r.Repository, Name: r.Name, Digest: r.Digest, Source: r.Source, Size: r.Size,
				CreatedBy: r.CreatedBy, Updated: r.Updated.time(),
			}
		},
		columns: []column[image.Tag]{{"repository", true, func(t *image.Tag) any { return t.Repository }}},
		filter:  inRepository, order: []string{"workspace", "name"},
		position: func(t image.Tag) []any { return []any{t.Workspace, t.Key().Name} },
	})
}

type layerRow struct {
	Workspace string   `json:"workspace"`
	Name      string   `json:"name"`
	Digest    string   `json:"digest"`
	DiffID    string   `json:"diff_id"`
	Size      int64    `json:"size,omitempty"`
	Python    string   `json:"python,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Created   micros   `json:"created,omitempty"`
	Used      micros   `json:"used,omitempty"`
}

// Layers returns the store of environments' layers.
func (d *DB) Layers() image.LayerStore {
	return newRepo(d, &table[image.Layer, image.Filter, layerRow]{
		name: "image_layer", noun: "layer", reason: "LayerNotFound", show: "zaffre image list",
		key: image.Layer.Key,
		encode: func(l image.Layer) layerRow {
			return layerRow{l.Workspace, l.Name, l.Digest, l.DiffID, l.Size, l.Python, l.Warnings, toMicros(l.Created), toMicros(l.Used)}
		},
		decode: func(r layerRow) image.Layer {
			return image.Layer{
				Workspace: r.Workspace, Name: r.Name, Digest: r.Digest, DiffID: r.DiffID, Size: r.Size, Python: r.Python, Warnings: r.Warnings,
				Created: r.Created.time(), Used: r.Used.time(),
			}
		},
		filter:   func(w *where, f image.Filter) { w.equal("workspace", f.Workspace) },
		order:    []string{"workspace", "name"},
		position: func(l image.Layer) []any { return []any{l.Workspace, l.Name} },
	})
}
