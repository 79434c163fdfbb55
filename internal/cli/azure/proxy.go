package azure

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// proxies finds a proxy that Azure's clients would ask for the server. Python's requests asks it even for
// this machine itself, which Go never does.
// Source: requests 2.32, utils.should_bypass_proxies; lower case wins there.
func proxies(getenv func(string) string, server string) error {
	u, err := url.Parse(server)
	if err != nil {
		return nil // the check of the server says so
	}
	proxy := either(getenv, "HTTPS_PROXY")
	if proxy == "" {
		proxy = either(getenv, "ALL_PROXY")
	}
	skip := either(getenv, "NO_PROXY")
	if proxy == "" || bypasses(skip, u.Hostname(), u.Host) {
		return nil
	}
	skip = strings.Trim(skip+","+u.Hostname(), ",")
	return &fault.Error{
		Code: fault.Precondition, Reason: "ProxyInTheWay", What: "Azure's clients would ask a proxy for the server",
		Why: "a proxy is set by HTTPS_PROXY or ALL_PROXY, and NO_PROXY does not name " + u.Hostname() + ": the proxy mostly cannot reach it, or shows another certificate",
		Fix: "run: export NO_PROXY=" + skip + " no_proxy=" + skip,
	}
}

func either(getenv func(string) string, name string) string {
	if v := getenv(strings.ToLower(name)); v != "" {
		return v
	}
	return getenv(name)
}

// bypasses reports whether a list as NO_PROXY holds it has the host: by name, by the end of its name, with
// its port, or by a network.
func bypasses(list, host, hostPort string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if network, err := netip.ParsePrefix(entry); err == nil {
			if ip, err := netip.ParseAddr(host); err == nil && network.Contains(ip) {
				return true
			}
			continue
		}
		if entry == "*" || strings.EqualFold(entry, hostPort) || strings.EqualFold(entry, host) {
			return true
		}
		suffix := "." + strings.ToLower(strings.TrimLeft(entry, "."))
		if net.ParseIP(host) == nil && strings.HasSuffix(strings.ToLower(host), suffix) {
			return true
		}
	}
	return false
}
