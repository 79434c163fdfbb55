// Package envbuild builds Python environments on the machine where the jobs run.
//
// An environment stands in root/envs/<digest>/env, built in place since scripts name their
// interpreter by its whole path. The file zaffre.json in it is written last: a folder without it is
// what a crash left, and is built anew. A lock beside it keeps two builds of one digest apart.
//
// Files below root:
//
//	envs/<digest>/env          an environment; zaffre.json, requirements.txt, pip.txt in it are ours
//	envs/<digest>/env.lock     flock, held while it is built or removed
//	envs/<digest>/env.trash-*  environments on their way out
//	tools/uv                   uv that pip installed, where the machine has none
//	tools/uv-<hash>            uv that the server gave, where the machine has none
//	tools/ca.pem               certificates that the server trusts, for a machine without a route of its own
//	pythons                    interpreters that uv downloaded
//	uv-cache                   uv's cache, unless UV_CACHE_DIR is set
//	interpreters.json          what Interpreters found
package envbuild

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The ways to an environment.
const (
	WayUV    = "uv"
	WayConda = "conda"
	WayHost  = "host" // the interpreter that is there
)

// Run builds the environment, or finds it built, and says how it ended: BuildDone or BuildFailed
// with Reason, Message and Fix. It writes what it does to log, a line at a time and without
// terminal codes. Several may run at once, in several processes too, and each may die at any point.
//
// Reasons: PackageNotFound, ResolutionFailed, BuildFailed, RequirementInvalid, PathNotFound,
// DiskFull, NetworkUnreachable, PythonMissing, UvMissing, CondaFailed, BuildCanceled,
// BuildInvalid, EnvironmentUnwritable; of images DockerMissing, DockerDenied, DockerUnusable, DockerRefused,
// ImageInvalid, ImageNotFound, RegistryUnreachable.
func Run(ctx context.Context, root string, b wire.Build, log io.Writer) wire.BuildResult {
	return RunWith(ctx, root, b, log, nil)
}

// RunWith is Run with a server that gives what the machine lacks: uv, and a way to the package index.
func RunWith(ctx context.Context, root string, b wire.Build, log io.Writer, s Server) wire.BuildResult {
	bld := &build{root: root, Build: b, log: newLines(log), server: s}
	defer bld.log.flush()
	defer func() { bld.proxy.close() }()
	r, err := bld.run(ctx)
	if err != nil {
		r = bld.failed(ctx, err)
	}
	return r
}

// A build is one run of Run.
type build struct {
	wire.Build
	root     string
	log      *lines
	uv       string
	warnings []string
	held     *os.File // the lock of the environment

	server  Server            // nil: none
	reached bool              // it was found out whether the machine has a route to the index
	proxy   *proxy            // by way of the server; nil: the machine's own
	led     map[string]string // variables that lead there
}

func (b *build) run(ctx context.Context) (wire.BuildResult, error) {
	if b.UserManaged && !b.inImage() {
		return b.host(ctx)
	}
	if !validDigest(b.Digest) {
		return wire.BuildResult{}, invalidDigest(b.Digest)
	}
	if r, ok := b.built(); ok {
		return r, nil
	}
	if err := os.MkdirAll(filepath.Dir(b.prefix()), 0o755); err != nil {
		return wire.BuildResult{}, unwritable(err)
	}
	held, unlock, err := hold(ctx, b.prefix()+lockSuffix, func() { b.log.printf("Another build of this environment runs; waiting for it.") })
	if err != nil {
		return wire.BuildResult{}, err
	}
	defer unlock()
	b.held = held
	if r, ok := b.built(); ok {
		return r, nil
	}
	if err := discard(b.prefix()); err != nil {
		return wire.BuildResult{}, unwritable(err)
	}
	r, err := b.make(ctx)
	if err != nil {
		_ = discard(b.prefix()) // its space may be what the machine lacks
	}
	return r, err
}

