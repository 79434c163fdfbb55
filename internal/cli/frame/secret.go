package frame

import (
	"bufio"
	"io"
	"os"
	"strings"

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
