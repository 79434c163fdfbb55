package envbuild

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// WayImage is an image that this machine's Docker Engine builds.
const WayImage = "image"

// inImage reports whether the environment is to be made in an image.
func (b *build) inImage() bool { return b.BaseImage != "" || len(b.Dockerfile) > 0 }

// withImage builds zaffre/env:<digest>: the base with the packages in a virtual environment of its own, or the
// base as it is where there are none to install.
func (b *build) withImage(ctx context.Context) (wire.BuildResult, error) {
	if _, err := Docker(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return wire.BuildResult{}, err
	}
	dir := filepath.Join(b.prefix(), "context")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return wire.BuildResult{}, unwritable(err)
	}
	defer os.RemoveAll(dir)
	defer func() { _ = PruneStages(stageLabel + "=" + b.Digest) }()
	base, err := b.baseImage(ctx, dir)
	if err != nil {
		return wire.BuildResult{}, err
	}
	if err := b.buildOn(ctx, dir, base); err != nil {
		return wire.BuildResult{}, err
	}
	version, err := b.tryImage(ctx)
	if err != nil {
		return wire.BuildResult{}, err
	}
	r := wire.BuildResult{State: wire.BuildDone, Way: WayImage, Image: ImageOf(b.Digest), Version: version, Warnings: b.warnings}
	if err := b.seal(r); err != nil {
		return r, unwritable(err)
	}
	b.log.printf("Done: %s, Python %s.", r.Image, cmp.Or(version, "none"))
	return r, nil
}

// packages reports whether there is anything to install.
func (b *build) packages() bool {
	return !b.UserManaged && (b.Python != "" || len(b.Requirements)+len(b.PipOnly)+len(b.Conda) > 0)
}

// baseImage returns the image to start from: the one that is named, or what the user's Dockerfile makes.
func (b *build) baseImage(ctx context.Context, dir string) (string, error) {
	if len(b.Dockerfile) == 0 {
		return b.BaseImage, b.fetch(ctx, b.BaseImage)
	}
	b.log.printf("Building the Dockerfile of the environment.")
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), append(b.Dockerfile, '\n'), 0o644); err != nil {
		return "", unwritable(err)
	}
	base := ImageOf(b.Digest) + "-base"
	return base, b.dockerBuild(ctx, dir, base, nil)
}

// fetch sees that the machine has the image.
func (b *build) fetch(ctx context.Context, image string) error {
	if strings.HasPrefix(image, "-") || strings.ContainsAny(image, " \t\r\n\"'\\$") {
		return imageInvalid(image, "it is no name of an image")
	}
	there, err := ImageThere(ctx, image)
	if err != nil || there {
		return err
	}
	b.log.printf("The image %s is not on this machine; asking its registry.", image)
	b.log.mark()
	err = b.command(ctx, os.Environ(), []string{"docker", "pull", "--quiet", image})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return pullFault(image, strings.Join(tail(b.log.since()), " "))
}

var (
	notInRegistry = lazy(`(?i)manifest unknown|not found|does not exist|repository name not known|no matching manifest`)
	notLoggedIn   = lazy(`(?i)unauthorized|authentication required|no basic auth|pull access denied|denied:|forbidden`)
)

// pullFault says why a registry did not give an image.
func pullFault(image, said string) error {
	registry, where := registryOf(image)
	switch {
	case strings.Contains(said, "invalid reference"):
		return imageInvalid(image, said)
	case noSpace().MatchString(said):
		return diskFull(said)
	case notLoggedIn().MatchString(said):
		return &fault.Error{
			Code: fault.NotFound, Reason: "ImageNotFound", What: notBuilt, Evidence: []string{said},
			Why: fmt.Sprintf("%s has no image %q, or keeps it from the target: %s", where, image, said),
			Fix: "check the name; where the registry asks who you are, log in as the target's user, on that machine: docker login " + registry,
		}
	case notInRegistry().MatchString(said):
		return &fault.Error{
			Code: fault.NotFound, Reason: "ImageNotFound", What: notBuilt, Evidence: []string{said},
			Why: fmt.Sprintf("%s has no image %q: %s", where, image, said),
			Fix: "check its name and tag, or bring it to the target: docker save IMAGE | ssh TARGET docker load",
		}
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "RegistryUnreachable", What: notBuilt, Evidence: []string{said},
		Why: fmt.Sprintf("the image %q is not on the target, and the target cannot reach %s: %s", image, where, said),
		Fix: "check the target's network and its Docker's proxy; or bring the image there: docker save IMAGE | ssh TARGET docker load",
	}
}

func imageInvalid(image, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ImageInvalid", What: notBuilt, Why: fmt.Sprintf("%q cannot be the base image: %s", image, why),
		Fix: "name it as docker pull does: REGISTRY/REPOSITORY:TAG",
	}
}

// registryOf returns the registry in an image's name, as docker login takes it, and as a person reads it.
func registryOf(image string) (registry, where string) {
	first, _, deeper := strings.Cut(image, "/")
	if deeper && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first, "the registry " + first
	}
	return "", "Docker's own registry"
}

// stageLabel marks the stage of our Dockerfile that installs; the image has only what it made.
const stageLabel = "zaffre.stage"

// buildOn builds the environment's image on base.
func (b *build) buildOn(ctx context.Context, dir, base string) error {
	file, vars := "FROM "+base+"\n", map[string]string(nil)
	if b.packages() {
		var err error
		if file, vars, err = b.recipe(ctx, dir, base); err != nil {
			return err
		}
	} else {
		b.log.printf("The definition asks for no packages: the image %s is used as it is.", base)
		if b.UserManaged && b.Interpreter != "" {
			file += "ENV ZAFFRE_PYTHON=" + quoted(b.Interpreter) + "\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o644); err != nil {
		return unwritable(err)
	}
	return b.dockerBuild(ctx, dir, ImageOf(b.Digest), vars)
}

// quoted returns a word as a Dockerfile has it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", "").Replace(s) + `"`
}

