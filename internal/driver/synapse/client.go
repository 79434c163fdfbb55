package synapse

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// clientScript says of a Python whether Spark Connect's client is there.
//
//go:embed client.py
var clientScript string

// client is a Python with Spark's client.
type client struct{ path, version string }

func (c client) evidence() []string { return hostagent.Say(c.path, c.version) }

// look asks a Python for Spark's client.
func (c *remote) look(ctx context.Context, python string) (client, error) {
	var out, errs bytes.Buffer
	exit, err := c.machine.Place.Host.Exec(ctx, []string{"env", "-u", variable, python, "-c", clientScript}, driver.Stdio{Out: &out, Err: &errs})
	if err != nil {
		return client{}, err
	}
	f := hostagent.ParseFacts(out.String())
	found := client{f.One["python"], strings.TrimSpace(f.One["package"])}
	switch {
	case found.path == "":
		return found, &fault.Error{
			Code: fault.Precondition, Reason: "PythonMissing", What: "the run cannot be started", Why: fmt.Sprintf("%s does not run on the machine (exit code %d)", python, exit),
			Fix: "give the run an environment, or name a Python there; run: zaffre compute update NAME --python PATH", Evidence: hostagent.Say(errs.String()),
		}
	case f.Has("lacks"):
		return found, &fault.Error{
			Code: fault.Precondition, Reason: "PySparkMissing", What: "the run cannot reach Spark", Why: found.path + " lacks " + f.One["lacks"],
			Fix: "add pyspark-client, or pyspark[connect], of the server's version to the packages of the environment; or name a Python that has it; run: zaffre compute update NAME --python PATH",
		}
	}
	return found, nil
}
