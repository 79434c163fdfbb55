package envbuild

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// condaTool returns micromamba, mamba or conda of this machine, "" for none.
func (b *build) condaTool() string {
	home, _ := os.UserHomeDir()
	var paths []string
	for _, name := range []string{"micromamba", "mamba", "conda"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
		for _, dir := range slices.Concat(condaFolders(home), []string{filepath.Join(home, ".local")}) {
			paths = append(paths, filepath.Join(dir, "bin", name))
		}
	}
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

// withConda builds from the channels, and pip's lines over it with uv.
func (b *build) withConda(ctx context.Context, tool string) (wire.BuildResult, error) {
	b.log.printf("Building with %s: only a channel has %s.", tool, strings.Join(b.ChannelOnly, ", "))
	spec := b.prefix() + ".yml"
	if err := os.WriteFile(spec, b.Conda, 0o644); err != nil {
		return wire.BuildResult{}, unwritable(err)
	}
	defer os.Remove(spec)
	args := []string{tool, "env", "create", "--quiet", "--prefix", b.prefix(), "--file", spec}
	if filepath.Base(tool) == "micromamba" {
		args = []string{tool, "create", "--yes", "--quiet", "--prefix", b.prefix(), "--file", spec}
	}
	b.log.mark()
	if err := b.command(ctx, baseEnviron(), args); err != nil {
		return wire.BuildResult{}, condaFailed(ctx, b.log.since(), err)
	}
	py, err := probePath(ctx, filepath.Join(b.prefix(), "bin", "python"))
	if err != nil {
		return wire.BuildResult{}, condaFailed(ctx, nil, err)
	}
	if len(b.PipOnly) > 0 {
		if b.uv, err = b.findOrMakeUV(ctx); err != nil {
			return wire.BuildResult{}, err
		}
		if err := b.install(ctx, false); err != nil {
			return wire.BuildResult{}, err
		}
	}
	return wire.BuildResult{Way: WayConda, Version: py.Version}, nil
}

func condaFailed(ctx context.Context, output []string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f := classify(output, ""); f != nil && (f.Reason == "DiskFull" || f.Reason == "NetworkUnreachable") {
		return f
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "CondaFailed", What: notBuilt,
		Why: "conda failed (" + err.Error() + "): " + explanation(tail(output)),
		Fix: "read the build log; correct the packages or the channels, and build again", Evidence: tail(output),
	}
}
