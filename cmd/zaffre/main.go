// Command zaffre is the server, the CLI and, by a hidden verb, the agent of the machine it runs on.
package main

import (
	"os"

	"github.com/zaffre-ml/zaffre/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
	}))
}
