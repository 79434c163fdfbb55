// Package sshhost is what the kinds have in common that are a machine reached by SSH: their options, the connection
// to the machine itself, and its runs through the agent on it.
package sshhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/sshx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// PinHostKey is the name under which the host key that was seen is kept: see driver.Observation.Pin.
const PinHostKey = "hostKey"

// Option paths, as in ARM (VirtualMachine, Microsoft.MachineLearningServices) where it has them.
const (
	optAddress    = "address"
	optPort       = "sshPort"
	optUser       = "administratorAccount.username"
	optPassword   = "administratorAccount.password"
	optKey        = "administratorAccount.privateKeyData"
	optPassphrase = "administratorAccount.passphrase"
	optPublic     = "administratorAccount.publicKeyData"
	optVia        = "via"
	optWork       = "workDirectory"
	optSlots      = "slots"
	optHostKey    = "hostKey"
	optTimeout    = "connectTimeout"
	optResource   = "resourceId"
)

// Options are those of every such kind.
func Options() []driver.Option {
	return []driver.Option{
		{Path: optAddress, Type: driver.String, Help: "name or IP address of the machine, as seen from the server or from the jump host"},
		{Path: optPort, Flag: "port", Type: driver.Int, Default: int64(22), Help: "port of its sshd"},
		{Path: optUser, Flag: "user", Type: driver.String, Required: true, Help: "user to log in as"},
		{Path: optPassword, Flag: "password", Type: driver.String, Secret: true, Group: "login", Help: "password of that user"},
		{Path: optKey, Flag: "key", Type: driver.String, Secret: true, Group: "login", Help: "private key of that user, in OpenSSH's or PEM form; tried before the password"},
		{Path: optPassphrase, Flag: "passphrase", Type: driver.String, Secret: true, Group: "login", Help: "passphrase of the private key"},
		{Path: optPublic, Flag: "public-key", Type: driver.String, Help: "public part of the key, for show only"},
		{Path: optVia, Type: driver.TargetRef, Many: true, Help: "compute target to go through as a jump host; the first of several that works is taken"},
		{Path: optWork, Type: driver.String, Immutable: true, Help: "folder for code, environments and logs; .zaffre in the home folder by default"},
		{Path: optSlots, Type: driver.Int, Default: int64(0), Help: "how many runs at once; 0: as many as there are CPUs"},
		{Path: optHostKey, Type: driver.String, Help: "SHA256:… fingerprint of the host key that it must have, its public key, or that of the authority that signs its host certificate; by default the first key that is seen is kept"},
		{Path: optTimeout, Type: driver.Duration, Default: 5 * time.Second, Help: "how long to wait for the TCP connection"},
		{Path: optResource, Type: driver.String, Help: "ARM ID of the machine, where the inventory knows its address"},
	}
}

// Document is what azureml-core and azure-ai-ml look for in an attached virtual machine or HDInsight cluster.
func Document(v driver.View) map[string]any {
	account := map[string]any{"username": v.Options[optUser]}
	if k, ok := v.Options[optPublic]; ok {
		account["publicKeyData"] = k
	}
	port := v.Options[optPort]
	if port == nil {
		port = int64(22)
	}
	return map[string]any{"address": v.Options[optAddress], "sshPort": port, "administratorAccount": account}
}

// shared has a name of its own here, so that Conn's Observe is not hidden by it.
type shared = sshx.Conn

// jobs has a name of its own for the same reason.
type jobs = agentx.Conn

// Conn reaches the machine itself over SSH, and its runs through the agent on it.
type Conn struct {
	Place hostagent.Place // of its agent

	*shared
	*jobs
	config sshx.Config
	slots  int
}

var _ interface {
	driver.Host
	driver.Shell
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*Conn)(nil)

// Exec implements driver.Host.
func (c *Conn) Exec(ctx context.Context, argv []string, std driver.Stdio) (exit int, err error) {
	return c.shared.Exec(ctx, argv, std)
}

// FS implements driver.Host.
func (c *Conn) FS() driver.FS { return c.shared.FS() }

// Dial implements driver.Host.
func (c *Conn) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.shared.Dial(ctx, network, addr)
}

// Close implements driver.Conn. The agent ends, what it supervises goes on.
func (c *Conn) Close() error { return errors.Join(c.jobs.Close(), c.shared.Close()) }

const (
	minTimeout = 100 * time.Millisecond
	maxTimeout = 20 * time.Second // a preflight has 30 seconds
)

// Connect checks the options, and dials nothing. Credentials that cannot be read are a check of Observe.
func Connect(t driver.Target) (*Conn, error) {
	c := &Conn{}
	slots, _ := t.Options[optSlots].(int64)
	port, ok := t.Options[optPort].(int64)
	if !ok {
		port = 22
	}
	timeout, ok := t.Options[optTimeout].(time.Duration)
	if !ok {
		timeout = 5 * time.Second
	}
	trust, err := sshx.ParseTrust(driver.Text(t.Options[optHostKey]), t.Pinned[PinHostKey])
	switch {
	case err != nil:
		return nil, err
	case slots < 0:
		return nil, optionFault(optSlots, "it is negative", "give the number of runs at once, or 0 for as many as there are CPUs")
	case port < 1 || port > 65535:
		return nil, optionFault(optPort, fmt.Sprintf("there is no port %d", port), "give the port of sshd, mostly 22")
	case timeout < minTimeout || timeout > maxTimeout:
		return nil, optionFault(optTimeout, fmt.Sprintf("it is not between %s and %s", minTimeout, maxTimeout), "give for example 10s")
	case driver.Text(t.Options[optUser]) == "":
		return nil, optionFault(optUser, "it is empty", "give the user to log in as")
	}
	c.slots = int(slots)
	c.config = sshx.Config{
		Address: driver.Text(t.Options[optAddress]), Port: int(port), User: driver.Text(t.Options[optUser]), Trust: trust, Timeout: timeout,
		Login: sshx.Login{Password: t.Secrets[optPassword], Key: t.Secrets[optKey], Passphrase: t.Secrets[optPassphrase]},
	}
	for _, below := range t.On[optVia] {
		host, err := driver.As[driver.Host](below)
		if err != nil {
			return nil, err
		}
		c.config.Via = append(c.config.Via, host)
	}
	c.shared = sshx.New(c.config)
	c.Place = hostagent.Place{Host: c.shared, Work: driver.Text(t.Options[optWork]), ID: t.ID}
	c.jobs = &agentx.Conn{Session: agentx.NewSession(c.Place.Start)}
	c.jobs.Home, c.jobs.UV = t.Home, uvx.New(t.Tools)
	return c, nil
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", path),
		Why: why, Fix: fix, Field: "options." + path,
	}
}

// OpenShell implements driver.Shell.
func (c *Conn) OpenShell(ctx context.Context, h *driver.Handle, std driver.Stdio) (exit int, err error) {
	if h != nil {
		return 0, &fault.Error{
			Code: fault.Unsupported, Reason: "ShellOfJob", What: "there is no shell beside a job on this compute target",
			Why: "its kind gives a shell on the machine only", Fix: "ask for a shell on the compute target instead",
		}
	}
	return c.Terminal(ctx, std)
}
