// Package environment has the commands about environments.
package environment

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Command returns the noun "environment".
func Command(a *frame.App) *cobra.Command {
	return a.Noun("environment", "environment", list(a), show(a), build(a))
}

// extensions are those of files that define an environment.
func extensions() []string { return []string{".yml", ".yaml", ".txt", ".json"} }

// Use returns the "name:version" that an argument means: a file is registered (the same definition
// is the same version), a name is returned as it is.
func Use(ctx context.Context, a *frame.App, s *frame.Session, arg string) (string, error) {
	info, err := os.Stat(arg)
	isFile := err == nil && info.Mode().IsRegular()
	if !isFile && !slices.Contains(extensions(), filepath.Ext(arg)) {
		return arg, nil
	}
	e, err := read(arg)
	if err != nil {
		return "", err
	}
	e, err = s.RegisterEnvironment(ctx, s.WS, e)
	if err != nil {
		return "", err
	}
	a.Talk("talk.environment", arg, e.Name, e.Version)
	return fmt.Sprintf("%s:%d", e.Name, e.Version), nil
}

// read makes a definition of a conda specification or a list of requirements.
func read(file string) (client.Environment, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return client.Environment{}, &fault.Error{
			Code: fault.NotFound, Reason: "EnvironmentFileNotFound", What: fmt.Sprintf("the environment file %q cannot be read", file),
			Why: err.Error(), Fix: "give a conda specification, a requirements.txt, or the name of an environment; run: zaffre environment list", Field: "env",
		}
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		abs = file
	}
	if filepath.Ext(file) == ".txt" {
		return client.Environment{Name: filepath.Base(filepath.Dir(abs)), Pip: requirements(string(b))}, nil
	}
	var spec struct {
		Name string `yaml:"name"`
	}
	if err := yaml.Unmarshal(b, &spec); err != nil {
		return client.Environment{}, &fault.Error{
			Code: fault.Invalid, Reason: "EnvironmentFileInvalid", What: fmt.Sprintf("the environment file %q cannot be used", file),
			Why: err.Error(), Fix: "correct its YAML", Field: "env",
		}
	}
	if spec.Name == "" {
		spec.Name = filepath.Base(filepath.Dir(abs))
	}
	return client.Environment{Name: spec.Name, Conda: string(b)}, nil
}

// requirements are the lines that pip would read, without comments, and joined where a backslash
// continues them.
func requirements(text string) []string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n", "")
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.Index(line, " #"); i >= 0 {
			line = line[:i]
		}
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// split takes "name" or "name:version" apart. A name may hold colons: only a number, or "latest",
// after the last one is a version.
func split(arg string) (name, version string) {
	if i := strings.LastIndexByte(arg, ':'); i > 0 {
		v := arg[i+1:]
		if _, err := strconv.Atoi(v); err == nil || v == "latest" {
			return arg[:i], v
		}
	}
	return arg, "latest"
}