// recipe writes what an image with packages is built from, and returns its Dockerfile and the variables of the
// build. They tell of indexes and proxies: no layer of the image has them.
func (b *build) recipe(ctx context.Context, dir, base string) (file string, vars map[string]string, err error) {
	options, lines := pipOptions(slices.Concat(b.IndexOptions, b.PipOnly))
	for name, list := range map[string][]string{
		requirementsFile: b.Requirements, pipFileName: lines, "raw.txt": slices.Concat(b.IndexOptions, b.PipOnly), "only.txt": b.ChannelOnly,
		"install.sh": {installScript}, "conda.json": {string(b.Conda)}, "ca.pem": nil, "uv": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(append(list, ""), "\n")), 0o755); err != nil {
			return "", nil, unwritable(err)
		}
	}
	vars, err = b.bring(ctx, dir)
	if err != nil {
		return "", nil, err
	}
	words, err := json.Marshal(append([]string{"/bin/sh", "/opt/zaffre-in/install.sh", minorOf(b.Python), strconv.FormatBool(b.Exact)}, options...))
	if err != nil {
		return "", nil, err
	}
	file = "FROM " + base + " AS packages\nUSER root\nLABEL " + stageLabel + "=" + b.Digest + " " + TargetLabel + "=" + quoted(b.root) + "\nCOPY . /opt/zaffre-in/\n"
	for name := range vars {
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") { // Docker knows those
			file += "ARG " + name + "\n"
		}
	}
	file += "RUN " + string(words) + "\n\nFROM " + base + "\nCOPY --from=packages /opt/zaffre /opt/zaffre\n" +
		"ENV PATH=/opt/zaffre/env/bin:$PATH VIRTUAL_ENV=/opt/zaffre/env ZAFFRE_PYTHON=/opt/zaffre/env/bin/python\n"
	return file, vars, nil
}

// toImages are the variables that a build in an image gets of what the machine knows of indexes.
var toImages = []string{
	"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_STRATEGY", "UV_INSECURE_HOST", "UV_NO_INDEX", "UV_OFFLINE",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
}

// bring puts uv and the machine's certificates beside the Dockerfile, and returns what the machine says of
// indexes. Without uv pip does the work.
func (b *build) bring(ctx context.Context, dir string) (map[string]string, error) {
	uv, err := b.findOrMakeUV(ctx)
	if err == nil {
		b.uv = uv
		b.reach(ctx)
		err = copyInto(filepath.Join(dir, "uv"), uv)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		b.log.printf("There is no uv for the image: pip installs.")
	}
	vars := map[string]string{}
	env := map[string]string{}
	for _, kv := range b.uvEnviron() {
		name, value, _ := strings.Cut(kv, "=")
		if env[name] = value; slices.Contains(toImages, name) && value != "" {
			vars[name] = value
		}
	}
	if ca := env["SSL_CERT_FILE"]; ca != "" {
		if err := copyInto(filepath.Join(dir, "ca.pem"), ca); err != nil {
			b.log.printf("The certificates %s cannot be given to the image: %s.", ca, err)
		}
	}
	return vars, nil
}

// copyInto fills a file that is there, whose mode stays.
func copyInto(name, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// dockerBuild runs docker build. Values of vars are in no argument.
func (b *build) dockerBuild(ctx context.Context, dir, tag string, vars map[string]string) error {
	argv := []string{
		"docker", "build", "--network", "host", "--force-rm", "--tag", tag,
		"--label", TargetLabel + "=" + b.root, "--label", "zaffre.environment=" + b.Digest,
	}
	env := os.Environ()
	for name, value := range vars {
		argv = append(argv, "--build-arg", name)
		env = append(env, name+"="+value)
	}
	b.log.mark()
	err := b.command(ctx, env, append(argv, dir))
	if err == nil || ctx.Err() != nil {
		return err
	}
	said := b.log.since()
	for _, line := range said {
		if why, ok := strings.CutPrefix(line, "zaffre: "); ok {
			return noPythonInside(why)
		}
	}
	if len(b.Dockerfile) == 0 || strings.Contains(strings.Join(said, " "), "/opt/zaffre-in/install.sh") {
		if f := classify(said, b.Python); f != nil {
			return b.onTheWay(f)
		}
	}
	return unknownFailure(said, err)
}

func noPythonInside(why string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "PythonMissing", What: notBuilt, Why: why,
		Fix: "choose a base image that has it, or ask for a version of Python that is there",
	}
}

// tryScript prints what was left out, and the version of Python.
const tryScript = `cat /opt/zaffre/warnings 2>/dev/null; p=${ZAFFRE_PYTHON:-}; [ -n "$p" ] || p=$(command -v python || command -v python3) || exit 0
echo "python $("$p" -c 'import platform; print(platform.python_version())')"`

// tryImage starts the image once, as the user who runs the code, and returns the version of its Python, if any.
func (b *build) tryImage(ctx context.Context) (version string, err error) {
	out, err := Docker(ctx, "run", "--rm", "--pull", "never", "--network", "none", "--user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()),
		"--entrypoint", "/bin/sh", ImageOf(b.Digest), "-c", tryScript)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "python "); ok {
			version = v
		} else if line != "" {
			b.warnings = append(b.warnings, line)
		}
	}
	if version == "" && !b.packages() {
		b.warn("the image has no Python: commands that start with python cannot run")
	}
	return version, nil
}
