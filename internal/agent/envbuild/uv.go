package envbuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// FindUV returns the path of uv on this machine or below root, "" for none.
func FindUV(root string) string {
	if p, err := exec.LookPath("uv"); err == nil && !isScript(p) {
		return p
	}
	home, _ := os.UserHomeDir()
	for _, p := range append(carried(root),
		ownUV(root), filepath.Join(home, ".local/bin/uv"), filepath.Join(home, ".cargo/bin/uv"), "/usr/local/bin/uv", "/usr/bin/uv",
	) {
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return p
		}
	}
	return ""
}

func ownUV(root string) string { return filepath.Join(root, "tools", "uv", "bin", "uv") }

// findOrMakeUV returns uv; where there is none, the server's, or one that any interpreter with pip installs below
// root.
func (b *build) findOrMakeUV(ctx context.Context) (string, error) {
	if uv := FindUV(b.root); uv != "" {
		return uv, nil
	}
	tools := filepath.Join(b.root, "tools")
	if err := os.MkdirAll(tools, 0o755); err != nil {
		return "", unwritable(err)
	}
	unlock, err := lock(ctx, filepath.Join(tools, "uv"+lockSuffix), func() { b.log.printf("Waiting for another build that installs uv.") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if uv := FindUV(b.root); uv != "" {
		return uv, nil
	}
	b.log.printf("uv is not on this machine.")
	if uv, err := b.askUV(ctx); uv != "" || err != nil {
		return uv, err
	}
	b.log.printf("Installing uv into %s.", filepath.Join(tools, "uv"))
	return b.makeUV(ctx, tools)
}

// maxTries bounds how many interpreters are tried: what stops three stops the rest.
const maxTries = 3

// makeUV tries interpreter after interpreter: Debian's own has neither pip nor venv.
func (b *build) makeUV(ctx context.Context, tools string) (string, error) {
	tmp := filepath.Join(tools, "uv.new")
	b.log.mark()
	var tried []string
	for _, py := range Interpreters(ctx, b.root, b.Interpreters) {
		if compareVersions(py.Version, "3.8") < 0 || len(tried) == maxTries {
			continue
		}
		way, ok := uvWay(ctx, py.Path, tmp)
		if !ok {
			continue
		}
		tried = append(tried, py.Path)
		if b.tryUV(ctx, tmp, way) {
			return ownUV(b.root), moveTo(tmp, filepath.Dir(filepath.Dir(ownUV(b.root))))
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
	return "", b.uvMissing(tried)
}

// uvWay returns the commands by which the interpreter can install uv into tmp.
func uvWay(ctx context.Context, python, tmp string) (commands [][]string, ok bool) {
	install := []string{"-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"}
	if runs(ctx, python, "-m", "pip", "--version") {
		return [][]string{slices.Concat([]string{python}, install, []string{"--target", tmp, "uv"})}, true
	}
	if runs(ctx, python, "-c", "import venv, ensurepip") {
		return [][]string{
			{python, "-m", "venv", tmp},
			slices.Concat([]string{filepath.Join(tmp, "bin", "python")}, install, []string{"uv"}),
		}, true
	}
	return nil, false
}

func runs(ctx context.Context, argv ...string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = baseEnviron(), "/"
	return cmd.Run() == nil
}

func moveTo(from, to string) error {
	if err := errors.Join(os.RemoveAll(to), os.Rename(from, to)); err != nil {
		return unwritable(err)
	}
	return nil
}

func (b *build) tryUV(ctx context.Context, tmp string, commands [][]string) bool {
	if os.RemoveAll(tmp) != nil {
		return false
	}
	for _, argv := range commands {
		if b.command(ctx, baseEnviron(), argv) != nil {
			return false
		}
	}
	return b.command(ctx, baseEnviron(), []string{filepath.Join(tmp, "bin", "uv"), "--version"}) == nil
}

func (b *build) uvMissing(tried []string) error {
	said := b.log.since()
	if e := classify(said, b.Python); e != nil && e.Reason == "DiskFull" {
		return e
	}
	if offline().MatchString(strings.Join(said, " ")) { // pip says at last that it found no version
		return unreachable(said)
	}
	why := "no Python 3.8 or newer is there to install it"
	if len(tried) > 0 {
		why = fmt.Sprintf("none of these could install it (they need pip or venv): %s", strings.Join(tried, ", "))
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "UvMissing", What: "uv is not on this machine, and could not be installed",
		Why: why, Fix: "put uv on the PATH there, or install pip for one of its interpreters (Debian: the package python3-pip)",
	}
}

// uvRun runs uv; its output goes to the log.
func (b *build) uvRun(ctx context.Context, args ...string) error {
	return b.command(ctx, b.uvEnviron(), append([]string{b.uv}, args...))
}

// ask runs a program as uvRun does and returns what it says, "" where it fails.
func (b *build) ask(ctx context.Context, argv ...string) string {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = b.uvEnviron(), b.root, time.Second
	out, _ := cmd.Output()
	return string(out)
}

// killDelay is how long a stopped program has to end before its output is no longer waited for.
const killDelay = 5 * time.Second

// command runs a program; on the end of ctx its whole group is killed.
func (b *build) command(ctx context.Context, env, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = env, b.root
	cmd.Stdout, cmd.Stderr = b.log, b.log
	if b.held != nil { // a builder that is killed leaves programs behind: the lock is held as long as they work
		cmd.ExtraFiles = []*os.File{b.held}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	b.log.flush()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
