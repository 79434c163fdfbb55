package agent

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/envbuild"
)

// variablesFile has the job's variables that the command line of Docker would take for its own, while the container
// is being made.
const variablesFile = "variables"

// enterScript is a container's first program: it sends the output to the job's log, which is its $0, finds what
// "python" means, and becomes the command.
const enterScript = `exec >>"$0" 2>&1 </dev/null
if [ "$1" = python ]; then
  shift
  [ -n "${ZAFFRE_PYTHON:-}" ] || ZAFFRE_PYTHON=$(command -v python || command -v python3) || { echo "The image has no python."; exit 127; }
  set -- "$ZAFFRE_PYTHON" "$@"
fi
exec "$@"`

// createCommand returns the docker create of the job. No value of a variable stands in an argument: those of others
// are seen by every user of the machine.
func (s *supervisor) createCommand(cwd string, e engine) (*exec.Cmd, error) {
	j := &s.spec.Job
	argv := []string{
		"container", "create", "--name", s.box.name, "--pull", "never", "--init", "--network", "host", "--log-driver", "none",
		"--security-opt", "label=disable", "--user", e.user(), "--workdir", cwd,
		"--label", runLabel + "=" + j.Run, "--label", envbuild.TargetLabel + "=" + rootOf(s.dir),
	}
	mounts, err := s.mounts()
	if err != nil {
		return nil, err
	}
	argv = append(argv, mounts...)
	if j.Memory > 0 {
		m := strconv.FormatInt(j.Memory, 10)
		argv = append(argv, "--memory", m, "--memory-swap", m)
	}
	if len(j.GPUs) > 0 {
		gpus, err := e.gpus(j.GPUs)
		if err != nil {
			return nil, err
		}
		argv = append(argv, "--gpus", gpus)
	}
	cmd := exec.Command("docker")
	cmd.Env = os.Environ()
	variables, err := s.variables(cmd)
	if err != nil {
		return nil, err
	}
	argv = append(argv, variables...)
	argv = append(argv, "--entrypoint", "/bin/sh", j.Image, "-c", enterScript, filepath.Join(s.dir, logFile))
	cmd.Args = append(append(cmd.Args, argv...), j.Command...)
	return cmd, nil
}

// gpus returns the devices as docker takes them.
func (e engine) gpus(list []int) (string, error) {
	if _, ok := e.Runtimes["nvidia"]; !ok {
		return "", fmt.Errorf("the run has GPUs, and Docker on the machine cannot give them to containers; install the NVIDIA Container Toolkit there")
	}
	words := make([]string, len(list))
	for i, g := range list {
		words[i] = strconv.Itoa(g)
	}
	return `"device=` + strings.Join(words, ",") + `"`, nil
}

// mounts makes the folders that the job writes to, and returns what shows them, at the same places, in its
// container: the code, its log and its home; and to read, Python's hook and the certificates.
func (s *supervisor) mounts() (argv []string, err error) {
	log, err := os.OpenFile(filepath.Join(s.dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("its log cannot be written: %w", err)
	}
	log.Close()
	add := func(path, more string) {
		path = `"` + strings.ReplaceAll(path, `"`, `""`) // a field of CSV
		argv = append(argv, "--mount", `type=bind,`+strings.Replace(path, `"`, `"source=`, 1)+`",`+strings.Replace(path, `"`, `"target=`, 1)+`"`+more)
	}
	add(filepath.Join(s.dir, codeDir), "")
	add(filepath.Join(s.dir, logFile), "")
	for _, d := range []string{"home", "azure"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o700); err != nil {
			return nil, err
		}
		add(filepath.Join(s.dir, d), "")
	}
	if s.spec.Job.Token == "" {
		return argv, nil
	}
	add(filepath.Join(rootOf(s.dir), hookDir), ",readonly")
	bundles, err := filepath.Glob(filepath.Join(s.dir, "*.pem"))
	for _, name := range bundles {
		add(name, ",readonly")
	}
	return argv, err
}

// variables gives the job's variables to cmd, and returns the arguments that pass them on.
func (s *supervisor) variables(cmd *exec.Cmd) (argv []string, err error) {
	env := s.containerEnviron()
	var file strings.Builder
	for _, k := range slices.Sorted(maps.Keys(env)) {
		v := env[k]
		switch {
		case !ofDocker(k):
			cmd.Env = append(cmd.Env, k+"="+v)
			argv = append(argv, "--env", k)
		case strings.ContainsAny(v, "\r\n") || len(v) > 60<<10: // Docker's file has lines, of 64 kB
			return nil, fmt.Errorf("the variable %q has a line break or more than 60 kB, and Docker's own command line reads it; give it another name", k)
		default:
			file.WriteString(k + "=" + v + "\n")
		}
	}
	name := filepath.Join(s.dir, variablesFile)
	return append(argv, "--env-file", name), os.WriteFile(name, []byte(file.String()), 0o600)
}

// ofDocker reports whether Docker's command line, or what it stands on, reads a variable of this name.
func ofDocker(name string) bool {
	for _, p := range []string{"DOCKER_", "BUILDKIT_", "BUILDX_", "SSL_CERT_", "XDG_", "LD_", "GO", "TMPDIR", "PATH", "HOME", "HTTP", "SSH_", "OTEL_"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return strings.HasSuffix(strings.ToLower(name), "_proxy")
}

// containerEnviron returns the variables of a job in a container: of the machine's only the proxies, since the image
// has its own PATH and the rest.
func (s *supervisor) containerEnviron() map[string]string {
	j := &s.spec.Job
	env := map[string]string{
		"PYTHONUNBUFFERED": "1", "HOME": filepath.Join(s.dir, "home"), "USER": "zaffre", "LOGNAME": "zaffre",
	}
	for _, kv := range os.Environ() {
		if k, v, _ := strings.Cut(kv, "="); passes(k, inherited) && strings.HasSuffix(strings.ToLower(k), "_proxy") {
			env[k] = v
		}
	}
	maps.Copy(env, j.Env)
	if j.Token != "" {
		spare(env)
		hook(env, rootOf(s.dir))
	}
	return env
}
