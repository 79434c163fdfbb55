// Package synapse is the kind of compute target that is a Spark pool behind a Livy endpoint, as Synapse has them.
package synapse

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
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
		Name: "synapse", Summary: "A Spark pool behind a Livy endpoint.",
		ComputeTypes: []string{"SynapseSpark"}, Attached: true, ResourceTypes: []string{"Microsoft.Synapse/workspaces/bigDataPools"},
		Example: "--livy https://spark.example.com:8998 --folder /shared/zaffre",
		Options: []driver.Option{
			{Path: optLivy, Type: driver.String, Help: "URL of the Livy endpoint; the inventory may say it too"},
			{Path: optUser, Flag: "user", Type: driver.String, Help: "user for basic authentication"},
			{Path: optPassword, Flag: "password", Type: driver.String, Secret: true, Group: "login", Help: "password of that user"},
			{Path: optToken, Flag: "bearer-token", Type: driver.String, Secret: true, Group: "login", Help: "token for bearer authentication"},
			{Path: optFolder, Flag: "folder", Type: driver.String, Immutable: true, Help: "folder for code, logs and outputs that the pool sees too, on the machine of --host or else on the server's; the inventory may say it too, as store"},
			{Path: optFolderURL, Flag: "folder-url", Type: driver.String, Help: "how the pool sees that folder, where its path is another: file:///data/zaffre; or the http(s) URL where it only reads it"},
			{Path: optHost, Type: driver.TargetRef, Help: "compute target on whose machine the pool runs, and the folder is"},
			{Path: optResource, Type: driver.String, Help: "ARM ID of the pool, where the inventory knows its endpoint"},
		},
		JobOptions: append([]driver.Option{
			{Path: jobClass, Type: driver.String, Help: "main class: the command is then a JAR, where the pool reads it, and its arguments"},
			{Path: jobConf, Type: driver.Object, Help: "settings of Spark, by name"},
			{Path: jobJars, Type: driver.String, Many: true, Help: "JAR to add, where the pool reads it"},
			{Path: jobPyFiles, Type: driver.String, Many: true, Help: "Python file or zip to add, where the pool reads it"},
			{Path: jobFiles, Type: driver.String, Many: true, Help: "file to add, where the pool reads it"},
			{Path: jobArchives, Type: driver.String, Many: true, Help: "archive to add, where the pool reads it"},
		}, amounts()...),
		Document:  document,
		Prototype: (*conn)(nil),
		Connect:   connect,
	}
}

// amounts are options that go to Livy as they are.
func amounts() []driver.Option {
	return []driver.Option{
		{Path: "driverMemory", Type: driver.String, Help: "memory of the driver: 2g"},
		{Path: "driverCores", Type: driver.Int, Help: "cores of the driver"},
		{Path: "executorMemory", Type: driver.String, Help: "memory of each executor: 2g"},
		{Path: "executorCores", Type: driver.Int, Help: "cores of each executor"},
		{Path: "numExecutors", Type: driver.Int, Help: "how many executors"},
		{Path: "queue", Type: driver.String, Help: "queue of YARN"},
		{Path: "proxyUser", Type: driver.String, Help: "user to run as, where the endpoint allows that"},
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

// conn is an endpoint and our folder beside it.
type conn struct {
	id     string
	rest   *restx.Client   // nil: nothing says where it is
	ours   *launchx.Folder // nil: there is none
	folder string          // as the option says
	there  *url.URL        // how the pool sees our folder: file, http or https
}

var _ interface {
	driver.Runner
	driver.LogReader
	driver.Outputs
	driver.Cleaner
} = (*conn)(nil)

// Close implements driver.Conn.
func (c *conn) Close() error {
	if c.rest != nil {
		c.rest.Close()
	}
	return nil
}

// connect checks the options. A URL or login that is not there is a check of Observe.
func connect(_ context.Context, t driver.Target) (driver.Conn, error) {
	c := &conn{id: t.ID, folder: driver.Text(t.Options[optFolder])}
	user, password, token := driver.Text(t.Options[optUser]), t.Secrets[optPassword], t.Secrets[optToken]
	switch {
	case password != "" && token != "":
		return nil, optionFault(optToken, "there is a password too", "give one of --password-file and --bearer-token-file")
	case password != "" && user == "":
		return nil, optionFault(optUser, "there is a password, and nobody whose it is", "give --user")
	}
	if u := driver.Text(t.Options[optLivy]); u != "" {
		base, why := restx.ParseURL(u, password+token != "")
		if why != "" {
			return nil, optionFault(optLivy, why, "give for example https://spark.example.com:8998")
		}
		c.rest = restx.New(base, "livy", login(user, password, token))
	}
	return c, c.setFolder(t)
}

// login puts the credentials into requests. Livy wants the last header where it fears forged requests.
func login(user, password, token string) func(http.Header) {
	auth := ""
	switch {
	case token != "":
		auth = "Bearer " + token
	case password != "":
		auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	return func(h http.Header) {
		if auth != "" {
			h.Set("Authorization", auth)
		}
		h.Set("X-Requested-By", "zaffre")
	}
}

// setFolder takes the folder, and how the pool sees it.
func (c *conn) setFolder(t driver.Target) error {
	if c.folder == "" {
		return nil
	}
	if !path.IsAbs(c.folder) || path.Clean(c.folder) != c.folder || c.folder == "/" {
		return optionFault(optFolder, "it is no absolute path", "give for example /shared/zaffre")
	}
	seen := driver.Text(t.Options[optFolderURL])
	if seen == "" {
		seen = (&url.URL{Scheme: "file", Path: c.folder}).String()
	}
	u, err := url.Parse(seen)
	if err != nil || u.Scheme == "file" && !path.IsAbs(u.Path) || u.User != nil || u.RawQuery != "" || (u.Scheme == "file") != (u.Host == "") {
		return optionFault(optFolderURL, "it is no URL of a folder", "give for example file:///data/zaffre or https://files.example.com/zaffre")
	}
	if u.Scheme != "file" && u.Scheme != "http" && u.Scheme != "https" {
		return optionFault(optFolderURL, fmt.Sprintf("the launcher does not read %s", u.Scheme), "give a folder by file, http or https")
	}
	c.there = u.JoinPath(t.ID)
	if list := t.On[optHost]; len(list) > 0 {
		host, err := driver.As[driver.Host](list[0])
		if err != nil {
			return err
		}
		c.ours = launchx.New(&hostStore{fs: host.FS(), root: path.Join(c.folder, t.ID)})
	} else {
		c.ours = launchx.New(&localStore{folder: c.folder, sub: t.ID})
	}
	c.ours.Asks = u.Scheme == "file"
	return nil
}

// readsOnly reports whether the pool only reads our folder: the launcher then leaves nothing there.
func (c *conn) readsOnly() bool { return c.there.Scheme != "file" }

func optionFault(opt, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", opt),
		Why: why, Fix: fix, Field: "options." + opt,
	}
}
