package frame

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// ReadSecret reads a secret from a file, or from Stdin if the file is "-". Line ends after it are left
// out. A secret is never an argument, which others on this machine could see.
func (a *App) ReadSecret(file string) (string, error) {
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(io.LimitReader(bufio.NewReader(a.Stdin), 1<<20))
	} else {
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return "", &fault.Error{
			Code: fault.NotFound, Reason: "SecretFileUnreadable", What: "the secret cannot be read",
			Why: err.Error(), Fix: `give a readable file, or "-" for the standard input`,
		}
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// AskSecret is ReadSecret, but that it asks with a prompt where Stdin is a terminal: what is typed is not
// shown.
func (a *App) AskSecret(file, prompt string) (string, error) {
	in, ok := a.Stdin.(*os.File)
	if file != "-" || !ok || !term.IsTerminal(int(in.Fd())) {
		return a.ReadSecret(file)
	}
	fmt.Fprint(a.Stderr, prompt)
	typed, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.Stderr)
	if err != nil {
		return "", &fault.Error{
			Code: fault.NotFound, Reason: "SecretFileUnreadable", What: "the secret cannot be read",
			Why: err.Error(), Fix: "give it in a file, or on the standard input",
		}
	}
	return string(typed), nil
}
