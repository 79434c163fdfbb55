// Package scan has the command that tells what of a script for Azure ML works here.
package scan

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/azureml"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/pyscan"
)

// maxFile is the largest file that is read.
const maxFile = 32 << 20

// Command returns the command "scan".
func Command(a *frame.App) *cobra.Command {
	return a.Command("scan", "scan SCRIPT|NOTEBOOK|FOLDER…", cobra.MinimumNArgs(1), func(_ *cobra.Command, args []string) error {
		files, err := collect(args)
		if err != nil {
			return err
		}
		uses := []pyscan.Use{}
		x := azureml.NewIndex()
		for _, file := range files {
			found, err := read(x, file)
			if err != nil {
				return err
			}
			uses = append(uses, found...)
		}
		return tell(a, len(files), uses)
	})
}

func tell(a *frame.App, files int, uses []pyscan.Use) error {
	count := map[azureml.Support]int{}
	var calls []string
	for _, u := range uses {
		count[u.Support]++
		if !slices.Contains(calls, u.Call) {
			calls = append(calls, u.Call)
		}
	}
	if len(uses) > 0 || a.Output != "table" {
		if err := a.Print(uses, calls, func() *frame.Table { return table(a, uses) }); err != nil {
			return err
		}
	}
	if len(uses) == 0 {
		a.Talk("talk.scan.none", files)
		return nil
	}
	a.Talk("talk.scan", files, len(uses), count[azureml.Works], count[azureml.Noted], count[azureml.Refused], count[pyscan.Unknown])
	if count[azureml.Refused] > 0 {
		return frame.Exit(frame.ExitFailed)
	}
	return nil
}

func table(a *frame.App, uses []pyscan.Use) *frame.Table {
	t := &frame.Table{Header: []string{a.Say("col.line"), a.Say("col.call"), a.Say("col.here"), a.Say("col.why")}}
	many := slices.ContainsFunc(uses, func(u pyscan.Use) bool { return u.File != uses[0].File })
	for _, u := range uses {
		place := u.Place()
		if many {
			place = u.File + ":" + place
		}
		why := u.Note
		if u.Support == pyscan.Unknown {
			why = a.Say("scan.unknown.why")
		}
		t.Row(place, u.Call, word(a, u.Support), why)
	}
	return t
}

func word(a *frame.App, s azureml.Support) string {
	switch s {
	case azureml.Works:
		return a.Say("scan.works")
	case azureml.Noted:
		return a.Say("scan.noted")
	case azureml.Refused:
		return a.Say("scan.refused")
	}
	return a.Say("scan.unknown")
}

func read(x *azureml.Index, file string) ([]pyscan.Use, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxFile {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "ScriptTooLarge", What: "cannot read " + file,
			Why: "it is larger than 32 MiB", Fix: "clear the notebook's outputs, and scan it again",
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, unreadable(file, err)
	}
	if strings.EqualFold(filepath.Ext(file), ".ipynb") {
		return pyscan.Notebook(x, file, raw)
	}
	return pyscan.Script(x, file, string(raw)), nil
}

func unreadable(file string, err error) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "ScriptUnreadable", What: "cannot read " + file,
		Why: err.Error(), Fix: "name a script, a notebook or a folder that is there and that you may read",
	}
}

// collect returns the files that are named, and the scripts and notebooks of the folders that are.
func collect(args []string) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, unreadable(arg, err)
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		if err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch ext := filepath.Ext(path); {
			case err != nil:
				return unreadable(path, err)
			case d.IsDir() && path != arg && foreign(d.Name()):
				return fs.SkipDir
			case d.Type().IsRegular() && (ext == ".py" || ext == ".ipynb"):
				files = append(files, path)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// foreign reports whether a folder holds no scripts of the user's own.
func foreign(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"__pycache__", "site-packages", "node_modules", "venv", "env"}, name)
}
