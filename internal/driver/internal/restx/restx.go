// Package restx speaks with services that have a REST interface, for the kinds that are such services. It
// repeats what was refused for now, and says in the user's terms why a service cannot be reached.
package restx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

const (
	headerWithin = 60 * time.Second // for an answer to begin
	dialWithin   = 10 * time.Second
	maxAnswer    = 32 << 20 // bytes of an answer that is JSON
	maxSaid      = 2 << 10  // bytes of an answer that are evidence
)

// Client asks one service. Its methods may be called from several goroutines.
type Client struct {
	Base *url.URL
	Auth func(http.Header) // puts the credentials into a request; nil: there are none
	// Sign signs a request that is otherwise whole, each time that it is sent; nil: it is not signed.
	Sign func(*http.Request)
	// Option is the flag that says where the service is, for what to do about it: "url", or "url-file" of a secret.
	Option string
	http   *http.Client
}

// New returns a client of a service, which dials nothing yet. Redirects are not followed: they would carry
// the credentials elsewhere.
func New(base *url.URL, option string, auth func(http.Header)) *Client {
	dial := &net.Dialer{Timeout: dialWithin}
	return &Client{Base: base, Option: option, Auth: auth, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSHandshakeTimeout: dialWithin,
			ResponseHeaderTimeout: headerWithin, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
	}}
}

// NewSigned returns a client that signs its requests. They go by HTTP/1.1, where a request without body says the length
// that was signed.
func NewSigned(base *url.URL, option string, sign func(*http.Request)) *Client {
	c := New(base, option, nil)
	c.Sign = sign
	one := new(http.Protocols)
	one.SetHTTP1(true)
	c.http.Transport.(*http.Transport).Protocols = one
	return c
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ParseURL reads where a service is: http or https, a host, and perhaps a path. Where there is something
// secret to say, https is needed unless the service is on this machine.
func ParseURL(text string, secret bool) (*url.URL, string) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, "it is no URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "it is neither http nor https"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, "it has more than a host and a path"
	case secret && u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, "the credentials would cross the network in the clear: it is http, not https"
	}
	return u, ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Call is a request.
type Call struct {
	Method, Path string // Path is not escaped, and begins with a slash
	Query        url.Values
	JSON         any                           // the body; nil: none, or Body
	Body         func() (io.ReadCloser, error) // opens the body again for each try
	Size         int64                         // of Body, bytes
	Header       http.Header
	// Once marks a request that may not be repeated where it may have had its effect.
	Once bool
}

// Answer is an answer that is none of 429 and 503. Whoever gets it closes its body.
type Answer struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
}

// OK reports whether the status is of the 200s.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Decode reads the body as JSON and closes it.
func (a *Answer) Decode(out any) error {
	defer a.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(a.Body, maxAnswer)).Decode(out); err != nil {
		return broken(err)
	}
	return nil
}

// Said reads the beginning of the body and closes it.
func (a *Answer) Said() []byte {
	defer a.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(a.Body, maxSaid))
	return bytes.ToValidUTF8(b, []byte("?"))
}

// Do sends a request, again where it was refused for now, and returns the answer whatever its status.
// Faults: NameNotFound, ConnectionRefused, CertificateRefused, NetworkUnreachable, TimedOut, ConnectionLost
// and ServiceUnavailable, all Unavailable but the certificate's; RateLimited, which is Exhausted.
func (c *Client) Do(ctx context.Context, q Call) (*Answer, error) {
	for try := 0; ; try++ {
		a, err := c.send(ctx, q)
		if err != nil {
			if try > 0 || q.Once || !lost(err) || ctx.Err() != nil {
				return nil, c.unreached(ctx, err)
			}
			continue // the answer may have been lost after the effect: what may be repeated is
		}
		if a.Status != http.StatusTooManyRequests && (a.Status != http.StatusServiceUnavailable || q.Once) {
			return a, nil
		}
		wait := Delay(a.Header, try)
		if try >= maxTries || !c.sleep(ctx, wait) {
			return nil, c.refused(a, wait)
		}
		a.Body.Close()
	}
}

func (c *Client) send(ctx context.Context, q Call) (*Answer, error) {
	u := *c.Base
	u.Path, u.RawPath, u.RawQuery = c.Base.Path+q.Path, "", q.Query.Encode()
	body, size, err := q.open()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = size
	for k, v := range q.Header {
		r.Header[k] = v
	}
	if q.JSON != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("User-Agent", "zaffre")
	if c.Auth != nil {
		c.Auth(r.Header)
	}
	if c.Sign != nil {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		r.TransferEncoding = []string{"identity"} // so that a length of 0 is sent too
		c.Sign(r)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: &answerBody{resp.Body, c, ctx}}, nil
}

// answerBody makes faults of what goes wrong while an answer is read.
type answerBody struct {
	io.ReadCloser
	c   *Client
	ctx context.Context // of the call whose answer this is
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.c.unreached(b.ctx, err)
	}
	return n, err
}

// open returns the body of a request; nil: none.
func (q Call) open() (io.Reader, int64, error) {
	switch {
	case q.JSON != nil:
		b, err := json.Marshal(q.JSON)
		return bytes.NewReader(b), int64(len(b)), err
	case q.Body != nil && q.Size == 0:
		return http.NoBody, 0, nil // of another reader the length would not be known
	case q.Body != nil:
		r, err := q.Body()
		return r, q.Size, err
	}
	return nil, 0, nil
}

func broken(err error) error {
	if fault.ReasonOf(err) != "" {
		return err
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "AnswerBroken", What: "the service's answer cannot be read", Why: "it breaks off, or is not what it should be",
		Fix: "nothing: it is tried again; if it stays so, run: zaffre compute check NAME", Err: err,
	}
}
