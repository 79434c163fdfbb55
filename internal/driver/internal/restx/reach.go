package restx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// lost reports whether a request may have arrived though no answer came.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// flag is what gives another URL, on the command line.
func (c *Client) flag() string {
	if strings.HasSuffix(c.Option, "-file") {
		return "--" + c.Option + " FILE"
	}
	return "--" + c.Option + " URL"
}

// unreached says why no answer came.
func (c *Client) unreached(ctx context.Context, err error) error {
	if fault.ReasonOf(err) != "" {
		return err
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the request's URL is ours, says nothing new, and may hold a token
	}
	name, isName := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isName && name.IsNotFound:
		return c.away("NameNotFound", "there is no machine of this name", "correct the URL; run: zaffre compute update NAME "+c.flag(), err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.away("ConnectionRefused", "nothing listens there", "start the service, or correct the URL; run: zaffre compute update NAME "+c.flag(), err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return c.away("NetworkUnreachable", "there is no route to it from the server's machine", "correct the URL, or set HTTPS_PROXY where the server runs", err)
	case notTrusted(err):
		return c.untrusted(err)
	case notTLS(err):
		return c.away("NotHTTPS", "what listens there does not speak HTTPS", "correct the URL; run: zaffre compute update NAME "+c.flag(), err)
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), isName && name.IsTimeout, isNet && timeout.Timeout():
		return c.away("TimedOut", "it did not answer in time", "nothing: it is tried again; if it stays so, run: zaffre compute check NAME", err)
	case lost(err):
		return c.away("ConnectionLost", "the connection broke before the answer", "nothing: it is tried again; if it stays so, run: zaffre compute check NAME", err)
	}
	return c.away("ConnectFailed", "no connection can be made", "check the URL; run: zaffre compute check NAME", err)
}

func (c *Client) away(reason, why, fix string, err error) error {
	return &fault.Error{Code: fault.Unavailable, Reason: reason, What: "cannot connect to " + c.Base.Host, Why: why, Fix: fix, Err: err}
}

func notTrusted(err error) bool {
	_, chain := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return chain || authority || name
}

func notTLS(err error) bool {
	_, header := errors.AsType[tls.RecordHeaderError](err)
	return header || errors.Is(err, http.ErrSchemeMismatch) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func (c *Client) untrusted(err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "CertificateRefused", What: "cannot connect to " + c.Base.Host,
		Why: "its certificate is not one that the server trusts", Evidence: []string{err.Error()},
		Fix: "correct the URL; or give the server the certificate's authority: SSL_CERT_FILE=FILE, where it is started",
	}
}
