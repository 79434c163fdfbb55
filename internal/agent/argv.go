package agent

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

type jobSpec = wire.Job

// argv returns the program to start and its arguments; why is set where it cannot be started, in
// the user's terms.
func (s *spec) argv(cwd string, env []string) (program string, argv []string, why string) {
	j := &s.Job
	if len(j.Command) == 0 || j.Command[0] == "" {
		return "", nil, "the command is empty"
	}
	argv = append(argv, j.Command...)
	if argv[0] != "python" {
		program, why = lookPath(argv[0], cwd, env)
		return program, argv, why
	}
	program = s.interpreter()
	if program == "" {
		return "", nil, "the machine has no python3"
	}
	if !strings.Contains(program, "/") {
		if program, why = lookPath(program, cwd, env); why != "" {
			return "", nil, why
		}
	}
	argv[0] = program
	if err := executable(program); err != "" {
		return "", nil, `the interpreter "` + program + `" ` + err
	}
	return program, argv, missingScript(argv, cwd)
}

// interpreter returns what a command's first word "python" means.
func (s *spec) interpreter() string {
	switch {
	case s.Job.Prefix != "":
		return filepath.Join(s.Job.Prefix, "bin", "python")
	case s.Job.Python != "":
		return s.Job.Python
	}
	return s.Python
}

// missingScript says so where Python is to run a file that is not there.
func missingScript(argv []string, cwd string) string {
	if len(argv) < 2 || strings.HasPrefix(argv[1], "-") {
		return ""
	}
	name := argv[1]
	if !filepath.IsAbs(name) {
		name = filepath.Join(cwd, name)
	}
	if _, err := os.Stat(name); err != nil {
		return `the script "` + argv[1] + `" is not in the code of the run`
	}
	return ""
}

// lookPath finds a program as a shell would, in the job's folder and with the job's PATH.
func lookPath(word, cwd string, env []string) (program, why string) {
	if strings.Contains(word, "/") {
		if !filepath.IsAbs(word) {
			word = filepath.Join(cwd, word)
		}
		if err := executable(word); err != "" {
			return "", `the program "` + word + `" ` + err
		}
		return word, ""
	}
	for _, kv := range env {
		path, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if name := filepath.Join(dir, word); filepath.IsAbs(name) && executable(name) == "" {
				return name, ""
			}
		}
	}
	return "", `no program "` + word + `" is on the PATH of the run`
}

// executable says why a file cannot be executed, "" if it can.
func executable(name string) string {
	fi, err := os.Stat(name)
	switch {
	case err != nil && os.IsPermission(err):
		return "cannot be reached by the user that runs the code"
	case err != nil:
		return "does not exist"
	case fi.IsDir():
		return "is a folder"
	case fi.Mode()&0o111 == 0:
		return "is not executable; mark it with: chmod +x"
	case syscall.Access(name, 1) != nil:
		return "may not be executed by the user that runs the code"
	}
	return ""
}
