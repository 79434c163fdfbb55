package agentx

import (
	"context"
	"encoding/json"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Build implements driver.EnvBuilder. A definition that can never be built is fault.Invalid.
func (c *Conn) Build(ctx context.Context, digest string, d driver.Definition) error {
	w, err := buildOf(digest, d)
	if err != nil {
		return err
	}
	w.Interpreters = c.Interpreters
	c.routes.open(w)
	_, err = call[wire.Empty](ctx, c.Session, wire.OpBuild, w)
	return err
}

// buildOf translates a definition for the agent, which knows nothing of conda's names.
func buildOf(digest string, d driver.Definition) (wire.Build, error) {
	w := wire.Build{
		Digest: digest, Python: d.Python, Exact: d.Exact, UserManaged: d.UserManaged, Interpreter: d.Interpreter,
		BaseImage: d.BaseImage, Dockerfile: d.Dockerfile,
	}
	if d.UserManaged {
		return w, nil
	}
	plan, err := conda.Translate(d.Conda, d.Pip)
	if err != nil {
		return w, err
	}
	if plan.Python != "" {
		w.Python = plan.Python
	}
	w.Requirements, w.PipOnly, w.ChannelOnly, w.Notes = plan.Requirements, plan.Pip, plan.ChannelOnly, plan.Notes
	if len(plan.ChannelOnly) > 0 {
		if w.Conda, err = withoutPip(d.Conda); err != nil {
			return w, err
		}
	}
	return w, nil
}

// withoutPip returns a conda specification as JSON without pip's part, which is installed after it.
func withoutPip(spec []byte) ([]byte, error) {
	var doc struct {
		Channels     []any `yaml:"channels" json:"channels,omitzero"`
		Dependencies []any `yaml:"dependencies" json:"dependencies"`
	}
	if err := yaml.Unmarshal(spec, &doc); err != nil {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "CondaSpecInvalid", What: "the conda specification cannot be read",
			Why: "it is not valid YAML", Fix: "correct the specification", Err: err,
		}
	}
	kept := []any{}
	for _, d := range doc.Dependencies {
		if _, isPip := d.(map[string]any); !isPip {
			kept = append(kept, d)
		}
	}
	doc.Dependencies = kept
	return json.Marshal(doc)
}

// BuildStatus implements driver.EnvBuilder.
func (c *Conn) BuildStatus(ctx context.Context, digest string) (driver.BuildStatus, error) {
	r, err := call[wire.BuildResult](ctx, c.Session, wire.OpBuildStatus, wire.BuildRef{Digest: digest})
	c.routes.seen(digest, r.State, err)
	st := driver.BuildStatus{
		State: driver.BuildState(r.State), Way: r.Way, Python: r.Version, Warnings: r.Warnings,
		Reason: r.Reason, Message: r.Message, Fix: r.Fix,
	}
	switch {
	case st.State != driver.BuildDone:
	case r.Image != "":
		st.Runtime.Image = r.Image
	case r.Prefix != "":
		st.Runtime.Prefix = r.Prefix
	default:
		st.Runtime.Python = r.Python
	}
	return st, err
}

// BuildLog implements driver.EnvBuilder: like ReadLog.
func (c *Conn) BuildLog(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
	return c.body(ctx, wire.OpBuildLog, wire.BuildRef{Digest: digest, Offset: offset})
}
