package agentx

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/uvx"
)

// routes are the builds that run, with the hosts that each one's definition names. Only builds are connected, and
// only to those hosts and to the indexes that the server itself uses.
type routes struct {
	mu     sync.Mutex
	builds map[string][]string // HOST:PORT by digest
}

var inText = regexp.MustCompile(`https://[^\s'"#;,<>]+`)

// open lets a build be connected.
func (r *routes) open(b wire.Build) {
	hosts := []string{}
	for _, line := range slices.Concat(b.Requirements, b.PipOnly, []string{string(b.Conda)}) {
		for _, u := range inText.FindAllString(line, -1) {
			if h := uvx.HostOf(u); h != "" {
				hosts = append(hosts, h)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.builds == nil {
		r.builds = map[string][]string{}
	}
	r.builds[b.Digest] = hosts
}

// seen follows how a build stands: one that ended is no longer connected, and one that a server before this one
// started is, to the server's own indexes.
func (r *routes) seen(digest, state string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.builds[digest]
	switch {
	case err != nil:
	case state != wire.BuildRunning:
		delete(r.builds, digest)
	case !known && r.builds == nil:
		r.builds = map[string][]string{digest: {}}
	case !known:
		r.builds[digest] = []string{}
	}
}

func (r *routes) of(digest string) (hosts []string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hosts, ok = r.builds[digest]
	return hosts, ok
}

// dialWithin bounds one connection to an index.
const dialWithin = 15 * time.Second

// route connects to a host that the build may reach. What only a definition names is reached where everybody may
// be, not in the server's own network.
func (s *Session) route(ctx context.Context, r wire.Route) (net.Conn, error) {
	named, ok := s.routes.of(r.Digest)
	if !ok {
		return nil, notRouted(r.Addr, "no build that this server started runs there")
	}
	index, err := s.UV.Index(ctx)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: dialWithin}
	switch {
	case slices.Contains(index.Hosts, r.Addr):
	case slices.Contains(named, r.Addr):
		d.Control = publicOnly
	default:
		return nil, notRouted(r.Addr, "neither the definition names it nor is it a package index that this server uses")
	}
	conn, err := connect(ctx, d, r.Addr)
	if err != nil && !isFault(err) {
		err = &fault.Error{
			Code: fault.Unavailable, Reason: "IndexUnreachable", What: "the server cannot connect to " + r.Addr,
			Why: err.Error(), Fix: "check the server's network, its proxy (HTTPS_PROXY) and its index (UV_DEFAULT_INDEX or pip.conf)", Err: err,
		}
	}
	return conn, err
}

func notRouted(addr, why string) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "RouteRefused", What: "the server does not connect the build to " + addr, Why: why,
		Fix: "name the host in the definition (--extra-index-url https://…), or in UV_INDEX where the server is started",
	}
}

// publicOnly refuses addresses that not everybody has: a definition is anybody's text.
func publicOnly(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := ap.Addr().Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a) {
		return notRouted(address, "it is an address of a private network, and only the definition names it")
	}
	return nil
}

// connect dials, by the server's own proxy where it has one.
func connect(ctx context.Context, d *net.Dialer, addr string) (net.Conn, error) {
	to := &url.URL{Scheme: "https", Host: addr}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: to})
	if err != nil || proxy == nil || proxy.Scheme != "http" {
		return d.DialContext(ctx, "tcp", addr)
	}
	conn, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, "tcp", proxy.Host)
	if err != nil {
		return nil, err
	}
	if err := through(conn, proxy, addr); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// through asks a proxy for the connection. Nothing comes from the other side before we speak.
func through(conn net.Conn, proxy *url.URL, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		auth := http.Request{Header: http.Header{}}
		auth.SetBasicAuth(u.Username(), password)
		req.Header.Set("Proxy-Authorization", auth.Header.Get("Authorization"))
	}
	_ = conn.SetDeadline(time.Now().Add(dialWithin))
	if err := req.Write(conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the server's proxy answers " + resp.Status)
	}
	return conn.SetDeadline(time.Time{})
}
