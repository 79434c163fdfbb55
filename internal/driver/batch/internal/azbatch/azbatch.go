// Package azbatch runs the jobs of a target as tasks of an Azure Batch account. Code, logs and outputs travel by a
// container of Azure Storage, which the nodes and the server both reach.
package azbatch

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// OptAccount is the path of the option that says where the account is, as the field of an inventory entry.
const OptAccount = "batch"

// Option paths, as the inventory has them where it does.
const (
	optPool      = "pool"
	optName      = "accountName"
	optKey       = "accountKey"
	optToken     = "bearerToken"
	optContainer = "container"
	optResource  = "resourceId"
)

// Options are those of a target.
func Options() []driver.Option {
	return []driver.Option{
		{Path: OptAccount, Type: driver.String, Help: "URL of an Azure Batch account: https://ACCOUNT.REGION.batch.azure.com; the inventory may say it too"},
		{Path: optPool, Type: driver.String, Help: "Azure Batch: pool of runs that name none"},
		{Path: optName, Type: driver.String, Help: "Azure Batch: name of the account, where its URL does not say it"},
		{Path: optKey, Type: driver.String, Secret: true, Group: "login", Help: "Azure Batch: one of the account's two keys"},
		{Path: optToken, Type: driver.String, Secret: true, Group: "login", Help: "Azure Batch: token of Microsoft Entra ID for https://batch.core.windows.net/, instead of a key"},
		{Path: optContainer, Type: driver.String, Secret: true, Help: "Azure Batch: SAS URL of a container for code, logs and outputs, which may read, create, write, delete and list"},
	}
}

// Conn is an account and our folder in a container.
type Conn struct {
	id, account, pool string
	rest              *restx.Client
	blobs             *container // nil: there is none
	ours              *launchx.Folder
	told              chan struct{} // something was started or ended: it is worth watching
}

var _ interface {
	driver.Runner
	driver.Watcher
	driver.LogReader
	driver.Outputs
	driver.EnvBuilder
	driver.Cleaner
} = (*Conn)(nil)

// Connect checks the options. A login or a container that is not there is a check of Observe.
func Connect(t driver.Target) (*Conn, error) {
	key, token := t.Secrets[optKey], t.Secrets[optToken]
	if key != "" && token != "" {
		return nil, optionFault(optToken, "there is an account key too", "give one of them, and take the other away; run: zaffre compute update NAME --bearer-token-file FILE --account-key-file /dev/null")
	}
	base, why := restx.ParseURL(driver.Text(t.Options[OptAccount]), key+token != "")
	if base != nil && base.Path != "" {
		why = "it has a path"
	}
	if why != "" {
		return nil, optionFault(OptAccount, why, "give for example https://myaccount.westeurope.batch.azure.com")
	}
	c := &Conn{id: t.ID, account: accountOf(base, t.Options), pool: driver.Text(t.Options[optPool]), told: make(chan struct{}, 1)}
	if err := c.setLogin(base, key, token); err != nil {
		return nil, err
	}
	return c, c.setContainer(strings.TrimSpace(t.Secrets[optContainer]))
}

// accountOf is the account's name: what is said, or else what its URL says, or the resource ID.
func accountOf(base *url.URL, options map[string]any) string {
	if name := driver.Text(options[optName]); name != "" {
		return name
	}
	labels := strings.Split(base.Hostname(), ".")
	if r, err := id.ParseResource(driver.Text(options[optResource])); err == nil && len(r.Names) > 0 && (len(labels) < 3 || labels[2] != "batch") {
		return r.Names[0]
	}
	return labels[0]
}

func (c *Conn) setLogin(base *url.URL, key, token string) error {
	if key == "" {
		c.rest = restx.New(base, "batch", func(h http.Header) {
			if token != "" {
				h.Set("Authorization", "Bearer "+strings.TrimSpace(token))
			}
		})
		return nil
	}
	sign, ok := signer(c.account, strings.TrimSpace(key))
	if !ok {
		return optionFault(optKey, "it is no key of an account: those are in base64", "copy it from the account's page, under Keys; run: zaffre compute update NAME --account-key-file FILE")
	}
	c.rest = restx.NewSigned(base, "batch", sign)
	return nil
}

func (c *Conn) setContainer(text string) error {
	if text == "" {
		return nil
	}
	var why string
	if c.blobs, why = newContainer(text, "zaffre/"+c.id); why != "" {
		return optionFault(optContainer, why, "make a SAS URL of the container, with the rights racwdl; run: zaffre compute update NAME --container-file FILE")
	}
	c.ours = launchx.New(c.blobs)
	c.ours.Asks, c.ours.Python = true, "python3"
	return nil
}

// Close implements driver.Conn.
func (c *Conn) Close() error {
	c.rest.Close()
	if c.blobs != nil {
		c.blobs.rest.Close()
	}
	return nil
}

func optionFault(path, why, fix string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "OptionInvalid", What: fmt.Sprintf("the option %q cannot be used", path),
		Why: why, Fix: fix, Field: "options." + path,
	}
}
