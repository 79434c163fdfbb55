// Package image keeps container images: it is the registry that the server itself is, and has images made of
// environments and code. Blobs are files of package object, each repository's own; manifests and tags are rows.
package image

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/oci"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Manifest is a manifest, of an image or of an index of images, as it was pushed.
type Manifest struct {
	Workspace, Repository string
	Digest                string // "sha256:…" of Content
	MediaType             string
	Content               []byte
	Blobs                 []string  // digests that it names: configuration and layers
	Children              []string  // digests of the manifests that an index names
	Size                  int64     // bytes of it and of the blobs
	Base                  *oci.Base // what was seen in its layers; nil: nobody looked
	CreatedBy             string
	Created, Used         time.Time // Used is its latest push or pull, to the hour
}

// Key returns the record's key: "repository@digest".
func (m Manifest) Key() store.Key {
	return store.Key{Workspace: m.Workspace, Name: m.Repository + "@" + m.Digest}
}

// Tag is a name of a manifest, which may come to be another's.
type Tag struct {
	Workspace, Repository, Name string
	Digest                      string // of the manifest
	Source                      string // the digest that it had where it was fetched from; "": it was pushed or made here
	Size                        int64
	CreatedBy                   string
	Updated                     time.Time
}

// Key returns the record's key: "repository:tag".
func (t Tag) Key() store.Key {
	return store.Key{Workspace: t.Workspace, Name: t.Repository + ":" + t.Name}
}

// Layer is a layer of an environment that was made once, by what it was made of.
type Layer struct {
	Workspace, Name string // Name: the hash of environment, interpreter and platform
	Digest, DiffID  string
	Size            int64
	Python          string
	Warnings        []string
	Created, Used   time.Time
}

// Key returns the record's key.
func (l Layer) Key() store.Key { return store.Key{Workspace: l.Workspace, Name: l.Name} }

// Filter selects records; Repository "" is all.
type Filter struct{ Workspace, Repository string }

// Stores of the records, in the order of their keys.
type (
	ManifestStore = store.Repo[Manifest, Filter]
	TagStore      = store.Repo[Tag, Filter]
	LayerStore    = store.Repo[Layer, Filter]
)

// Bounds and grammar of names.
// Source: OCI Distribution Specification 1.1, Pulling manifests.
var (
	repositoryName = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagName        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestName     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

const maxRepository = 200

// CheckRepository reports why a repository cannot have the name.
func CheckRepository(name string) error {
	if len(name) <= maxRepository && repositoryName.MatchString(name) {
		return nil
	}
	return nameFault("the repository", name, "lower-case letters, digits, and . _ - between them; slashes part it")
}

// CheckTag reports why a tag cannot have the name.
func CheckTag(name string) error {
	if tagName.MatchString(name) {
		return nil
	}
	return nameFault("the tag", name, "at most 128 letters, digits and . _ -, and starts with a letter or digit")
}

func nameFault(what, name, grammar string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ImageNameInvalid", What: fmt.Sprintf("%s %.100q cannot have this name", what, name),
		Why: "it is made of " + grammar, Fix: "choose a name such as train:1", Field: "name",
	}
}

// Split takes "repository:tag" or "repository@digest" apart; without either the tag is "latest".
func Split(ref string) (repository, reference string) {
	if r, d, ok := strings.Cut(ref, "@"); ok {
		return r, d
	}
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i], ref[i+1:]
	}
	return ref, "latest"
}

func isDigest(reference string) bool { return digestName.MatchString(reference) }
