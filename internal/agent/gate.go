package agent

import (
	"os"
	"syscall"
)

// gateFD is the gate's end of a socket pair to its supervisor.
const gateFD = 3

// gateMain is the process of a job before it is the job's program: it waits until the supervisor
// has written down its pid, then becomes that program. So a process whose pid nobody knows has
// done nothing, and ends when its supervisor dies. Where the program cannot be started it tells
// the supervisor why.
//
// The file gone says that the program may have run. Without it a process that has ended never
// was the program, and the job may be started again.
func gateMain(gone, program string, argv []string) int {
	var b [1]byte
	if n, err := syscall.Read(gateFD, b[:]); n != 1 || err != nil {
		return 1
	}
	syscall.CloseOnExec(gateFD)
	err := os.WriteFile(gone, nil, 0o600)
	if err == nil {
		err = syscall.Exec(program, argv, os.Environ())
	}
	_, _ = syscall.Write(gateFD, []byte(err.Error()))
	return 127
}
