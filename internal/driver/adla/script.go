package adla

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
	"github.com/zaffre-ml/zaffre/internal/usql/job"
)

// scriptOf returns the script that a job names, and its name.
func scriptOf(ctx context.Context, j driver.Job) (text, name string, err error) {
	if len(j.Command) == 0 || !strings.EqualFold(path.Ext(j.Command[0]), ".usql") {
		return "", "", &fault.Error{
			Code: fault.Unsupported, Reason: "CommandNotUSQL", What: "the run cannot be started here",
			Why: "targets of kind adla run scripts of U-SQL, and the command does not begin with one", Fix: "name a script that ends with .usql; run: zaffre run submit --compute NAME script.usql",
		}
	}
	if len(j.Command) > 1 {
		return "", "", &fault.Error{
			Code: fault.Unsupported, Reason: "ArgumentsUnsupported", What: "the script cannot be started",
			Why: "scripts of U-SQL take parameters, and no arguments", Fix: `give parameters by name; run: zaffre run submit --option parameters='{"@day": "2026-01-31"}' …`,
		}
	}
	name = path.Join(j.Dir, j.Command[0])
	text, err = read(ctx, j.Files, name)
	return text, name, err
}

// read returns a file of the code as text.
func read(ctx context.Context, files driver.Files, name string) (string, error) {
	if files == nil {
		return "", missing(name)
	}
	list, err := files.Manifest(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(list, func(f driver.File) bool { return f.Path == name })
	switch {
	case i < 0 || list[i].Mode&driver.ModeLink == driver.ModeLink:
		return "", missing(name)
	case list[i].Size > usql.MaxScript:
		return "", &fault.Error{
			Code: fault.Invalid, Reason: "ScriptTooLarge", What: "cannot read " + name, Why: "it is larger than 4 MiB", Fix: "read data with EXTRACT in place of VALUES",
		}
	}
	r, err := files.OpenHash(ctx, list[i].Hash)
	if err != nil {
		return "", err
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	return string(raw), err
}

func missing(name string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ScriptMissing", What: fmt.Sprintf("the script %q cannot be started", name), Why: "it is no file of the run's code",
		Fix: "name a script of the source folder, and see that .amlignore or .gitignore does not leave it out",
	}
}

// refused is a script that does not compile.
type refused struct {
	Message string `json:"message"`
	Log     string `json:"log"`
}

// mostFaults is how many are said.
const mostFaults = 50

// compile compiles a script here: what is wrong with it shows before any machine has work with it, and the program
// there need not have the compiler. Program and plan come from one build, so that they cannot misunderstand each other.
func compile(text, name string, parameters map[string]string) (usql.Plan, *refused, error) {
	plan, err := usql.Compile(text, parameters)
	faults, ok := errors.AsType[usql.Faults](err)
	if err == nil || !ok {
		return plan, nil, err
	}
	r := &refused{Message: job.Title(name, faults[0])}
	if more := len(faults) - 1; more > 0 {
		r.Message += fmt.Sprintf("; and %d more, which its log has", more)
	}
	var lines []string
	for _, f := range faults[:min(len(faults), mostFaults)] {
		lines = append(lines, job.Lines(name, f)...)
	}
	if len(faults) > mostFaults {
		lines = append(lines, fmt.Sprintf("and %d more; run: zaffre usql check %s", len(faults)-mostFaults, name))
	}
	r.Log = strings.Join(lines, "\n") + "\n"
	return plan, r, nil
}
