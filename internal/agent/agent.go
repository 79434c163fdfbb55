// Package agent starts, watches and ends jobs on a machine, and builds environments there. One
// process serves the control plane over its standard input and output; each job and each build
// has a supervisor of its own, which outlives that process and the control plane.
package agent

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Verb is the first argument by which a binary that holds more than the agent is the agent.
const Verb = "agent"

// self is the running binary: it can be started even after its file was replaced or removed.
const self = "/proc/self/exe"

const usage = `usage: zaffre-agent serve --root FOLDER
       zaffre-agent version

The agent runs jobs for a zaffre server, which starts it and speaks with it over its standard
input and output. It is of no use by hand.
`

// Main runs the agent with the arguments that follow the program's name and returns its exit
// code. A first argument Verb is skipped.
func Main(args []string) int {
	if len(args) > 0 && args[0] == Verb {
		args = args[1:]
	}
	// What was open before us, such as a pipe of a shell, is not for the jobs.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	switch {
	case len(args) == 3 && args[0] == "serve" && args[1] == "--root":
		return serveMain(args[2])
	case len(args) == 2 && args[0] == "supervise":
		return superviseMain(args[1])
	case len(args) == 2 && args[0] == "run":
		return runMain(args[1])
	case len(args) == 2 && args[0] == "build":
		return buildMain(args[1])
	}
	fmt.Fprint(os.Stderr, usage)
	return 2
}
