// Package usql has the commands that check and run scripts of U-SQL.
package usql

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql"
)

// Command returns the command "usql" with its verbs.
func Command(a *frame.App) *cobra.Command {
	return a.Noun("usql", "usql", check(a), run(a))
}

// compile reads and compiles a script. Its faults are those of the script; err is any other.
func compile(file string, parameters map[string]string) (plan usql.Plan, faults usql.Faults, err error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > usql.MaxScript {
		return plan, nil, &fault.Error{
			Code: fault.Invalid, Reason: "ScriptTooLarge", What: "cannot read " + file,
			Why: "it is larger than 4 MiB", Fix: "read data with EXTRACT in place of VALUES",
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return plan, nil, &fault.Error{
			Code: fault.NotFound, Reason: "ScriptUnreadable", What: "cannot read " + file,
			Why: err.Error(), Fix: "name a script that is there and that you may read",
		}
	}
	plan, err = usql.Compile(string(raw), parameters)
	if all, ok := errors.AsType[usql.Faults](err); ok {
		return plan, all, nil
	}
	return plan, nil, err
}

// problem is a fault of a script as data.
type problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	What   string `json:"what"`
	Why    string `json:"why"`
	Fix    string `json:"fix"`
}

func problems(file string, faults usql.Faults) []problem {
	out := []problem{}
	for _, f := range faults {
		line, column := usql.Place(f.Field)
		out = append(out, problem{file, line, column, string(f.Code), f.Reason, f.What, f.Why, f.Fix})
	}
	return out
}

// tell writes the faults of a script as compilers do: FILE:LINE:COLUMN before what is wrong.
func tell(a *frame.App, file string, faults usql.Faults) {
	for _, f := range faults {
		a.TellFault(placed(file, f))
	}
}

func placed(file string, err error) *client.Fault {
	f := *frame.View(err)
	if line, column := usql.Place(f.Field); line > 0 {
		f.Title, f.Field = fmt.Sprintf("%s:%d:%d: %s", file, line, column, f.Title), ""
	}
	return &f
}

func keys(list []problem) []string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column))
	}
	return out
}

// ofScript reports whether a fault of a run is at a place of the script.
func ofScript(err error) bool { return strings.HasPrefix(frame.View(err).Field, "line ") }
