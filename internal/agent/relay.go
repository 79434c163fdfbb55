package agent

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	shared "github.com/zaffre-ml/zaffre/internal/relay"
)

// The files of a job whose process reaches the server.
const (
	relayFile  = "relay.json" // where and as whom its relay listens
	bundleFile = "ca.pem"     // see wire.HomeCA
)

// relayWithin is how long a request waits for the server, keptWithin how long one that can be answered without,
// and relayPause is between two tries.
const (
	relayWithin = time.Minute
	keptWithin  = 5 * time.Second
	relayPause  = 200 * time.Millisecond
)

// relay is how a job's process reaches the server: on a loopback port, with the run's token. It lives in the
// job's supervisor, so that it is there as long as the job is, whether or not the server is.
type relay struct {
	root, token string
	identity    relayIdentity
	cache       relayCache
	*keeper
}

// openRelay opens the job's relay, if it has one, and puts its address into the job's variables. A supervisor
// that takes over listens where the one before did.
func (s *supervisor) openRelay() error {
	if s.spec.Job.Token == "" {
		return nil
	}
	r := &relay{root: rootOf(s.dir), token: s.spec.Job.Token}
	r.cache = relayCache{dir: filepath.Join(r.root, relayDir), token: r.token}
	l, err := r.listen(s.dir, s.spec.Job.Prefix)
	if err != nil {
		return fmt.Errorf("open the relay: %w", err)
	}
	cert, err := r.identity.certificate()
	if err := errors.Join(err, layHook(r.root), s.openKeeper(r)); err != nil {
		return err
	}
	h := &http.Server{
		Handler: r.handler(), ReadHeaderTimeout: relayWithin, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = h.ServeTLS(l, "", "") }() // it ends with the process
	return s.tellJob(r)
}

// tellJob puts what only we know into the job's variables. Certificates that its user names are trusted too, and
// what clients of Azure keep on disk stays in the job's folder.
func (s *supervisor) tellJob(r *relay) error {
	env := map[string]string{"AZURE_CONFIG_DIR": filepath.Join(s.dir, "azure")}
	home := strings.NewReplacer(wire.HomeURL, "https://"+r.address(), wire.HomeCA, filepath.Join(s.dir, bundleFile))
	for k, v := range s.spec.Job.Env {
		env[k] = home.Replace(v)
	}
	for _, k := range []string{"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"} {
		own, given := s.spec.Job.Env[k]
		if !given || strings.Contains(own, wire.HomeCA) {
			continue
		}
		name := filepath.Join(s.dir, strings.ToLower(k)+".pem")
		if found, err := r.identity.writeBundle(name, []string{own}); err != nil {
			return err
		} else if found {
			env[k] = name
		}
	}
	s.spec.Job.Env = env
	return nil
}

func (r *relay) address() string { return "127.0.0.1:" + strconv.Itoa(r.identity.Port) }

