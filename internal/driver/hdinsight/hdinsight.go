// Package hdinsight is the kind of compute target that is an HDInsight cluster, or any other Spark, by its head node:
// a machine reached by SSH, or one that was attached before, on which spark-submit is.
package hdinsight

import (
	"context"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sparksubmit"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshhost"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Option paths, as every machine and the inventory have them.
const (
	optHost     = "host"
	optAddress  = "address"
	optUser     = "administratorAccount.username"
	optWork     = "workDirectory"
	optResource = "resourceId"
)

const name = "hdinsight"

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: name, Summary: "An HDInsight cluster, or another Spark, by its head node.",
		ComputeTypes: []string{"HDInsight"}, Attached: true, Relays: true, ResourceTypes: []string{"Microsoft.HDInsight/clusters"},
		Example: "--address NAME-ssh.azurehdinsight.net --user sshuser --key-file ~/.ssh/id_ed25519",
		Options: options(), JobOptions: sparksubmit.JobOptions(),
		Document:  sshhost.Document,
		Prototype: (*overSSH)(nil),
		Connect:   connect,
	}
}

func options() []driver.Option {
	all := append(sshhost.Options(), driver.Option{
		Path: optHost, Type: driver.TargetRef, Help: "compute target that is the head node, in place of an address and a login: of kind sshvm, or server",
	})
	all = append(all, sparksubmit.Options()...)
	for i, o := range all {
		switch o.Path {
		case optUser:
			all[i].Required = false // a host has its own
		case sparksubmit.OptMaster:
			all[i].Default = "yarn"
		}
	}
	return all
}

// access is what only the way by SSH gives.
type access interface {
	OpenShell(ctx context.Context, h *driver.Handle, std driver.Stdio) (exit int, err error)
	Identify(ctx context.Context) (driver.Observation, error)
}

// overSSH reaches the head node by a login of its own.
type overSSH struct {
	*sparksubmit.Conn
	access
}

// onHost reaches it as another target does.
type onHost struct {
	*sparksubmit.Conn
	unused []string // what was given and is not looked at
}

var (
	_ interface {
		sparksubmit.Machine
		driver.Sessions
		driver.Shell
		driver.Identifier
	} = (*overSSH)(nil)
	_ interface {
		sparksubmit.Machine
		driver.Sessions
	} = (*onHost)(nil)
)

// connect checks the options. Spark is looked for by the first call.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	if hosts := t.On[optHost]; len(hosts) > 0 {
		return connectHost(t, hosts[0])
	}
	m, err := sshhost.Connect(t)
	if err != nil {
		return nil, err
	}
	c, err := sparksubmit.New(t, m, m.Place)
	if err != nil {
		return nil, err
	}
	c.Cluster = clusterOf(driver.Text(t.Options[optResource]), driver.Text(t.Options[optAddress]))
	return &overSSH{c, m}, nil
}

func connectHost(t driver.Target, below driver.Conn) (driver.Conn, error) {
	if driver.Text(t.Options[optAddress]) != "" {
		return nil, optionFault(optHost, "there is an address too", "give one of them; run: zaffre compute update NAME --address ''")
	}
	host, err := driver.As[driver.Host](below)
	if err != nil {
		return nil, err
	}
	m := hostagent.On(host, t, driver.Text(t.Options[optWork]))
	c, err := sparksubmit.New(t, m, m.Place)
	if err != nil {
		return nil, err
	}
	c.Kind, c.Cluster = name, clusterOf(driver.Text(t.Options[optResource]), "")
	return &onHost{c, unused(t)}, nil
}

// unused are the parts of a login that were given, by the names of their options.
func unused(t driver.Target) []string {
	var out []string
	if driver.Text(t.Options[optUser]) != "" {
		out = append(out, optUser)
	}
	for path, v := range t.Secrets {
		if v != "" {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// Observe implements driver.Conn. Clients of an HDInsight cluster must give a login: it says that none is needed.
func (c *onHost) Observe(ctx context.Context) (driver.Observation, error) {
	o, err := c.Conn.Observe(ctx)
	if len(c.unused) > 0 {
		o.Checks = append([]driver.Check{{
			Name: "credentials", OK: true,
			Evidence: []string{"not used: runs are those of the user of the target that it stands on", "given were " + strings.Join(c.unused, ", ")},
		}}, o.Checks...)
	}
	return o, err
}

// clusterOf returns a cluster's name: that of its resource ID, or of its head nodes' address in Azure.
func clusterOf(resource, address string) string {
	if r, err := id.ParseResource(resource); err == nil && r.IsType("Microsoft.HDInsight/clusters") {
		return r.Names[len(r.Names)-1]
	}
	first, _, _ := strings.Cut(address, ".")
	name, is := strings.CutSuffix(first, "-ssh")
	if !is {
		return ""
	}
	return name
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: "the option " + path + " cannot be used", Why: why, Fix: fix, Field: "options." + path,
	}
}
