// Package hostagent brings the agent onto a machine that is a driver.Host, and says whether the machine will do.
// A kind that stands on a Host has by it, and by agentx, all that an agent can: it needs no code of its own for the
// way there.
package hostagent

import (
	"context"
	_ "embed"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// workScript finds the work directory, binaryScript the agent there. They come before the other scripts.
var (
	//go:embed work.sh
	workScript string
	//go:embed binary.sh
	binaryScript string
)

// Place is where an agent works. Its methods may be called from several goroutines.
type Place struct {
	Host driver.Host
	Work string // the work directory as it was asked for; "": .zaffre in the home folder
	ID   string // of the target: its folder below the work directory
}

// Script runs a POSIX shell script with arguments on the machine, until it ends.
func (p Place) Script(ctx context.Context, text string, args []string, std driver.Stdio) (exit int, err error) {
	return p.Host.Exec(ctx, append([]string{"sh", "-c", text, "sh"}, args...), std)
}

// preamble is what comes before a script that knows of the agent.
func (p Place) preamble() string {
	all := binaries()
	return "amd64=" + all["amd64"].version + " arm64=" + all["arm64"].version + "\n" + workScript + binaryScript
}

// Answer is what a script said, and how it ended.
type Answer struct {
	Facts
	Exit int
	Said string // to its standard error
}

// Ask runs a script that says facts. In its variables "work" and "binary" stand the work directory and where the
// agent lies; its first argument is the directory that was asked for, and args follow.
func (p Place) Ask(ctx context.Context, text string, args ...string) (Answer, error) {
	return p.Tell(ctx, nil, text, args...)
}

// Tell is Ask with something to read.
func (p Place) Tell(ctx context.Context, in io.Reader, text string, args ...string) (Answer, error) {
	out, errs := &capped{}, &capped{}
	exit, err := p.Script(ctx, p.preamble()+text, append([]string{p.Work}, args...), driver.Stdio{In: in, Out: out, Err: errs})
	return Answer{ParseFacts(out.text.String()), exit, strings.TrimSpace(errs.text.String())}, err
}

// Fetch runs such a script for the bytes that it writes: what is beyond most is left out.
func (p Place) Fetch(ctx context.Context, most int, text string, args ...string) (out []byte, exit int, err error) {
	b := &bounded{most: most}
	exit, err = p.Script(ctx, p.preamble()+text, append([]string{p.Work}, args...), driver.Stdio{Out: b})
	return b.bytes, exit, err
}

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes []byte
	most  int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.bytes = append(b.bytes, p[:min(len(p), b.most-len(b.bytes))]...)
	return len(p), nil
}