// listen opens the port, which is written down before anybody is told.
func (r *relay) listen(dir, prefix string) (net.Listener, error) {
	name := filepath.Join(dir, relayFile)
	if found, err := readJSON(name, &r.identity); err != nil {
		return nil, err
	} else if found {
		return r.listenAgain()
	}
	var err error
	if r.identity, err = newRelayIdentity(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.identity.Port = l.Addr().(*net.TCPAddr).Port
	_, err = r.identity.writeBundle(filepath.Join(dir, bundleFile), rootFiles(prefix))
	return l, errors.Join(err, writeJSON(name, r.identity))
}

// listenAgain opens the port of a supervisor that died. It may be a moment until the system gives it back.
func (r *relay) listenAgain() (l net.Listener, err error) {
	for range 50 {
		if l, err = net.Listen("tcp", r.address()); err == nil {
			return l, nil
		}
		time.Sleep(relayPause / 2)
	}
	return nil, err
}

// handler lets in who has the run's token, and hands his requests on.
func (r *relay) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = "http", "home", p.In.Host // addresses in answers lead here again
			for _, name := range []string{shared.Lane, shared.Sequence} {
				p.Out.Header.Del(name)
			}
			r.stamp(p.Out.Header)
		},
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return r.dial(ctx) },
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		FlushInterval:  -1,
		ModifyResponse: r.cache.keep,
		ErrorHandler:   r.away,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.isHost(req.Host) { // a name that leads here is not ours, and would stand in the answers
			refuse(w, http.StatusMisdirectedRequest, "HostUnknown", "the relay of a run is at "+r.address())
			return
		}
		if !r.allows(req) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="zaffre"`)
			refuse(w, http.StatusUnauthorized, "RunTokenMissing", "the relay of a run lets in only who has the run's token")
			return
		}
		if kind, ok := shared.Find(req.Method, req.URL.EscapedPath()); ok && r.hasToken(req) && r.write(w, req, kind) {
			return // others have nothing sent with the run's token
		}
		kept := r.cache.has(req)
		if !kept && shared.Follows(req.URL.Path) && !r.follow(w, req) {
			return
		}
		if kept {
			ctx, cancel := context.WithTimeout(context.WithValue(req.Context(), patience{}, relayPause), keptWithin)
			defer cancel()
			req = req.WithContext(ctx)
		}
		// Else the server drains and closes the request's body as the head of the answer goes out, and where the proxy has not
		// seen yet that it is at an end, it takes that for a failure and cuts the answer.
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy.ServeHTTP(w, req)
	})
}

func (r *relay) isHost(host string) bool {
	return host == r.address() || host == "localhost:"+strconv.Itoa(r.identity.Port)
}

// allows reports whether a request has the run's token, or is one that needs none: clients learn where they are
// without one, and an address that is signed says itself what may be done with it.
func (r *relay) allows(req *http.Request) bool {
	if r.hasToken(req) {
		return true
	}
	path := req.URL.Path
	if slices.Contains(strings.Split(path, "/"), "..") {
		return false // it leads elsewhere
	}
	return isOpen(path) || strings.HasPrefix(path, "/zblob/") && req.URL.Query().Has("sig") ||
		strings.Contains(path, "/mlflow-artifacts/artifacts/zs_")
}

func (r *relay) hasToken(req *http.Request) bool {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(r.token)) == 1 {
		return true
	}
	_, password, ok := req.BasicAuth()
	return ok && subtle.ConstantTimeCompare([]byte(password), []byte(r.token)) == 1
}

// isOpen reports whether anybody may ask, of the server too: where the clouds and the data plane are.
func isOpen(path string) bool {
	return strings.HasPrefix(path, "/metadata/") || strings.HasPrefix(path, "/discovery/")
}

// dial connects to the server, and waits where it is away. What can be answered from the cache does not wait.
func (r *relay) dial(ctx context.Context) (net.Conn, error) {
	within := relayWithin
	if wait, ok := ctx.Value(patience{}).(time.Duration); ok {
		within = wait
	}
	for end := time.Now().Add(within); ; {
		conn, err := dialHome(r.root)
		if err == nil || time.Now().After(end) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(relayPause):
		}
	}
}

// patience is in the context of a request that need not wait as long.
type patience struct{}

// away answers where the server could not: from the cache, or with what to do.
func (r *relay) away(w http.ResponseWriter, req *http.Request, err error) {
	if errors.Is(err, context.Canceled) || r.cache.answer(w, req) {
		return
	}
	w.Header().Set("Retry-After", "5")
	refuse(w, http.StatusServiceUnavailable, "ServerAway", "the run's machine has no connection to the server now")
}

// refuse answers in a form that the clients of MLflow and of Azure both read.
func refuse(w http.ResponseWriter, status int, reason, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error_code":"TEMPORARILY_UNAVAILABLE","message":%q,"error":{"code":%q,"message":%q,"details":[]}}`+"\n", text, reason, text)
}

// spare keeps programs that go through a proxy from asking it for this machine.
func spare(env map[string]string) {
	for _, k := range []string{"NO_PROXY", "no_proxy"} {
		env[k] = strings.TrimPrefix(env[k]+",127.0.0.1,localhost", ",")
	}
}
