package envbuild

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// proxy is where uv finds the server's way to packages: on a loopback port, as long as the build lasts. Who does
// not know its password, such as other users of the machine, gets nothing.
type proxy struct {
	server   Server
	log      *lines
	password string
	url      string
	http     *http.Server

	mu      sync.Mutex
	refused *fault.Error // the first connection that the server did not make
	told    map[string]bool
}

// openProxy opens it.
func (b *build) openProxy() (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{server: b.server, log: b.log, password: rand.Text(), told: map[string]bool{}}
	p.url = (&url.URL{Scheme: "http", User: url.UserPassword("build", p.password), Host: l.Addr().String()}).String()
	p.http = &http.Server{Handler: p, ReadHeaderTimeout: connectWithin, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = p.http.Serve(l) }()
	return p, nil
}

// close ends it; connections that are open end with the build's process.
func (p *proxy) close() {
	if p != nil {
		_ = p.http.Close()
	}
}

// refusal returns why the server did not make a connection, nil where it made all.
func (p *proxy) refusal() *fault.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// ServeHTTP implements http.Handler: CONNECT and nothing else.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.known(r) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="zaffre"`)
		http.Error(w, "this proxy is for a build of another user", http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		http.Error(w, "this proxy makes connections to https addresses only", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	to, err := p.server.Dial(ctx, r.Host)
	if err != nil {
		p.note(r.Host, fault.From(err))
		http.Error(w, fault.From(err).Error(), http.StatusForbidden)
		return
	}
	defer to.Close()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(conn, to)
		_ = conn.Close()
	}()
	_, _ = io.Copy(to, conn)
}

func (p *proxy) known(r *http.Request) bool {
	as := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	_, password, ok := as.BasicAuth()
	return ok && subtle.ConstantTimeCompare([]byte(password), []byte(p.password)) == 1
}

// note says once of each host that the server does not connect to it.
func (p *proxy) note(host string, f *fault.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refused = f
	}
	if !p.told[host] {
		p.told[host] = true
		p.log.printf("Not connected: %s; %s.", f.Error(), f.Fix)
	}
}
