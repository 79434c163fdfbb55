//go:build unix

package compute

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/client"
)

// follow tells a shell each new size of the terminal, until it is stopped.
func follow(terminal *os.File, sh *client.Shell) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-changed:
				if columns, rows, err := term.GetSize(int(terminal.Fd())); err == nil {
					_ = sh.Resize(columns, rows) // a broken connection is Wait's to tell
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(changed); close(done) }
}
