//go:build !amd64

package lab

import (
	"errors"
	"time"
)

// CanJump reports whether clocks can be set here.
const CanJump = false

// Jump would set the clock of a process: the code that does so is for amd64.
func Jump(int, time.Duration) error { return errors.ErrUnsupported }
