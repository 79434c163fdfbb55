package envbuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// dockerTime bounds a question to the Docker Engine.
const dockerTime = 20 * time.Second

// Docker asks the machine's Docker Engine by its command line and returns what it prints. It fails with a
// *fault.Error: DockerMissing, DockerDenied or DockerUnusable where there is no Engine for us, else DockerRefused
// with the Engine's own words.
func Docker(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, dockerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir, cmd.WaitDelay = "/", time.Second
	return RunDocker(ctx, cmd)
}

// RunDocker is Docker with a command of the caller's making, whose variables may be more than ours.
func RunDocker(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err == nil {
		return strings.TrimSpace(out.String()), nil
	}
	if ctx.Err() != nil {
		said.WriteString("no answer in time")
	}
	return "", dockerFault(err, strings.TrimSpace(said.String()))
}

// dockerFault tells why the Engine could not be asked, or what it said.
func dockerFault(err error, said string) *fault.Error {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &fault.Error{
			Code: fault.Precondition, Reason: "DockerMissing", What: noContainers, Why: "Docker is not installed there, and the environment asks for an image",
			Fix: "install it on that machine (Debian and Ubuntu: sudo apt install docker.io), or ask for an environment without an image", Err: err,
		}
	case strings.Contains(said, "permission denied") && strings.Contains(said, "connect"):
		return &fault.Error{
			Code: fault.Precondition, Reason: "DockerDenied", What: noContainers,
			Why: fmt.Sprintf("Docker there does not serve the user %d, who runs the code", os.Getuid()),
			Fix: "let that user use it; on that machine: sudo usermod -aG docker USER", Evidence: []string{said}, Err: err,
		}
	case silent().MatchString(said):
		return &fault.Error{
			Code: fault.Unavailable, Reason: "DockerUnusable", What: noContainers, Why: "Docker is installed there, but does not answer: " + said,
			Fix: "start it on that machine: sudo systemctl start docker", Evidence: []string{said}, Err: err,
		}
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "DockerRefused", What: "Docker on the target refuses", Why: cmp.Or(said, err.Error()),
		Fix: "read what Docker says, and correct the image or the machine", Evidence: []string{said}, Err: err,
	}
}

var silent = lazy(`(?i)cannot connect|no answer in time|error during connect|connection refused|is the docker daemon running`)

const noContainers = "the target cannot run containers"

// ImageThere reports whether the machine has an image. An error says that Docker could not be asked.
func ImageThere(ctx context.Context, image string) (bool, error) {
	_, err := Docker(ctx, "image", "inspect", "--format", "{{.Id}}", image)
	if fault.ReasonOf(err) == "DockerRefused" {
		return false, nil
	}
	return err == nil, err
}

// TargetLabel names, on what we make in Docker, the folder of the agent that made it.
const TargetLabel = "zaffre.target"

// imageRepository holds the images of environments.
const imageRepository = "zaffre/env"

// ImageOf returns the name of an environment's image.
func ImageOf(digest string) string { return imageRepository + ":" + digest }

// Images lists the images that an agent made.
func Images(ctx context.Context, root string) ([]string, error) {
	out, err := Docker(ctx, "image", "ls", "--filter", "label="+TargetLabel+"="+root, "--format", "{{.Repository}}:{{.Tag}}")
	var list []string
	for name := range strings.Lines(out) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, imageRepository+":") { // what was made from ours has its labels
			list = append(list, name)
		}
	}
	return list, err
}

// PruneStages removes what builds of images have left of the stages that installed, by a label.
func PruneStages(label string) error {
	_, err := Docker(context.Background(), "image", "prune", "--force", "--filter", "label="+stageLabel, "--filter", "label="+label)
	return err
}