// make builds into a folder that does not exist.
func (b *build) make(ctx context.Context) (wire.BuildResult, error) {
	for _, n := range b.Notes {
		b.log.printf("Note: %s", n)
	}
	if b.inImage() {
		return b.withImage(ctx)
	}
	way := b.withUV
	if tool := b.condaTool(); len(b.Conda) > 0 && tool != "" {
		way = func(ctx context.Context) (wire.BuildResult, error) { return b.withConda(ctx, tool) }
	}
	r, err := way(ctx)
	if err != nil {
		return r, err
	}
	r.State, r.Prefix, r.Warnings = wire.BuildDone, b.prefix(), b.warnings
	r.Python = filepath.Join(b.prefix(), "bin", "python")
	if err := b.seal(r); err != nil {
		return r, unwritable(err)
	}
	b.log.printf("Done: Python %s in %s.", r.Version, r.Prefix)
	return r, nil
}

func (b *build) withUV(ctx context.Context) (wire.BuildResult, error) {
	var err error
	if b.uv, err = b.findOrMakeUV(ctx); err != nil {
		return wire.BuildResult{}, err
	}
	b.log.printf("Building with uv: %s.", b.whyUV())
	if len(b.ChannelOnly) > 0 {
		b.warn("left out, since only a conda channel has them and conda, mamba and micromamba are not on this machine: %s",
			strings.Join(b.ChannelOnly, ", "))
	}
	py, err := b.choose(ctx)
	if err != nil {
		return wire.BuildResult{}, err
	}
	b.log.printf("Interpreter: Python %s, %s.", py.Version, py.Path)
	if err := b.uvRun(ctx, "venv", "--quiet", "--no-config", "--python", py.Path, b.prefix()); err != nil {
		return wire.BuildResult{}, err
	}
	if err := b.install(ctx, true); err != nil {
		return wire.BuildResult{}, err
	}
	return wire.BuildResult{Way: WayUV, Version: py.Version}, nil
}

func (b *build) whyUV() string {
	if len(b.Conda) > 0 {
		return "the definition asks for more than Python packages, but no conda is on this machine"
	}
	return "all that the definition asks for comes from the Python package index"
}

// host takes the interpreter that the user manages.
func (b *build) host(ctx context.Context) (wire.BuildResult, error) {
	b.log.printf("Using the interpreter that is there: the definition says that its user manages the packages.")
	names := []string{b.Interpreter}
	if b.Interpreter == "" || b.Interpreter == "python" {
		names = []string{"python3", "python"} // "python" is what the SDK sends where nothing was said
	}
	var err error
	for _, name := range names {
		var p probed
		if p, err = probePath(ctx, name); err == nil {
			b.log.printf("Interpreter: Python %s, %s.", p.Version, p.Executable)
			return wire.BuildResult{State: wire.BuildDone, Way: WayHost, Python: p.Executable, Version: p.Version}, nil
		}
	}
	return wire.BuildResult{}, &fault.Error{
		Code: fault.NotFound, Reason: "PythonMissing", What: fmt.Sprintf("cannot use the interpreter %q", names[0]),
		Why: "it does not run on this machine: " + err.Error(),
		Fix: "name one that is there, or let the environment be built instead of user-managed",
	}
}

func (b *build) warn(format string, a ...any) {
	w := fmt.Sprintf(format, a...)
	b.warnings = append(b.warnings, w)
	b.log.printf("Warning: %s.", w)
}

// failed describes a failure, in the log too.
func (b *build) failed(ctx context.Context, err error) wire.BuildResult {
	if ctx.Err() != nil {
		err = &fault.Error{
			Code: fault.Unavailable, Reason: "BuildCanceled", What: "the environment was not built",
			Why: "the build was stopped: " + context.Cause(ctx).Error(), Fix: "start the build again",
		}
	}
	f := fault.From(err)
	b.log.printf("Failed: %s.", f.Error())
	b.log.printf("What to do: %s.", f.Fix)
	return wire.BuildResult{State: wire.BuildFailed, Reason: f.Reason, Message: f.Error(), Fix: f.Fix, Warnings: b.warnings}
}
