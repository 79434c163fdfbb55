// Package hostagent brings the agent onto a machine that is a driver.Host, and says whether the machine will do.
// A kind that stands on a Host has by it, and by agentx, all that an agent can: it needs no code of its own for the
// way there.
package hostagent

import (
	"context"
	_ "embed"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// workScript finds the work directory. It comes before the other scripts.
//
//go:embed work.sh
var workScript string

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

// Ask runs a script that says facts. The work directory stands in its variable "work"; its first argument is the
// directory that was asked for, and args follow. It is for short scripts that cannot fail but by what they say.
func (p Place) Ask(ctx context.Context, text string, args ...string) (Facts, int, string, error) {
	out, errs := &capped{}, &capped{}
	exit, err := p.Script(ctx, workScript+text, append([]string{p.Work}, args...), driver.Stdio{Out: out, Err: errs})
	return ParseFacts(out.text.String()), exit, errs.text.String(), err
}
