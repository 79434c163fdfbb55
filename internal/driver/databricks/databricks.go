// Package databricks is the kind of compute target that is a Databricks workspace: its clusters run the jobs.
package databricks

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Option paths, as in ARM (Databricks, Microsoft.MachineLearningServices) where it has them.
const (
	optURL        = "databricks" // the inventory's name for it
	optToken      = "databricksAccessToken"
	optResource   = "resourceId"
	optFolder     = "folder"
	optCluster    = "cluster"
	optNewCluster = "newCluster"
)

// Paths of a run's options.
const (
	jobTask       = "task"
	jobParameters = "baseParameters"
	libPyPI       = "libraries.pypi"
	libMaven      = "libraries.maven"
	libJar        = "libraries.jar"
	libWhl        = "libraries.whl"
	libEgg        = "libraries.egg"
)

// defaultFolder lies on the workspace's DBFS root, which every workspace had when Azure ML attached them.
const defaultFolder = "dbfs:/zaffre"

// Kind returns the kind.
func Kind() driver.Kind {
	return driver.Kind{
		Name: "databricks", Summary: "A Databricks workspace, whose clusters run the jobs.",
		ComputeTypes: []string{"Databricks"}, Attached: true, ResourceTypes: []string{"Microsoft.Databricks/workspaces"},
		Example: "--url https://adb-1.2.azuredatabricks.net --access-token-file token.txt",
		Options: []driver.Option{
			{Path: optURL, Flag: "url", Type: driver.String, Help: "URL of the workspace; the inventory may say it too"},
			{Path: optToken, Flag: "access-token", Type: driver.String, Secret: true, Required: true, Help: "personal access token of a user of the workspace"},
			{Path: optFolder, Type: driver.String, Default: defaultFolder, Immutable: true, Help: "folder for code, logs and outputs: dbfs:/… or /Volumes/CATALOG/SCHEMA/VOLUME/…"},
			{Path: optCluster, Type: driver.String, Help: "ID of the cluster for runs that name none"},
			{Path: optNewCluster, Flag: "new-cluster", Type: driver.Object, Help: "cluster to make for each run that names none, as new_cluster of the Jobs API"},
			{Path: optResource, Type: driver.String, Help: "ARM ID of the workspace, where the inventory knows its URL"},
		},
		JobOptions: []driver.Option{
			{Path: jobTask, Type: driver.String, Default: taskPython, Help: "what the command is: python (a script or any program), notebook (its path in the workspace) or jar (a main class and its parameters)"},
			{Path: optCluster, Type: driver.String, Help: "ID of the cluster that runs it"},
			{Path: optNewCluster, Type: driver.Object, Help: "cluster to make for it, as new_cluster of the Jobs API"},
			{Path: jobParameters, Type: driver.Object, Help: "a notebook's parameters, by name"},
			{Path: libPyPI, Type: driver.String, Many: true, Help: "package of PyPI to install: simplejson==3.8.0"},
			{Path: libMaven, Type: driver.String, Many: true, Help: "Maven coordinates to install: org.jsoup:jsoup:1.7.2"},
			{Path: libJar, Type: driver.String, Many: true, Help: "JAR to install, where the cluster reads it: dbfs:/my.jar"},
			{Path: libWhl, Type: driver.String, Many: true, Help: "wheel to install, where the cluster reads it"},
			{Path: libEgg, Type: driver.String, Many: true, Help: "egg to install, where the cluster reads it"},
		},
		Document:  document,
		Prototype: (*conn)(nil),
		Connect:   connect,
	}
}

// document is what clients look for in an attached workspace; azureml-core 1.61 looks for nothing.
func document(v driver.View) map[string]any {
	return map[string]any{"workspaceUrl": v.Seen.Facts["host"]}
}

// store is our folder in the workspace.
type store interface {
	launchx.Store
	// seenAs returns the path by which a cluster has a file.
	seenAs(name string) string
	// uri returns the path by which the Jobs API has a file.
	uri(name string) string
	// above returns the folder, for List, that must be there before ours.
	above() string
}

func lastOf(path string) string {
	return path[strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1:]
}

// conn is a workspace and our folder in it.
type conn struct {
	id         string
	rest       *restx.Client // nil: nothing says where it is
	files      store
	ours       *launchx.Folder // in files
	cluster    string
	newCluster map[string]any
}

var _ interface {
	driver.Runner
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*conn)(nil)

// Close implements driver.Conn.
func (c *conn) Close() error {
	if c.rest != nil {
		c.rest.Close()
	}
	return nil
}

// connect checks the options. A URL or token that is not there is a check of Observe.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	c := &conn{id: t.ID, cluster: driver.Text(t.Options[optCluster])}
	c.newCluster, _ = t.Options[optNewCluster].(map[string]any)
	if c.cluster != "" && c.newCluster != nil {
		return nil, optionFault(optNewCluster, "a run has one cluster", "give either --cluster or --new-cluster")
	}
	folder := driver.Text(t.Options[optFolder])
	if folder == "" {
		folder = defaultFolder
	}
	if u := driver.Text(t.Options[optURL]); u != "" {
		base, why := restx.ParseURL(u, t.Secrets[optToken] != "")
		if base != nil && base.Path != "" {
			why = "it has a path; that of the workspace's start page has none"
		}
		if why != "" {
			return nil, optionFault(optURL, why, "give for example https://adb-1234567890123456.7.azuredatabricks.net")
		}
		c.rest = newRest(base, t.Secrets[optToken])
	}
	return c, c.setFolder(folder)
}

func newRest(base *url.URL, token string) *restx.Client {
	return restx.New(base, "url", func(h http.Header) { h.Set("Authorization", "Bearer "+token) })
}

// setFolder takes the folder for files, and what is ours in it.
func (c *conn) setFolder(folder string) error {
	const fix = "give for example dbfs:/zaffre or /Volumes/main/default/zaffre"
	place, onDBFS := strings.CutPrefix(folder, "dbfs:")
	switch {
	case !path.IsAbs(place) || path.Clean(place) != strings.TrimSuffix(place, "/") || strings.ContainsAny(place, "?#\\"):
		return optionFault(optFolder, "it is no absolute path", fix)
	case onDBFS && !strings.HasPrefix(place, "/Volumes/"):
		c.files = &dbfs{c: c, root: path.Join(place, c.id)}
	case strings.HasPrefix(place, "/Volumes/") && strings.Count(strings.Trim(place, "/"), "/") >= 3:
		c.files = &volume{c: c, root: path.Join(place, c.id)}
	default:
		return optionFault(optFolder, "it lies neither on DBFS nor in a volume", fix)
	}
	c.ours = launchx.New(c.files)
	return nil
}

func optionFault(opt, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", opt),
		Why: why, Fix: fix, Field: "options." + opt,
	}
}
