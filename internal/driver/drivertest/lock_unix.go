//go:build unix

package drivertest

import (
	"os"
	"syscall"
)

const (
	shared = syscall.LOCK_SH
	alone  = syscall.LOCK_EX
)

func flock(f *os.File, how int) error { return syscall.Flock(int(f.Fd()), how) }
