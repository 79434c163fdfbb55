//go:build !linux

package quickstart

import "syscall"

// childAttr returns nothing: on this system Ctrl-C reaches the child too, which ends in order.
func childAttr(bool) *syscall.SysProcAttr { return nil }
