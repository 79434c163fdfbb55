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
	own, err := runsAsServer(cfg.LocalUser, os.Geteuid())
	if err != nil || !own || loopback(cfg.Listen) {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "ServerExposed", What: "the server does not listen on " + cfg.Listen,
		Why: `code on the target "server" would run as the server's own user, and could read its keys, for callers from other machines`,
		Fix: "start it as root, which runs that code as another user, or let it listen on 127.0.0.1 only", Field: "listen",
	}
}

// runsAsServer reports whether code on the target "server" runs as the server's own user. It fails where
// the configuration asks for what cannot be.
func runsAsServer(name string, self int) (bool, error) {
	switch name {
	case "same":
		return true, nil
	case "auto":
		return self != 0, nil
	}
	uid, err := uidOf(name)
	why := ""
	switch {
	case err != nil:
		why = fmt.Sprintf("there is no user %q", name)
	case uid == self:
		return true, nil
	case self != 0:
		why = "only root may start processes as another user"
	default:
		return false, nil
	}
	return false, &fault.Error{
		Code: fault.Precondition, Reason: "LocalUserUnusable", What: `code on the target "server" cannot run as ` + name,
		Why: why, Fix: "start the server as root, or leave local.user at auto; run: zaffre config show", Field: "local.user",
	}
}

// uidOf takes a name or a number; a number needs no entry.
func uidOf(name string) (int, error) {
	if uid, err := strconv.Atoi(name); err == nil && uid >= 0 {
		return uid, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
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
