package run

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// code is what to run: a folder to send ("" is none), and argv in it.
type code struct {
	dir     string
	command []string
}

// locate finds the folder and the command that the arguments mean. raw: they are a command, not a
// script with its arguments.
func locate(args []string, source string, raw bool) (code, error) {
	if source != "" {
		if info, err := os.Stat(source); err != nil || !info.IsDir() {
			return code{}, &fault.Error{
				Code: fault.NotFound, Reason: "SourceNotFound", What: fmt.Sprintf("the folder %q cannot be sent", source),
				Why: "it is no folder that is here", Fix: "give an existing folder with --source", Field: "source",
			}
		}
	}
	script := args[0]
	usql := strings.EqualFold(filepath.Ext(script), ".usql")
	if raw && !usql {
		return code{dir: source, command: args}, nil
	}
	dir, rel, err := place(script, source)
	if err != nil {
		return code{}, err
	}
	command := append([]string{filepath.ToSlash(rel)}, args[1:]...)
	if !usql { // a script of U-SQL is a command by itself, where its target takes it
		command = append([]string{"python"}, command...)
	}
	return code{dir: dir, command: command}, nil
}

// place returns the folder to send and the script's path in it. With a source the script is named
// from here or from the source.
func place(script, source string) (dir, rel string, err error) {
	if source == "" {
		return filepath.Dir(script), filepath.Base(script), isScript(script)
	}
	if isScript(script) == nil {
		if rel, ok := below(source, script); ok {
			return source, rel, nil
		}
	}
	if filepath.IsLocal(script) && isScript(filepath.Join(source, script)) == nil {
		return source, filepath.Clean(script), nil
	}
	return "", "", noScript(script, fmt.Sprintf("there is no such file in %s", source), source)
}

func below(dir, file string) (string, bool) {
	d, err1 := filepath.Abs(dir)
	f, err2 := filepath.Abs(file)
	if err1 != nil || err2 != nil {
		return "", false
	}
	rel, err := filepath.Rel(d, f)
	return rel, err == nil && filepath.IsLocal(rel)
}

func isScript(path string) error {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return noScript(path, "there is no such file", filepath.Dir(path))
	case err != nil:
		return noScript(path, err.Error(), "")
	case info.IsDir():
		return noScript(path, "it is a folder", path)
	}
	return nil
}

func noScript(script, why, dir string) error {
	fix := "give the path of a script; for another command, run: zaffre run submit -- COMMAND"
	if near := frame.Nearest(filepath.Base(script), scripts(dir)); len(near) > 0 {
		fix = "did you mean " + filepath.Join(dir, near[0]) + "?"
	}
	return &fault.Error{
		Code: fault.NotFound, Reason: "ScriptNotFound", What: fmt.Sprintf("the script %q cannot be submitted", script), Why: why, Fix: fix, Field: "script",
	}
}

func scripts(dir string) []string {
	python, _ := filepath.Glob(filepath.Join(dir, "*.py"))
	usql, _ := filepath.Glob(filepath.Join(dir, "*.usql"))
	found := append(python, usql...)
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

// parseBytes reads "2GB", "512MiB", "1000000"; "" is 0.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	units := []struct {
		name  string
		bytes float64
	}{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"kB", 1e3},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"B", 1},
		{"", 1},
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || n < 0 || math.IsNaN(n) || n*u.bytes > math.MaxInt64/2 {
			break
		}
		return int64(n * u.bytes), nil
	}
	return 0, frame.Usage(&fault.Error{
		Code: fault.Invalid, Reason: "SizeInvalid", What: fmt.Sprintf("%q is no size", s),
		Why: "a size is a number and a unit: kB, MB, GB, TB, KiB, MiB, GiB or TiB", Fix: "write for example --memory 2GB", Field: "memory",
	})
}
