package sshx

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// A server may say something before its version line. More than this it does not.
const (
	maxGreeting = 16 << 10
	maxLine     = 4 << 10
	maxQuoted   = 120 // of a stranger's words in a fault
)

// greeted is a connection on which both version lines were exchanged. The SSH library exchanges
// them again, so it is given the server's once more, and its own goes nowhere.
type greeted struct {
	net.Conn
	in     *bufio.Reader
	replay *bytes.Reader
	skip   int
}

// Read implements net.Conn.
func (g *greeted) Read(p []byte) (int, error) {
	if g.replay.Len() > 0 {
		return g.replay.Read(p)
	}
	return g.in.Read(p)
}

// Write implements net.Conn.
func (g *greeted) Write(p []byte) (int, error) {
	n := min(g.skip, len(p))
	g.skip -= n
	if n == len(p) {
		return n, nil
	}
	m, err := g.Conn.Write(p[n:])
	return n + m, err
}

// greet exchanges version lines. The error is that of the connection, a fault where the other side
// is no SSH server.
func greet(ctx context.Context, conn net.Conn, place string) (*greeted, string, error) {
	hello := clientVersion + "\r\n"
	if _, err := io.WriteString(conn, hello); err != nil {
		return nil, "", greetFault(ctx, place, err, nil)
	}
	in := bufio.NewReaderSize(conn, maxLine)
	var before []string
	for size := 0; ; {
		raw, err := in.ReadSlice('\n')
		size += len(raw)
		line := strings.TrimRight(string(raw), "\r\n")
		switch {
		case strings.HasPrefix(line, "SSH-") && err == nil:
			return &greeted{Conn: conn, in: in, replay: bytes.NewReader([]byte(line + "\r\n")), skip: len(hello)}, line, versionFault(place, line)
		case errors.Is(err, bufio.ErrBufferFull), size > maxGreeting:
			return nil, "", floodFault(place, before, line)
		case err != nil:
			return nil, "", greetFault(ctx, place, err, append(before, line))
		}
		before = append(before, line)
		if f := strangerFault(place, line); f != nil {
			return nil, "", f
		}
	}
}

func versionFault(place, line string) error {
	if strings.HasPrefix(line, "SSH-2.0-") || strings.HasPrefix(line, "SSH-1.99-") {
		return nil
	}
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ProtocolTooOld", What: "cannot connect to " + place,
		Why: "the server speaks only the first version of SSH, which is broken", Fix: "update sshd on that machine", Evidence: []string{quoted(line)},
	}
}

// stranger says what a server that is not SSH seems to be; "" where it may still be one.
func stranger(line string) string {
	switch {
	case strings.HasPrefix(line, "HTTP/"), strings.HasPrefix(line, "<!DOCTYPE"), strings.HasPrefix(line, "<html"):
		return "a web server (HTTP)"
	case len(line) > 2 && (line[0] == 0x15 || line[0] == 0x16) && line[1] == 0x03:
		return "a TLS server (HTTPS?)"
	case strings.HasPrefix(line, "220 "), strings.HasPrefix(line, "220-"):
		return "a mail or FTP server"
	case strings.HasPrefix(line, "RFB "):
		return "a VNC server"
	case strings.HasPrefix(line, "-ERR"), strings.HasPrefix(line, "+OK"):
		return "a Redis or mail server"
	}
	return ""
}

func strangerFault(place, line string) error {
	what := stranger(line)
	if what == "" {
		return nil
	}
	return notSSH(place, what, quoted(line))
}

func notSSH(place, what, evidence string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "NotSSH", What: "cannot connect to " + place, Why: "what listens there is " + what + ", not an SSH server",
		Fix: "give the port of sshd, mostly 22; run: zaffre compute update NAME --port 22", Evidence: []string{evidence},
	}
}

// speaksTLS finds out what a server is that hung up without a word. Whose certificate it has does not
// matter: nothing is told to it.
func (c Config) speaksTLS(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, grace/4)
	defer cancel()
	conn, err := c.reach(ctx, &trace{})
	if err != nil {
		return false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: c.Address}).HandshakeContext(ctx) == nil
}

func floodFault(place string, before []string, line string) error {
	if len(before) > 0 {
		line = before[0]
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "BannerFlood", What: "cannot connect to " + place,
		Why:      fmt.Sprintf("the server sent over %d bytes, and no SSH version line among them", maxLine),
		Fix:      "see what listens there: nc ADDRESS PORT; perhaps it is a tarpit, or the port of something else",
		Evidence: []string{quoted(line)},
	}
}

// greetFault says why no version line came.
func greetFault(ctx context.Context, place string, err error, said []string) error {
	first := strings.TrimSpace(strings.Join(said, "\n"))
	if f := strangerFault(place, first); f != nil {
		return f
	}
	f := connectFault(place, fault.Unavailable, "BannerTimedOut", "something accepts connections there, but does not say in time that it is an SSH server",
		"see whether the machine is overloaded, or what listens there: nc ADDRESS PORT; a slow one may need more time; run: zaffre compute update NAME --connect-timeout 15s")
	if ctx.Err() == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		f = connectFault(place, fault.Unavailable, "ClosedBeforeBanner",
			"the server closed the connection before it said who it is: it has too many connections (MaxStartups), or has blocked this address (fail2ban, hosts.deny)",
			"look into the log of sshd on that machine: journalctl -u ssh")
	}
	if first != "" {
		f.Evidence = []string{quoted(first)}
	}
	return f
}

// quoted returns the beginning of a stranger's words, printable.
func quoted(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "…"
	}
	return fmt.Sprintf("%q", s)
}
