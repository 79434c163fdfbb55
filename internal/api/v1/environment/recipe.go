package environment

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

const checkScript, buildScript = "check_environment.sh", "build_environment.sh"

// recipe answers with scripts that make the environment as a virtual environment of the client's machine.
func (d Deps) recipe(r *face.Request) (any, error) {
	asked, err := face.Body[struct {
		Platform  string `json:"platform"`
		UseDocker bool   `json:"useDocker"`
	}](r)
	if err != nil {
		return nil, err
	}
	e, err := d.of(r)
	if err != nil {
		return nil, err
	}
	if asked.UseDocker || asked.Platform == "Windows" {
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "RecipeUnsupported", What: "the environment cannot be built on this machine",
			Why: "only virtual environments of Linux and macOS can be built on the client's side, no images", Fix: "build it on a target: Environment.build(workspace, image_build_compute=NAME)",
		}
	}
	files, err := scripts(e.Digest, e.Definition)
	if err != nil {
		return nil, err
	}
	content, err := packed(files)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"setupContentZip":            base64.StdEncoding.EncodeToString(content),
		"checkEnvironmentScriptName": checkScript, "buildEnvironmentScriptName": buildScript,
		"environmentVariables": map[string]string{"ZAFFRE_ENVIRONMENT": e.Digest},
	}, nil
}

// prologue is how both scripts begin: the folder that the environment has, and a marker of its end.
const prologue = `#!/bin/bash
set -e
PREFIX="$HOME/.azureml/envs/zaffre_DIGEST"
DONE="$PREFIX/.zaffre-DIGEST"
`

// scripts are written for a digest in hex and a checked version of Python, so that nothing of the user's
// stands in their text; packages are in a file of pip's.
func scripts(digest string, def driver.Definition) (map[string]string, error) {
	if def.UserManaged {
		const ok = "#!/bin/bash\necho 'the environment is managed by its user: nothing to build'\n"
		return map[string]string{checkScript: ok, buildScript: ok}, nil
	}
	plan, err := conda.Translate(def.Conda, def.Pip)
	if err != nil {
		return nil, err
	}
	if len(plan.ChannelOnly) > 0 {
		return nil, &fault.Error{
			Code: fault.Unsupported, Reason: "RecipeUnsupported", What: "the environment cannot be built on this machine",
			Why: "only a conda channel has " + strings.Join(plan.ChannelOnly, ", "), Fix: "build it on a target: Environment.build(workspace, image_build_compute=NAME)",
		}
	}
	begin := strings.ReplaceAll(prologue, "DIGEST", digest[:12])
	version := plan.Python
	if version == "" {
		version = def.Python
	}
	if strings.Trim(version, "0123456789.") != "" {
		version = ""
	}
	uv, plain := "", "python3"
	if version != "" {
		uv, plain = " --python "+version, "python"+version
	}
	return map[string]string{
		"requirements.txt": strings.Join(append(append([]string(nil), plan.Requirements...), plan.Pip...), "\n") + "\n",
		checkScript:        begin + "test -e \"$DONE\"\necho \"the environment is there: $PREFIX\"\n",
		buildScript: begin + `rm -rf "$PREFIX"
mkdir -p "$(dirname "$PREFIX")"
if command -v uv >/dev/null; then
  uv venv` + uv + ` "$PREFIX"
  uv pip install --python "$PREFIX/bin/python" -r requirements.txt
else
  ` + plain + ` -m venv "$PREFIX"
  "$PREFIX/bin/python" -m pip install -r requirements.txt
fi
touch "$DONE"
echo "the environment is built: $PREFIX"
`,
	}, nil
}

// packed returns a zip archive of files.
func packed(files map[string]string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{checkScript, buildScript, "requirements.txt"} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(files[name]))
		}
		if err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
