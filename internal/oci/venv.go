package oci

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Uv gives commands of a uv that runs here.
type Uv interface {
	Command(ctx context.Context, args ...string) (*exec.Cmd, error)
}

// Plan is an environment for one interpreter of a base image.
type Plan struct {
	Python   Python
	Platform string // uv's name of it: "x86_64-manylinux_2_36"
	Warnings []string
	plan     conda.Plan
}

// PlanFor finds what an environment takes on a base. Faults: PythonMissing, PackageNeedsConda, those of conda.Translate.
func PlanFor(d driver.Definition, b Base) (Plan, error) {
	p, err := conda.Translate(d.Conda, d.Pip)
	if err != nil {
		return Plan{}, err
	}
	if len(p.ChannelOnly) > 0 {
		return Plan{}, &fault.Error{
			Code: fault.Unsupported, Reason: "PackageNeedsConda", What: notMade, Why: "only a conda channel has " + strings.Join(p.ChannelOnly, ", "),
			Fix: podsFix,
		}
	}
	asked := d.Python
	if p.Python != "" {
		asked = p.Python
	}
	out := Plan{plan: p, Platform: platform(b), Warnings: p.Notes}
	py, warning, err := b.choose(asked, d.Exact)
	if warning != "" {
		out.Warnings = append(slices.Clone(p.Notes), warning)
	}
	out.Python = py
	return out, err
}

const (
	notMade = "cannot make the environment's image"
	podsFix = "build it in pods, where uv builds from sources; run: zaffre compute update NAME --registry ''"
)

// glibcs are the versions by which uv names platforms: manylinux_2_N.
var glibcs = []int{17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40}

// platform is uv's name of a base's architecture and C library: the newest that wheels are made for and that it has.
func platform(b Base) string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[b.Arch]
	if arch == "" {
		arch = b.Arch
	}
	if b.Libc == "musl" {
		return arch + "-unknown-linux-musl"
	}
	has, best := 0, glibcs[0]
	if _, err := fmt.Sscanf(b.Libc, "glibc 2.%d", &has); err == nil {
		for _, n := range glibcs {
			if n <= has {
				best = n
			}
		}
	}
	return arch + "-manylinux_2_" + strconv.Itoa(best)
}

// Install has uv put the environment's packages into dir/site. Only wheels are taken: no code of a package runs here.
func (p Plan) Install(ctx context.Context, uv Uv, dir string, log Logf) error {
	args, err := p.arguments(dir)
	if err != nil {
		return err
	}
	cmd, err := uv.Command(ctx, args...)
	if err != nil {
		return err
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	cmd.Stdout = nil
	if err := cmd.Start(); err != nil {
		return err
	}
	var said []string
	for s := bufio.NewScanner(out); s.Scan(); {
		said = append(said, s.Text())
		log("%s", s.Text())
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return classify(said, err)
	}
	return nil
}

// arguments writes the requirements and returns uv's command line.
func (p Plan) arguments(dir string) ([]string, error) {
	args := []string{
		"pip", "install", "--target", filepath.Join(dir, "site"), "--python-platform", p.Platform, "--python-version", p.Python.Version,
		"--only-binary", ":all:", "--link-mode", "hardlink",
	}
	options, lines, err := options(p.plan.Pip)
	if err != nil {
		return nil, err
	}
	args = append(args, options...)
	for name, list := range map[string][]string{"requirements.txt": p.plan.Requirements, "pip.txt": lines} {
		if len(list) == 0 {
			continue
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(strings.Join(list, "\n")+"\n"), 0o600); err != nil {
			return nil, err
		}
		args = append(args, "--requirements", file)
	}
	return args, nil
}

// plain is a line that can only name a wheel: a requirement, or the address of one. Anything else might have code run, or
// files read, on the server: paths, editable projects, repositories.
var plain = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[A-Za-z0-9,._ -]*\])?\s*(?:@\s*https://[^\s;]+\.whl(?:#\S*)?|\(?[<>=!~][^@/;]*)?|https://[^\s;]+\.whl(?:#\S*)?)\s*(?:;[^@/]*)?(?:\s+--hash[= ]\S+)*$`)

// indexed are the options of lines that name an index by its address.
var indexed = regexp.MustCompile(`^(?:-i|--index-url|--extra-index-url|-f|--find-links)(?:\s+|\s*=\s*)https?://\S+$`)

// options parts pip's lines into uv's options and lines that uv reads from a file.
func options(lines []string) (out, rest []string, err error) {
	for _, line := range lines {
		name, value, _ := strings.Cut(strings.Replace(line, "=", " ", 1), " ")
		switch {
		case plain.MatchString(line):
			rest = append(rest, line)
		case indexed.MatchString(line):
			rest = append(rest, line)
			if name == "--extra-index-url" {
				out = append(out, "--index-strategy=unsafe-best-match")
			}
		case name == "--pre":
			out = append(out, "--prerelease=allow")
		case name == "--trusted-host" && !strings.HasPrefix(value, "-"):
			out = append(out, "--allow-insecure-host="+value)
		case name == "--no-deps", name == "--require-hashes":
			out = append(out, name)
		case slices.Contains(meaningless, name):
		default:
			return nil, nil, lineUnsupported(line)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), rest, nil
}

// meaningless are options of pip without a meaning where only wheels are taken.
var meaningless = []string{"--prefer-binary", "--no-cache-dir", "--upgrade", "-U", "--quiet", "-q", "--no-binary", "--only-binary", "--no-build-isolation"}

func lineUnsupported(line string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "RequirementUnsupported", What: notMade, Why: fmt.Sprintf("%.200q names no wheel: on the server no sources are built and no files are read", line),
		Fix: podsFix,
	}
}

// Empty reports whether nothing is to be installed.
func (p Plan) Empty() bool { return len(p.plan.Requirements)+len(p.plan.Pip) == 0 }

// Write writes what Install left in dir as a layer: a virtual environment at driver.ImageEnvironment. Bytecode is not
// compiled: it would hold times.
func (p Plan) Write(ctx context.Context, w io.Writer, dir string) (Layer, error) {
	entries, err := p.installed(filepath.Join(dir, "site"))
	if err != nil {
		return Layer{}, err
	}
	return writeLayer(ctx, w, append(entries, p.frame()...))
}

// frame is what makes a folder of packages an environment.
func (p Plan) frame() []entry {
	root := strings.TrimPrefix(envDir, "/")
	home := filepath.Dir(p.Python.Path)
	return []entry{
		text(root+"/pyvenv.cfg", 0o644, "home = "+home+"\nimplementation = CPython\nversion_info = "+p.Python.Version+"\ninclude-system-site-packages = false\n"),
		symlink(root+"/bin/python", p.Python.Path),
		symlink(root+"/bin/python3", "python"),
		symlink(root+"/bin/python"+p.Python.Minor(), "python"),
	}
}

// absent reports whether err says that a file is not there.
func absent(err error) bool { return errors.Is(err, os.ErrNotExist) }
