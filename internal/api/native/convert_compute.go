package native

import (
	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/store"
)

func attachRequest(workspace string, c client.Compute) compute.AttachRequest {
	return compute.AttachRequest{Workspace: workspace, Name: c.Name, Kind: c.Kind, Options: c.Options, Shared: c.Shared, Made: c.Made, Pin: c.Pin}
}

// toCompute shows a target; taken is how many runs each machine has, by its identity. Secrets are not
// among a Target's options.
func toCompute(t compute.Target, taken map[string]int) client.Compute {
	out := client.Compute{
		Name: t.Name, Kind: t.Kind, Options: t.Spec.Options, Shared: t.Spec.Shared, Made: t.Spec.Made, Pin: t.Status.Pinned, ID: t.ID, Implicit: t.Workspace == store.Global,
		State: string(t.Status.State), Error: toFault(t.Status.Error), Facts: t.Status.Seen.Facts, CreatedBy: t.CreatedBy,
		Created: utc(t.Created), Seen: utc(t.Status.Seen.Observed), Answered: utc(t.Status.Answered),
	}
	for _, c := range t.Status.Conditions {
		out.Conditions = append(out.Conditions, client.Condition{Type: c.Type, OK: c.OK, Reason: c.Reason, Message: c.Message, Since: utc(c.Since)})
	}
	for _, n := range taken {
		out.Running += n
	}
	out.Checks = toChecks(t.Status.Seen.Checks)
	for _, m := range t.Status.Seen.Machines {
		out.Machines = append(out.Machines, client.Machine{Name: m.Name, Runs: m.Runs, Taken: taken[m.Identity], GPUs: m.GPUs, CPU: m.CPU, Memory: m.Memory})
	}
	return out
}

func toChecks(list []driver.Check) []client.Check {
	var out []client.Check
	for _, c := range list {
		out = append(out, client.Check{
			Name: c.Name, Required: c.Required, OK: c.OK, Millis: c.Duration.Milliseconds(), Evidence: c.Evidence, Reason: c.Reason, Fix: c.Fix,
		})
	}
	return out
}

func toRemoved(i driver.Item) client.Removed {
	return client.Removed{Type: i.Type, Name: i.Name, Bytes: i.Bytes, Removed: i.Removed, Remedy: i.Remedy}
}

func toKind(k driver.Kind) client.Kind {
	var provision *client.Provision
	if p := k.Provision; p != nil {
		provision = &client.Provision{Resource: p.Resource, Grants: p.Grants, Example: p.Example}
	}
	return client.Kind{
		Name: k.Name, Summary: k.Summary, ComputeTypes: k.ComputeTypes, Implicit: k.Implicit, Example: k.Example,
		Options: append([]client.Option{}, toOptions(k.Options)...), JobOptions: toOptions(k.JobOptions), Capabilities: capabilities(k),
		Grants: k.Grants, GrantsFlag: k.GrantsFlag, Provision: provision,
	}
}

func toOptions(list []driver.Option) []client.Option {
	var out []client.Option
	for _, o := range list {
		out = append(out, client.Option{
			Path: o.Path, Flag: o.Flag, Type: string(o.Type), Help: o.Help, Default: o.Default, Many: o.Many, Required: o.Required, Secret: o.Secret, Immutable: o.Immutable, Only: string(o.Only),
		})
	}
	return out
}

func capabilities(k driver.Kind) []string {
	out := []string{}
	for _, c := range []struct {
		name string
		can  bool
	}{
		{"host", driver.Can[driver.Host](k)},
		{"runner", driver.Can[driver.Runner](k)},
		{"watcher", driver.Can[driver.Watcher](k)},
		{"logs", driver.Can[driver.LogReader](k)},
		{"outputs", driver.Can[driver.Outputs](k)},
		{"environments", driver.Can[driver.EnvBuilder](k)},
		{"cleaner", driver.Can[driver.Cleaner](k)},
		{"provisioner", driver.Can[driver.Provisioner](k)},
		{"identity", driver.Can[driver.Identifier](k)},
		{"sessions", driver.Can[driver.Sessions](k)},
	} {
		if c.can {
			out = append(out, c.name)
		}
	}
	return out
}
