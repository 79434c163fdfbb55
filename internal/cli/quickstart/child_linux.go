package quickstart

import "syscall"

// childAttr lets Ctrl-C be ours alone, and ends the child in order if we are killed, unless it is to
// live on. The signal comes when the thread that started the child ends.
func childAttr(livesOn bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if !livesOn {
		attr.Pdeathsig = syscall.SIGTERM
	}
	return attr
}
