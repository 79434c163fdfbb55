// Package adla is the kind of compute target that stands for an account of Data Lake Analytics: a machine, a folder on
// it that is the account's default store, and runs that are scripts of U-SQL.
package adla

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/agentx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// Option paths; the inventory has the first two by these names.
const (
	optStore    = "store"
	optHost     = "host"
	optScratch  = "scratch"
	optPython   = "python"
	optDuckDB   = "duckdb"
	optSlots    = "slots"
	optWork     = "workDirectory"
	optResource = "resourceId"
)

// duckDB is the version that all tests pass with, and that has wheels for Python 3.9 to 3.14.
const duckDB = "1.4.5"

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "adla", Summary: "A Data Lake Analytics account: scripts of U-SQL over the files of a folder.",
		ComputeTypes: []string{"DataLakeAnalytics"}, Attached: true, ResourceTypes: []string{"Microsoft.DataLakeAnalytics/accounts"},
		Example: "--store /data/lake",
		Options: []driver.Option{
			{Path: optStore, Type: driver.String, Help: "folder that is the account's default store, on the machine of --host; the inventory may say it too"},
			{Path: optHost, Type: driver.TargetRef, Default: "server", Help: "compute target whose machine has the store and computes: of kind sshvm or local"},
			{Path: optScratch, Type: driver.String, Help: "folder on that machine for rows while a script runs, about twice the size of its files; the run's own folder by default"},
			{Path: optPython, Type: driver.String, Help: "Python on that machine that has the package duckdb; by default an environment with it is built there"},
			{Path: optDuckDB, Type: driver.String, Default: duckDB, Help: "version of DuckDB in that environment, 1.4 or newer"},
			{Path: optSlots, Type: driver.Int, Default: int64(0), Help: "how many scripts run at once; 0: as many as the machine of --host takes runs"},
			{Path: optWork, Type: driver.String, Immutable: true, Help: "folder for programs, environments and logs; .zaffre in the home folder by default"},
			{Path: optResource, Type: driver.String, Help: "ARM ID of an account, where the inventory knows which folder stands for it"},
		},
		JobOptions: jobOptions(), Environment: environment, Document: document,
		Prototype: (*conn)(nil), Connect: connect,
	}
}

// document is what an account says of itself.
func document(v driver.View) map[string]any {
	out := map[string]any{}
	if s := driver.Text(v.Options[optStore]); s != "" {
		out["dataLakeStoreAccountName"] = s // Source: ARM, DataLakeAnalytics.properties
	}
	return out
}

// environment is DuckDB, unless the options name a Python that has it.
func environment(options map[string]any) *driver.Definition {
	if driver.Text(options[optPython]) != "" {
		return nil
	}
	return &driver.Definition{Pip: []string{"duckdb==" + cmp.Or(driver.Text(options[optDuckDB]), duckDB)}}
}

// jobs has a name of its own here, so that conn's methods are not taken for its.
type jobs = agentx.Conn

// conn reaches the machine. An agent there starts the scripts' programs.
type conn struct {
	*jobs
	id                             string
	place                          hostagent.Place
	store, scratch, python, duckdb string
	slots                          int
	machine                        machine
}

var _ interface {
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*conn)(nil)

// connect checks the options. The machine is asked by the first call.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	c := &conn{
		id: t.ID, store: driver.Text(t.Options[optStore]), scratch: driver.Text(t.Options[optScratch]),
		python: driver.Text(t.Options[optPython]), duckdb: cmp.Or(driver.Text(t.Options[optDuckDB]), duckDB),
	}
	slots, _ := t.Options[optSlots].(int64)
	c.slots = int(slots)
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(t.On[optHost]) != 1 {
		return nil, optionFault(optHost, "nothing says which machine has the store", "name a compute target; run: zaffre compute update NAME --host TARGET")
	}
	host, err := driver.As[driver.Host](t.On[optHost][0])
	if err != nil {
		return nil, err
	}
	c.place = hostagent.Place{Host: host, Work: driver.Text(t.Options[optWork]), ID: t.ID}
	c.jobs = &agentx.Conn{Session: agentx.NewSession(c.place.Start)}
	c.jobs.UV = uvx.New(t.Tools)
	return c, nil
}

// version is what a version of DuckDB looks like.
var version = regexp.MustCompile(`^\d+(\.\d+)+$`)

// check refuses options that no machine could make sense of.
func (c *conn) check() error {
	if err := storeOption(c.store); err != nil {
		return err
	}
	for option, v := range map[string]string{optScratch: c.scratch, optPython: c.python} {
		if v != "" && !path.IsAbs(v) || strings.ContainsAny(v, "\r\n\x00") {
			return optionFault(option, fmt.Sprintf("%q is no absolute path", v), "give the path on the machine of --host, from / on")
		}
	}
	if !version.MatchString(c.duckdb) {
		return optionFault(optDuckDB, fmt.Sprintf("%q is no version", c.duckdb), "give one such as "+duckDB)
	}
	if c.slots < 0 {
		return optionFault(optSlots, "it is negative", "give a number, or 0 to leave it to the machine")
	}
	return nil
}

func storeOption(store string) error {
	switch {
	case store == "":
		return &fault.Error{
			Code: fault.Invalid, Reason: "StoreUnknown", What: "nothing says what the account's default store is", Why: "neither the options nor the inventory name a folder",
			Fix:   "name it, as in --store /data/lake; or add it to the inventory; run: zaffre inventory add RESOURCE-ID host=TARGET store=FOLDER",
			Field: "options." + optStore,
		}
	case strings.Contains(store, "://"):
		scheme, _, _ := strings.Cut(store, "://")
		return &fault.Error{
			Code: fault.Unsupported, Reason: "StoreUnsupported", What: fmt.Sprintf("a store of %s:// cannot be used", scheme), Why: "it is a datastore, and those are not served yet",
			Fix: "copy what is in it into a folder of the machine, for example with azcopy, and name that; run: zaffre compute update NAME --store FOLDER", Field: "options." + optStore,
		}
	case !path.IsAbs(store) || strings.ContainsAny(store, "\r\n\x00"):
		return optionFault(optStore, fmt.Sprintf("%q is no absolute path", store), "give the folder's path on the machine of --host, from / on")
	}
	return nil
}

func optionFault(option, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", option), Why: why, Fix: fix, Field: "options." + option,
	}
}
