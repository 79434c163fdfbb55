package sshx

import (
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// trace notes the steps of connecting as checks.
type trace struct {
	checks []driver.Check
	begin  time.Time     // of the step under way
	shown  ssh.PublicKey // the host key; nil until it came
}

// step notes that a step ended; err is why it failed, a fault. It returns err.
func (t *trace) step(name string, err error, evidence ...string) error {
	now := time.Now()
	c := driver.Check{Name: name, Required: true, OK: err == nil, Duration: now.Sub(t.begin), Evidence: evidence}
	t.begin = now
	if e := fault.From(err); e != nil {
		c.Reason, c.Fix = e.Reason, e.Fix
		c.Evidence = slices.Concat([]string{e.Why}, c.Evidence, e.Evidence)
	}
	t.checks = append(t.checks, c)
	return err
}
