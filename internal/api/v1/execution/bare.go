package execution

import (
	"maps"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

// dropBare leaves out an environment that asks for no more than the client's default on a target that builds none: a
// script that says nothing of environments runs there with the target's own Python. One that asks for packages stays,
// and is refused.
func (d Deps) dropBare(r *face.Request, p *plan) error {
	if p.named || len(p.Environment) == 0 || !bare(p.made) {
		return nil
	}
	builds, err := d.Environments.BuildsOn(r.Context(), compute.KeyOf(r.Workspace, p.spec.Target))
	if err != nil || builds {
		return err
	}
	p.Environment, p.spec.Env = nil, merged(p.made.Env, p.spec.Env)
	p.warnings = append(p.warnings, "the target builds no environments: the script has its own Python, and azureml-defaults only where it is installed there")
	return nil
}

// merged returns the variables of both; those of b count where both have one.
func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// bare reports whether an environment asks for no more than the one that the client makes by itself.
func bare(d driver.Definition) bool {
	if d.BaseImage != "" || len(d.Dockerfile) > 0 {
		return false
	}
	if d.UserManaged {
		return slices.Contains([]string{"", "python", "python3"}, d.Interpreter)
	}
	made, err := conda.Translate(d.Conda, d.Pip)
	if err != nil || len(made.ChannelOnly) > 0 {
		return false
	}
	return !slices.ContainsFunc(slices.Concat(made.Requirements, made.Pip), func(line string) bool {
		return !slices.Contains([]string{"azureml-defaults", "pip", "setuptools", "wheel"}, conda.NameOf(line))
	})
}
