// Package synapse is the kind of compute target that is a Spark pool, as Synapse has them: behind a Livy endpoint, by
// spark-submit on a machine that was attached, or a Spark Connect server.
package synapse

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sparksubmit"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Option paths, as the inventory has them where it does.
const (
	optLivy      = "livy"
	optUser      = "administratorAccount.username"
	optPassword  = "administratorAccount.password"
	optToken     = "bearerToken"
	optFolder    = "store" // the inventory's name for it
	optFolderURL = "folderUrl"
	optHost      = "host"
	optMaster    = sparksubmit.OptMaster
	optConnect   = "connect"
	optPython    = "python"
	optWork      = "workDirectory"
	optResource  = "resourceId"
)

// Paths of a run's options. Source: Livy 0.7.1, CreateBatchRequest, where they have the same names.
const (
	jobClass    = "className"
	jobConf     = "conf"
	jobJars     = "jars"
	jobPyFiles  = "pyFiles"
	jobFiles    = "files"
	jobArchives = "archives"
)

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "synapse", Summary: "A Spark pool: behind a Livy endpoint, on an attached machine, or a Spark Connect server.",
		ComputeTypes: []string{"SynapseSpark"}, Attached: true, Relays: true, ResourceTypes: []string{"Microsoft.Synapse/workspaces/bigDataPools"},
		Example: "--livy https://spark.example.com:8998 --folder /shared/zaffre",
		Options: options(), JobOptions: jobOptions(),
		Document:  document,
		Prototype: (*submitted)(nil), // which can most,
		Connect:   connect,
	}
}

// document is what clients look for in an attached pool: the parts of its resource ID.
func document(v driver.View) map[string]any {
	r, err := id.ParseResource(driver.Text(v.Options[optResource]))
	if err != nil {
		return map[string]any{}
	}
	out := map[string]any{"subscriptionId": r.Subscription, "resourceGroup": r.Group}
	if len(r.Names) == 2 { // workspaces/W/bigDataPools/P
		out["workspaceName"], out["poolName"] = r.Names[0], r.Names[1]
	}
	return out
}

// connect makes the connection that the options name. They are checked, and nothing is dialled.
func connect(ctx context.Context, t driver.Target) (driver.Conn, error) {
	var ways []string
	for _, o := range []string{optLivy, optMaster, optConnect} {
		if driver.Text(t.Options[o]) != "" {
			ways = append(ways, o)
		}
	}
	switch {
	case len(ways) > 1:
		return nil, optionFault(ways[1], "there is "+ways[0]+" too, and a pool is reached in one way", "give one of --livy, --master and --connect")
	case len(ways) == 0 || ways[0] == optLivy:
		return connectLivy(t)
	case ways[0] == optMaster:
		return connectMaster(t)
	}
	return connectRemote(ctx, t)
}

func optionFault(opt, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", opt),
		Why: why, Fix: fix, Field: "options." + opt,
	}
}
