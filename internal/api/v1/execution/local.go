package execution

import (
	"archive/zip"
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/api/v1/face"
	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/pyhook"
	"github.com/zaffre-ml/zaffre/internal/run"
)

// invocationScript is what azureml-core starts. It needs nothing but some Python 3.
const invocationScript = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
for python in "${ZAFFRE_LOCAL_PYTHON:-python3}" python; do
  command -v "$python" >/dev/null 2>&1 && exec "$python" "$here/run.py"
done
echo "zaffre: there is no python3 on the PATH to start the run with" >&2
exit 127
`

//go:embed run.py
var localScript []byte

// localJob is what run.py reads.
type localJob struct {
	URL          string            `json:"url"`
	Run          string            `json:"run"`
	History      string            `json:"history"`  // path of the run
	Artifacts    string            `json:"artifact"` // path of its files
	Token        string            `json:"token"`
	Command      []string          `json:"command"`
	Variables    map[string]string `json:"variables"`
	Interpreter  string            `json:"interpreter"` // user-managed; "": an environment is made
	Digest       string            `json:"digest"`
	Python       string            `json:"python"` // version; "": any
	Requirements []string          `json:"requirements,omitempty"`
	Warnings     []string          `json:"warnings,omitempty"`
	Timeout      float64           `json:"timeout"` // seconds; 0: none
}

// invocation returns the ZIP file.
func (d Deps) invocation(r *face.Request, started run.Run, p plan) ([]byte, error) {
	j, err := d.localJob(r, started, p)
	if err != nil {
		return nil, err
	}
	job, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range []struct {
		name string
		body []byte
	}{
		{"azureml-setup/Invocation.sh", []byte(invocationScript)},
		{"azureml-setup/run.py", localScript},
		{"azureml-setup/python/" + pyhook.File, pyhook.Script},
		{"azureml-setup/job.json", job},
	} {
		w, err := z.Create(f.name)
		if err == nil {
			_, err = w.Write(f.body)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil { // it writes the rest
		return nil, err
	}
	return out.Bytes(), nil
}

func (d Deps) localJob(r *face.Request, started run.Run, p plan) (localJob, error) {
	url := r.Address("")
	vars, err := d.Variables(r.Context(), started, url)
	if err != nil {
		return localJob{}, err
	}
	own := map[string]string{}
	for _, from := range []map[string]string{vars, p.made.Env, p.spec.Env} {
		for k, v := range from {
			own[k] = v
		}
	}
	j := localJob{
		URL: url, Run: started.Name, Token: vars["AZUREML_RUN_TOKEN"], Command: p.spec.Command, Variables: own,
		History:   "/history/v1.0" + r.Resource() + "/experiments/" + started.Experiment + "/runs/" + started.Name,
		Artifacts: "/artifact/v2.0" + r.Resource() + "/artifacts/content/ExperimentRun/dcid." + started.Name,
		Warnings:  p.warnings, Timeout: p.spec.Timeout.Seconds(),
	}
	if p.made.UserManaged || len(p.made.Conda) == 0 {
		j.Interpreter = cmp.Or(p.made.Interpreter, "python")
		return j, nil
	}
	made, err := conda.Translate(p.made.Conda, p.made.Pip)
	if err != nil {
		return j, err
	}
	j.Digest, j.Python = environment.Digest(p.made), made.Python
	j.Requirements = slices.Concat(made.Requirements, made.Pip)
	j.Warnings = append(j.Warnings, made.Notes...)
	for _, name := range made.ChannelOnly {
		j.Warnings = append(j.Warnings, name+" is not installed: only a conda channel has it")
	}
	return j, nil
}
