// Command zaffre-usql runs a compiled script of U-SQL on a machine for a zaffre server, which sends it there.
package main

import (
	"os"

	"github.com/zaffre-ml/zaffre/internal/usql/job"
)

func main() { os.Exit(job.Main(os.Args[1:])) }
