// Package envwire converts environments between azureml-core's JSON and a definition.
package envwire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Wire is an environment as azureml-core sends it, as far as it means something here. Names are compared without
// regard to case: a client registers in PascalCase what it submits in camelCase.
type Wire struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Variables map[string]string `json:"environmentVariables"`
	Python    struct {
		UserManaged bool            `json:"userManagedDependencies"`
		Interpreter string          `json:"interpreterPath"`
		Conda       json.RawMessage `json:"condaDependencies"`
		BaseConda   string          `json:"baseCondaEnvironment"`
	} `json:"python"`
	Docker struct {
		Enabled    bool     `json:"enabled"`
		BaseImage  string   `json:"baseImage"`
		Dockerfile string   `json:"baseDockerfile"`
		Arguments  []string `json:"arguments"`
	} `json:"docker"`
	Spark struct {
		Repositories []string `json:"repositories"`
		Packages     []struct {
			Group    string `json:"group"`
			Artifact string `json:"artifact"`
			Version  string `json:"version"`
		} `json:"packages"`
	} `json:"spark"`
	R json.RawMessage `json:"r"`
}

// SparkNote is noted of an environment that names packages of Spark.
const SparkNote = "spark.packages of the environment are for targets with Spark"

// Decode reads an environment. docker says that the run, or whoever asks, wants its image: the image that every
// environment names is the default of Azure, and means nothing by itself. notes are what it asks for and does not
// get. It fails with fault.Invalid, Reason "EnvironmentInvalid".
func Decode(raw []byte, docker bool) (w Wire, d driver.Definition, notes []string, err error) {
	if err := json.Unmarshal(raw, &w); err != nil {
		return w, d, nil, &fault.Error{
			Code: fault.Invalid, Reason: "EnvironmentInvalid", What: "the environment cannot be read",
			Why: err.Error(), Fix: "send it as azureml-core 1.61 does", Field: "environment",
		}
	}
	if len(w.Variables) > 0 {
		d.Env = w.Variables
	}
	if docker || w.Docker.Enabled {
		d.BaseImage = w.Docker.BaseImage
		if w.Docker.Dockerfile != "" {
			d.Dockerfile = []byte(w.Docker.Dockerfile)
		}
		notes = note(notes, len(w.Docker.Arguments) > 0, "docker.arguments of the environment are not passed on")
	}
	notes = note(notes, len(w.Spark.Packages) > 0, SparkNote)
	notes = note(notes, len(w.R) > 0 && string(w.R) != "null", "the R section of the environment is not used")
	notes = note(notes, w.Python.BaseConda != "", "python.baseCondaEnvironment is not used: the environment is made from its dependencies alone")
	if w.Python.UserManaged {
		d.UserManaged = true
		if d.Interpreter = w.Python.Interpreter; d.Interpreter == "python" { // the default: whichever there is
			d.Interpreter = ""
		}
		return w, d, notes, nil
	}
	if conda := bytes.TrimSpace(w.Python.Conda); len(conda) > 0 && string(conda) != "null" {
		var out bytes.Buffer
		if err := json.Compact(&out, conda); err != nil {
			return w, d, notes, err
		}
		d.Conda = out.Bytes()
	}
	return w, d, notes, nil
}

func note(notes []string, yes bool, text string) []string {
	if yes {
		return append(notes, text)
	}
	return notes
}

// Encode writes a definition that did not come in this form.
func Encode(name string, version int, d driver.Definition) ([]byte, error) {
	conda := json.RawMessage(d.Conda)
	if len(conda) == 0 || !json.Valid(conda) {
		deps := []any{}
		if d.Python != "" {
			deps = append(deps, "python="+d.Python)
		}
		if len(d.Pip) > 0 {
			deps = append(deps, map[string]any{"pip": d.Pip})
		}
		conda, _ = json.Marshal(map[string]any{"name": "project_environment", "channels": []string{"conda-forge"}, "dependencies": deps})
	}
	vars := map[string]string{}
	maps.Copy(vars, d.Env)
	return json.Marshal(map[string]any{
		"name": name, "version": strconv.Itoa(version), "environmentVariables": vars,
		"python": map[string]any{
			"userManagedDependencies": d.UserManaged, "interpreterPath": cmp.Or(d.Interpreter, "python"), "condaDependenciesFile": nil,
			"baseCondaEnvironment": nil, "condaDependencies": conda,
		},
		"docker": map[string]any{
			"enabled": d.BaseImage != "" || d.Dockerfile != nil, "baseImage": d.BaseImage, "baseDockerfile": text(d.Dockerfile), "sharedVolumes": true, "shmSize": "2g",
			"arguments": []string{}, "baseImageRegistry": map[string]any{"address": nil, "username": nil, "password": nil, "registryIdentity": nil},
			"platform": map[string]string{"os": "Linux", "architecture": "amd64"}, "buildContext": nil,
		},
		"spark":      map[string]any{"repositories": []string{}, "packages": []string{}, "precachePackages": true},
		"databricks": map[string]any{"mavenLibraries": []any{}, "pypiLibraries": []any{}, "rcranLibraries": []any{}, "jarLibraries": []any{}, "eggLibraries": []any{}},
		"r":          nil, "inferencingStackVersion": nil,
	})
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	return new(string(b))
}

// Plain is a name for an environment that has none, or one that cannot be registered.
func Plain(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || slices.Contains([]rune("-_."), r) {
			return r
		}
		return '-'
	}, name)
	return cmp.Or(strings.Trim(clean, "-."), "inline")
}
