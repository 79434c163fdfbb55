package oci

import (
	"cmp"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Parts are what an image is made of, beside its base.
type Parts struct {
	Environment v1.Layer          // nil: none
	Code        v1.Layer          // nil: none
	Variables   map[string]string // of the environment's definition
	Labels      map[string]string
}

// Assemble puts layers on a base. The image has the environment's python first on its PATH, and starts in its code.
func Assemble(base v1.Image, p Parts) (v1.Image, error) {
	var add []mutate.Addendum
	for _, l := range []struct {
		layer v1.Layer
		by    string
	}{{p.Environment, "zaffre: environment"}, {p.Code, "zaffre: code"}} {
		if l.layer != nil {
			add = append(add, mutate.Addendum{Layer: l.layer, History: v1.History{CreatedBy: l.by}, MediaType: mediaOf(base)})
		}
	}
	img, err := mutate.Append(base, add...)
	if err != nil {
		return nil, err
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	p.configure(&cfg.Config)
	cfg.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	return mutate.ConfigFile(img, cfg)
}

// mediaOf is the media type of layers beside those of a base: manifests do not mix them.
func mediaOf(base v1.Image) types.MediaType {
	if t, err := base.MediaType(); err == nil && t == types.DockerManifestSchema2 {
		return types.DockerLayer
	}
	return types.OCILayer
}

func (p Parts) configure(c *v1.Config) {
	if p.Environment != nil {
		set(c, "PATH", path.Join(envDir, "bin")+":"+cmp.Or(get(c, "PATH"), usualPath))
		set(c, "VIRTUAL_ENV", envDir)
	}
	for _, name := range sortedKeys(p.Variables) {
		set(c, name, p.Variables[name])
	}
	if p.Code != nil {
		c.WorkingDir = CodeDir
	}
	for name, v := range p.Labels {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[name] = v
	}
}

func get(c *v1.Config, name string) string {
	for _, kv := range c.Env {
		if n, v, _ := strings.Cut(kv, "="); n == name {
			return v
		}
	}
	return ""
}

func set(c *v1.Config, name, value string) {
	for i, kv := range c.Env {
		if n, _, _ := strings.Cut(kv, "="); n == name {
			c.Env[i] = name + "=" + value
			return
		}
	}
	c.Env = append(c.Env, name+"="+value)
}
