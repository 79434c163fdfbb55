package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Config says how to reach a server.
type Config struct {
	URL     string         // https://host:port
	CA      *x509.CertPool // who signs the server's certificate; nil: CAFile, else the system's
	CAFile  string         // PEM; "" is the system's
	Token   string         // bearer token; "" sends none
	HTTP    *http.Client   // nil is one of our own; CA and CAFile are then used for it
	Retries int            // of calls that may be repeated, when the server does not answer; 0 is 3, negative is none
	Agent   string         // User-Agent; "" is "zaffre-client"
}

// Client calls a server. Its methods may be called from several goroutines.
type Client struct {
	base    *url.URL
	token   string
	http    *http.Client
	retries int
	agent   string
}

// New returns a client. It calls nobody. It fails with CodeInvalid on a URL that is none and on CA
// files that hold no certificate.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, invalid("ServerURLInvalid", fmt.Sprintf("the server's address %q cannot be used", cfg.URL),
			"it is not of the form https://host:port", "give the address that the server printed when it started")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	c := &Client{base: base, token: cfg.Token, http: cfg.HTTP, retries: cfg.Retries, agent: cfg.Agent}
	if c.retries == 0 {
		c.retries = 3
	}
	if c.agent == "" {
		c.agent = "zaffre-client"
	}
	if c.http == nil {
		pool, err := cfg.pool()
		if err != nil {
			return nil, err
		}
		c.http = newHTTP(pool)
	}
	return c, nil
}

func (cfg Config) pool() (*x509.CertPool, error) {
	if cfg.CA != nil || cfg.CAFile == "" {
		return cfg.CA, nil
	}
	pem, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, invalid("CAUnreadable", "the file with the server's CA cannot be read", err.Error(), "give the file ca.pem of the server's data folder")
	}
	return poolOf(pem, cfg.CAFile)
}

func poolOf(pem []byte, where string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, invalid("CAInvalid", "the server's CA cannot be used", where+" holds no certificate in PEM", "give the file ca.pem of the server's data folder")
	}
	return pool, nil
}

func newHTTP(pool *x509.CertPool) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	t.ResponseHeaderTimeout = 2 * time.Minute
	return &http.Client{Transport: t}
}

// URL returns the server's address.
func (c *Client) URL() string { return c.base.String() }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request. Body is JSON unless stream is set.
type call struct {
	method string
	path   []string // segments below /api/v1, each is percent-encoded
	query  url.Values
	body   any
	stream func() (io.Reader, error) // opened again for each try
	length int64                     // of stream, -1: unknown
	header http.Header
	once   bool // not to be repeated
}

func get(path ...string) call  { return call{method: http.MethodGet, path: path} }
func post(path ...string) call { return call{method: http.MethodPost, path: path} }

// fetch makes the call and decodes its answer. An answer that breaks off is no answer: the call is then
// made again, if it may be.
func fetch[T any](ctx context.Context, c *Client, k call) (T, error) {
	var out T
	err := c.repeat(ctx, k, func() (time.Duration, error) {
		resp, wait, err := c.try(ctx, k)
		if err != nil {
			return wait, err
		}
		defer resp.Body.Close()
		return 0, c.decode(resp, &out)
	})
	return out, err
}

func (c *Client) decode(resp *http.Response, out any) error {
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return c.unreachable(err)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &Fault{
			Code: CodeInternal, Reason: "AnswerUnreadable", Title: "the server's answer cannot be read",
			Detail: err.Error(), Fix: "compare the versions of client and server; run: zaffre version",
		}
	}
	return nil
}

// send makes the call, again if it may be repeated and the server did not answer. An answer outside
// the 200s becomes a Fault. The caller closes the body.
func (c *Client) send(ctx context.Context, k call) (resp *http.Response, err error) {
	err = c.repeat(ctx, k, func() (wait time.Duration, err error) {
		resp, wait, err = c.try(ctx, k)
		return wait, err
	})
	return resp, err
}

// repeat makes a call until there is an answer, or it may not be made again. do returns how long the
// server asks to stay away.
func (c *Client) repeat(ctx context.Context, k call, do func() (time.Duration, error)) error {
	for try := 0; ; try++ {
		wait, err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if k.once || try >= c.retries || CodeOf(err) != CodeUnavailable {
			return err
		}
		if err := pause(ctx, max(wait, backoff(try))); err != nil {
			return err
		}
	}
}

// try makes the call once. wait is how long the server asks to stay away.
func (c *Client) try(ctx context.Context, k call) (resp *http.Response, wait time.Duration, err error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, 0, err
	}
	resp, err = c.http.Do(req)
	if err != nil {
		return nil, 0, c.unreachable(err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, 0, nil
	}
	defer resp.Body.Close()
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return nil, min(time.Duration(seconds)*time.Second, 10*time.Second), decodeFault(resp)
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	body, kind, err := k.open()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, k.method, c.address(k), body)
	if err != nil {
		return nil, invalid("CallInvalid", "the call cannot be made", err.Error(), "report it")
	}
	if k.stream != nil {
		req.ContentLength = k.length
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	return req, nil
}

func (k call) open() (io.Reader, string, error) {
	switch {
	case k.stream != nil:
		r, err := k.stream()
		return r, "", err
	case k.body != nil:
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, "", invalid("CallInvalid", "the call cannot be made", err.Error(), "report it")
		}
		return bytes.NewReader(b), "application/json", nil
	}
	return nil, "", nil
}

// address returns the URL of the call. Names may hold slashes: each is one percent-encoded segment.
func (c *Client) address(k call) string {
	u := *c.base
	raw := u.EscapedPath() + "/api/v1"
	for _, segment := range k.path {
		raw += "/" + escape(segment)
	}
	u.Path, _ = url.PathUnescape(raw)
	u.RawPath = raw
	u.RawQuery = k.query.Encode()
	return u.String()
}

// escape encodes one segment. "." and ".." would be taken for folders by whatever cleans paths.
func escape(segment string) string {
	if segment == "." || segment == ".." {
		return strings.ReplaceAll(segment, ".", "%2E")
	}
	return url.PathEscape(segment)
}

// unreachable is the fault of a call that got no answer.
func (c *Client) unreachable(err error) error {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if f, ok := errors.AsType[*Fault](err); ok {
		return f // of the body's reader
	}
	if errors.As(err, &unknown) || errors.As(err, &host) {
		return &Fault{
			Code: CodeUnauthorized, Reason: "ServerNotTrusted", Title: "the server at " + c.base.Host + " is not trusted",
			Detail: err.Error(), Fix: "run: zaffre login " + c.base.String(),
		}
	}
	why := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		why = u.Err
	}
	return &Fault{
		Code: CodeUnavailable, Reason: "ServerUnreachable", Title: "the server at " + c.base.Host + " does not answer",
		Detail: why.Error(), Fix: "start it, or wait for it; run: zaffre status --wait 30s",
	}
}

func invalid(reason, title, detail, fix string) *Fault {
	return &Fault{Code: CodeInvalid, Reason: reason, Title: title, Detail: detail, Fix: fix}
}

// backoff is 100 ms, 200 ms, 400 ms … up to 5 s, give or take a quarter.
func backoff(try int) time.Duration {
	d := min(100*time.Millisecond<<min(try, 10), 5*time.Second)
	return d*3/4 + rand.N(d/2)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
