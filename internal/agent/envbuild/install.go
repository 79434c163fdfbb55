package envbuild

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	requirementsFile = "requirements.txt"
	pipFileName      = "pip.txt"
)

// linkMode returns how uv fills an environment from its cache: by hard links, and install makes the
// files read-only, so that a job that edits one does not edit the cache. Files that root writes
// obey no mode, so root's are copies. UV_LINK_MODE in the agent's environment wins.
func linkMode() string {
	if os.Geteuid() == 0 {
		return "copy"
	}
	return "hardlink"
}

// install puts the packages into the prefix: all in one resolution, and where that has no solution
// in the two steps that conda takes, its own packages first and pip's over them.
func (b *build) install(ctx context.Context, withRequirements bool) error {
	requirements := filepath.Join(b.prefix(), requirementsFile)
	pip := filepath.Join(b.prefix(), pipFileName)
	options, lines := pipOptions(slices.Concat(b.IndexOptions, b.PipOnly))
	if !withRequirements {
		b.Requirements = nil
	}
	if err := b.checkPaths(lines); err != nil {
		return err
	}
	for file, list := range map[string][]string{requirements: b.Requirements, pip: lines} {
		if err := os.WriteFile(file, []byte(strings.Join(append(list, ""), "\n")), 0o644); err != nil {
			return unwritable(err)
		}
	}
	if len(b.Requirements)+len(lines) == 0 {
		b.log.printf("The definition asks for no packages.")
		return nil
	}
	err := b.pipInstall(ctx, options, requirements, pip)
	if fault.ReasonOf(err) == "ResolutionFailed" && len(b.Requirements) > 0 && len(lines) > 0 {
		err = b.twoSteps(ctx, options, requirements, pip)
	}
	if err != nil {
		return err
	}
	return b.protect()
}

// pipInstall runs uv on the files that have any requirement.
func (b *build) pipInstall(ctx context.Context, options []string, files ...string) error {
	args := []string{"pip", "install", "--python", filepath.Join(b.prefix(), "bin", "python")}
	args = append(args, options...)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() > 1 {
			args = append(args, "--requirements", f)
		}
	}
	b.reach(ctx)
	b.log.mark()
	err := b.uvRun(ctx, args...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return b.onTheWay(cmp.Or(classify(b.log.since(), b.Python), unknownFailure(b.log.since(), err)))
}

func (b *build) twoSteps(ctx context.Context, options []string, requirements, pip string) error {
	b.log.printf("No one solution serves all of the definition. As conda would: its own packages first, then pip's over them.")
	if err := b.pipInstall(ctx, options, requirements); err != nil {
		return err
	}
	if err := b.pipInstall(ctx, options, pip); err != nil {
		return err
	}
	if r := replaced(b.log.since()); len(r) > 0 {
		b.warn("pip's requirements replaced what conda's ask for: %s", strings.Join(r, ", "))
	}
	return nil
}

// changed is a line of uv's about one package: " - numpy==1.21.6".
var changed = lazy(`^ ([-+]) (\S+?)==(\S+)`)

// replaced names the packages that uv removed and put another version of.
func replaced(output []string) []string {
	old := map[string]string{}
	var out []string
	for _, line := range output {
		m := changed().FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[1] == "-":
			old[m[2]] = m[3]
		case old[m[2]] != "":
			out = append(out, m[2]+" "+old[m[2]]+" by "+m[3])
		}
	}
	return out
}

// protect makes the files that hard links share with the cache read-only. Folders stay writable:
// Python keeps its bytecode there.
func (b *build) protect() error {
	if cmp.Or(os.Getenv("UV_LINK_MODE"), linkMode()) != "hardlink" {
		return nil
	}
	err := filepath.WalkDir(filepath.Join(b.prefix(), "lib"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode().Perm()&0o222 == 0 {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()&^0o222)
	})
	if err != nil {
		return unwritable(err)
	}
	return nil
}
