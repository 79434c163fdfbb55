// Command zaffre-agent starts, watches and ends jobs on a machine for a zaffre server.
package main

import (
	"os"

	"github.com/zaffre-ml/zaffre/internal/agent"
)

func main() { os.Exit(agent.Main(os.Args[1:])) }
