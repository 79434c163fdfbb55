// Command zaffre is the server, the CLI and, by a hidden verb, the agent of the machine it runs on.
package main

import (
	"os"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/cli"
	"github.com/zaffre-ml/zaffre/internal/server"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == agent.Verb {
		os.Exit(agent.Main(os.Args[2:]))
	}
	os.Exit(cli.Main(os.Args[1:], cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Serve: server.Serve, Backup: server.BackupFile, Restore: server.RestoreFile,
	}))
}
