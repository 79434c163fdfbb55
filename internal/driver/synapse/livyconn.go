package synapse

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/launchx"
	"github.com/zaffre-ml/zaffre/internal/driver/internal/restx"
)

// conn is an endpoint and our folder beside it.
type conn struct {
	id     string
	rest   *restx.Client   // nil: nothing says where it is
	ours   *launchx.Folder // nil: there is none
	folder string          // as the option says
	there  *url.URL        // how the pool sees our folder: file, http or https
	turns  sync.Map        // by session, a channel of one place: whose turn it is to begin a statement
}

var _ interface {
	driver.Runner
	driver.LogReader
	driver.Outputs
	driver.Cleaner
	driver.Sessions
} = (*conn)(nil)

// Close implements driver.Conn.
func (c *conn) Close() error {
	if c.rest != nil {
		c.rest.Close()
	}
	return nil
}

// connectLivy checks the options. A URL or login that is not there is a check of Observe.
func connectLivy(t driver.Target) (driver.Conn, error) {
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
