package server

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// checkExposure refuses to serve other machines while code on the target "server" would run as the
// server's own user: it could read the key file, and so could whoever may submit a run.
func checkExposure(cfg config.Config) error {
	if cfg.LocalUser != "" {
		if err := checkLocalUser(cfg.LocalUser); err != nil {
			return err
		}
		return nil
	}
	if loopback(cfg.Listen) {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ServerExposed", What: "the server does not listen on " + cfg.Listen,
		Why: `code on the target "server" would run as the server's own user, and could read its keys, for callers from other machines`,
		Fix: "give that code a user of its own, as root run: zaffre serve --local-user nobody; or listen on 127.0.0.1 only", Field: "listen",
	}
}

// checkLocalUser fails unless the server may run code as another user than its own.
func checkLocalUser(name string) error {
	u, err := user.Lookup(name)
	why := ""
	switch {
	case err != nil:
		why = fmt.Sprintf("there is no user %q", name)
	case u.Uid == strconv.Itoa(os.Geteuid()):
		why = fmt.Sprintf("%q is the server's own user", name)
	case u.Uid == "0":
		why = "root may read everything, the server's keys too"
	case os.Geteuid() != 0:
		why = "only root may start processes as another user"
	default:
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "LocalUserUnusable", What: `code on the target "server" cannot run as ` + name,
		Why: why, Fix: "name an unprivileged user and start the server as root, or leave local.user empty; run: zaffre config show", Field: "local.user",
	}
}

// loopback reports whether only this machine reaches the address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
