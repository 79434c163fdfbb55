// Command zaffre is the server, the CLI and, by hidden verbs, the agent of the machine it runs on and what it has run
// scripts of U-SQL.
package main

import (
	"os"

	"github.com/zaffre-ml/zaffre/internal/agent"
	"github.com/zaffre-ml/zaffre/internal/cli"
	"github.com/zaffre-ml/zaffre/internal/server"
	"github.com/zaffre-ml/zaffre/internal/usql/job"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case agent.Verb:
			os.Exit(agent.Main(os.Args[2:]))
		case job.Verb:
			os.Exit(job.Main(os.Args[2:]))
		}
	}
	os.Exit(cli.Main(os.Args[1:], cli.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Serve: server.Serve, Backup: server.BackupFile, Restore: server.RestoreFile,
	}))
}
