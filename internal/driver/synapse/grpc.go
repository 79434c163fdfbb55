package synapse

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// askWithin bounds one question to a server.
const askWithin = 10 * time.Second

// reach fails where nobody listens.
func (e endpoint) reach(ctx context.Context, from driver.Host) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", e.address())
	if err != nil {
		f := &fault.Error{
			Code: fault.Unavailable, Reason: "ConnectAway", What: "the Spark Connect server cannot be reached now", Why: "nobody answers at " + e.address() + " from the machine of the runs",
			Fix: "start the server there, or name another one; run: zaffre compute update NAME --connect sc://HOST:PORT", Err: err,
		}
		if below := fault.From(err); below != nil {
			f.Evidence = []string{below.Why}
		}
		return f
	}
	return conn.Close()
}

// version asks the server for Spark's version, by which it shows that it is one, and that the token is right. The
// session that this makes there is released.
func (e endpoint) version(ctx context.Context, from driver.Host) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	h := e.http(from)
	defer h.CloseIdleConnections()
	// AnalyzePlanRequest: session_id = 1, user_context = 2 {user_id = 1}, spark_version = 10.
	// Source: spark/connect/base.proto of Spark 4.0; the numbers are those of 3.4 and later.
	session := joined(field(1, []byte(uuid())), field(2, field(1, []byte("zaffre"))))
	answer, err := e.call(ctx, h, "AnalyzePlan", joined(session, field(10, nil)))
	if err != nil {
		return "", err
	}
	_, _ = e.call(ctx, h, "ReleaseSession", session) // else the server forgets it after an hour
	return string(inside(inside(answer, 8), 1)), nil // AnalyzePlanResponse: spark_version = 8 {version = 1}
}

// http returns a client that speaks HTTP/2 over connections from the machine of the runs.
func (e endpoint) http(from driver.Host) *http.Client {
	t := &http.Transport{
		Protocols:       new(http.Protocols),
		TLSClientConfig: &tls.Config{ServerName: e.host, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return from.Dial(ctx, network, addr)
		},
	}
	t.Protocols.SetHTTP2(e.tls)
	t.Protocols.SetUnencryptedHTTP2(!e.tls)
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// maxAnswer bounds an answer.
const maxAnswer = 64 << 10

// call makes one call of gRPC, and returns the answer's message.
// Source: doc/PROTOCOL-HTTP2.md of gRPC.
func (e endpoint) call(ctx context.Context, h *http.Client, method string, message []byte) ([]byte, error) {
	u := url.URL{Scheme: "http", Host: e.address(), Path: "/spark.connect.SparkConnectService/" + method}
	if e.tls {
		u.Scheme = "https"
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/grpc")
	q.Header.Set("TE", "trailers")
	if e.token != "" {
		q.Header.Set("Authorization", "Bearer "+e.token)
	}
	resp, err := h.Do(q)
	if err != nil {
		return nil, e.unanswered(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, e.unanswered(err)
	}
	status, said := resp.Trailer.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Message")
	if status == "" { // an answer without a body has them before it
		status, said = resp.Header.Get("Grpc-Status"), resp.Header.Get("Grpc-Message")
	}
	if status != "0" {
		return nil, e.refusal(resp.StatusCode, status, said)
	}
	return b[min(5, len(b)):], nil
}

// unanswered says why there was no answer.
func (e endpoint) unanswered(err error) error {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return remoteFault(fault.Precondition, "CertificateRefused", "its certificate is not one that the server of zaffre trusts", "give it a certificate of an authority that is known", err.Error())
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return remoteFault(fault.Precondition, "CertificateRefused", "its certificate is not one that the server of zaffre trusts", "give it a certificate of an authority that is known", err.Error())
	}
	if errors.Is(err, context.DeadlineExceeded) || fault.Retryable(err) {
		return remoteFault(fault.Unavailable, "ConnectAway", "it did not answer in time", "nothing: it is tried again; if it stays so, look into its log", err.Error())
	}
	why := "what answers at " + e.address() + " speaks no gRPC"
	if e.tls {
		why = "what answers at " + e.address() + " speaks no TLS, which a client speaks where use_ssl or a token is given"
	}
	return remoteFault(fault.Precondition, "NotSparkConnect", why, "correct the address; with a token, call a server on the same machine localhost; run: zaffre compute update NAME --connect sc://HOST:PORT", err.Error())
}

// refusal reads an answer that is no success as a fault.
// Source: the codes are those of google/rpc/code.proto.
func (e endpoint) refusal(http int, status, said string) error {
	words := fmt.Sprintf("%d, grpc-status %s: %s", http, status, said)
	switch status {
	case "16":
		return remoteFault(fault.Unauthorized, "TokenRefused", "the token is wrong or missing", "give the right one; run: zaffre compute update NAME --bearer-token-file FILE", words)
	case "7":
		return remoteFault(fault.Denied, "PermissionMissing", "the token may not do this", "have whoever runs the server allow it, or give another token", words)
	case "", "12":
		return remoteFault(fault.Precondition, "NotSparkConnect", "what answers at "+e.address()+" is no Spark Connect server", "correct the address; run: zaffre compute update NAME --connect sc://HOST:PORT", words)
	}
	return remoteFault(fault.Unavailable, "ConnectFailed", "it failed", "nothing: it is tried again; if it stays so, look into its log", words)
}

func remoteFault(code fault.Code, reason, why, fix, words string) error {
	return &fault.Error{Code: code, Reason: reason, What: "the Spark Connect server cannot be used", Why: why, Fix: fix, Evidence: []string{words}}
}

// field writes a field of a protobuf message whose value is bytes, or a message. Numbers are below 16.
func field(number byte, value []byte) []byte {
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(value))), value...)
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// inside returns the bytes of the first such field of a message; nil: there is none.
func inside(message []byte, number uint64) []byte {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 || key&7 != 2 {
			return nil // what comes before in these answers is text
		}
		size, m := binary.Uvarint(message[n:])
		if m <= 0 || size > uint64(len(message)-n-m) {
			return nil
		}
		value := message[n+m:][:size]
		if key>>3 == number {
			return value
		}
		message = message[n+m:][size:]
	}
	return nil
}

// uuid returns a random one, which a session's ID must be.
func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
