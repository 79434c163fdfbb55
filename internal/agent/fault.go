package agent

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// diskFault says why the agent cannot work with its own files.
func diskFault(what string, err error) error {
	e := &fault.Error{
		Code: fault.Unavailable, Reason: "AgentFiles", What: "the agent cannot " + what,
		Why: "its folder on the machine cannot be used", Fix: "check the target; its checks name the folder and the cause",
		Evidence: []string{err.Error()}, Err: err,
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		e.Code, e.Reason, e.Why = fault.Exhausted, "DiskFull", "the disk of its folder is full"
		e.Fix = "free space on the machine, or attach the target with a workDirectory on another disk"
	case errors.Is(err, fs.ErrPermission):
		e.Why = "the user that runs the code may not use its folder"
	}
	return e
}

func notFound(reason, what, why string) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: reason, What: what, Why: why, Fix: "check the name, and whether the run has ended",
	}
}
