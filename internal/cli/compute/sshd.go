package compute

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

// sshServer speaks SSH to a client on this machine and has what that asks for done on a target through the
// server of zaffre. It asks for no credential: who can start it has a login at the server.
type sshServer struct {
	session *frame.Session
	name    string
	wg      sync.WaitGroup
}

// serveSSH serves the client on Stdin and Stdout until that ends.
func serveSSH(ctx context.Context, a *frame.App, s *frame.Session, name string) error {
	key, err := sshKey(a)
	if err != nil {
		return err
	}
	cfg := &ssh.ServerConfig{NoClientAuth: true, ServerVersion: "SSH-2.0-zaffre"}
	cfg.AddHostKey(key)
	conn, channels, requests, err := ssh.NewServerConn(stdio{a.Stdin, a.Stdout}, cfg)
	if err != nil {
		return nil //nolint:nilerr // the client has gone, and said why to its user
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	ctx, cancel := context.WithCancel(ctx)
	v := &sshServer{session: s, name: name}
	for c := range channels {
		v.wg.Go(func() { v.channel(ctx, c) })
	}
	cancel()
	v.wg.Wait()
	return nil
}

func (v *sshServer) channel(ctx context.Context, c ssh.NewChannel) {
	switch c.ChannelType() {
	case "session":
		if ch, requests, err := c.Accept(); err == nil {
			defer ch.Close()
			v.serve(ctx, ch, requests)
		}
	case "direct-tcpip":
		v.forward(ctx, c)
	default:
		_ = c.Reject(ssh.UnknownChannelType, "zaffre offers sessions and forwarding to the target")
	}
}

// forward opens a stream from the target. Source: RFC 4254, 7.2.
func (v *sshServer) forward(ctx context.Context, c ssh.NewChannel) {
	var to struct {
		Host   string
		Port   uint32
		From   string
		Origin uint32
	}
	if err := ssh.Unmarshal(c.ExtraData(), &to); err != nil {
		_ = c.Reject(ssh.ConnectionFailed, "the request cannot be read")
		return
	}
	addr := net.JoinHostPort(to.Host, strconv.FormatUint(uint64(to.Port), 10))
	sh, err := v.session.OpenShell(ctx, v.session.WS, v.name, client.ShellRequest{Dial: addr})
	if err != nil {
		_ = c.Reject(ssh.ConnectionFailed, oneLine(err))
		return
	}
	defer sh.Close()
	ch, requests, err := c.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	go func() { defer sh.Close(); ssh.DiscardRequests(requests) }()
	go func() { _ = sh.Send(ch) }()
	_, _ = sh.Wait(ch, io.Discard) // a stream that broke ends, as TCP does
}

// serve answers the requests of a session, one of which starts a shell, a command or a subsystem.
func (v *sshServer) serve(ctx context.Context, ch ssh.Channel, requests <-chan *ssh.Request) {
	var q client.ShellRequest
	var running *client.Shell
	var wg sync.WaitGroup
	defer wg.Wait()
	for r := range requests {
		ok := false
		switch r.Type {
		case "pty-req":
			var pty struct {
				Term          string
				Columns, Rows uint32
				Width, Height uint32
				Modes         string
			}
			ok = ssh.Unmarshal(r.Payload, &pty) == nil
			q.Terminal, q.Columns, q.Rows = ok, int(min(pty.Columns, 65535)), int(min(pty.Rows, 65535))
		case "window-change":
			var size struct{ Columns, Rows, Width, Height uint32 }
			if ok = ssh.Unmarshal(r.Payload, &size) == nil; ok && running != nil {
				_ = running.Resize(int(min(size.Columns, 65535)), int(min(size.Rows, 65535)))
			}
		case "shell", "exec", "subsystem":
			if running != nil {
				break
			}
			if q, ok = ask(r, q); ok {
				if running = v.run(ctx, ch, q, &wg); running != nil {
					defer running.Close()
				}
			}
		case "signal":
			if ok = running != nil; ok {
				running.Close()
			}
		}
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
	}
	if running != nil {
		running.Close() // the client closed the channel: what it started ends
	}
}

// ask says what a request to start something means on the target.
func ask(r *ssh.Request, q client.ShellRequest) (client.ShellRequest, bool) {
	var arg struct{ Text string }
	if r.Type == "shell" {
		return q, true
	}
	if ssh.Unmarshal(r.Payload, &arg) != nil {
		return q, false
	}
	q.Terminal = false    // of login shells only
	if r.Type == "exec" { // by the user's own shell, as sshd does it
		q.Command = []string{"sh", "-c", `exec "${SHELL:-/bin/sh}" -c "$1"`, "sh", arg.Text}
		return q, true
	}
	q.Command = []string{"sh", "-c", sftpServer}
	return q, arg.Text == "sftp"
}

// sftpServer starts the sftp server of the target, where its distribution has it: Debian, Fedora, Arch and
// SUSE, BSD.
const sftpServer = `for f in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server /usr/libexec/sftp-server; do
  [ -x "$f" ] && exec "$f"
done
echo "there is no sftp-server on this machine: use scp -O or rsync" >&2
exit 127`

// run starts it. What refuses it is told on the session's stderr.
func (v *sshServer) run(ctx context.Context, ch ssh.Channel, q client.ShellRequest, wg *sync.WaitGroup) *client.Shell {
	sh, err := v.session.OpenShell(ctx, v.session.WS, v.name, q)
	if err != nil {
		wg.Go(func() { tellEnd(ch, 255, err) })
		return nil
	}
	go func() { _ = sh.Send(ch) }() // ends with the channel
	wg.Go(func() {
		exit, err := sh.Wait(ch, ch.Stderr())
		if err != nil {
			exit = 255 // as ssh has it
		}
		tellEnd(ch, exit, err)
	})
	return sh
}

// tellEnd ends a session. Source: RFC 4254, 6.10.
func tellEnd(ch ssh.Channel, exit int, err error) {
	if err != nil {
		_, _ = io.WriteString(ch.Stderr(), "zaffre: "+oneLine(err)+"\r\n")
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit)}))
	ch.Close()
}

func oneLine(err error) string {
	f := frame.View(err)
	b, jsonErr := json.Marshal(f.Detail) // control characters are the remote's
	if jsonErr != nil || f.Detail == "" {
		return f.Title
	}
	return f.Title + ": " + string(b[1:len(b)-1])
}

// stdio is Stdin and Stdout as a connection.
type stdio struct {
	io.Reader
	io.Writer
}

// Close ends the reading of a connection whose client went away.
func (s stdio) Close() error {
	if c, ok := s.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func (stdio) LocalAddr() net.Addr              { return local{} }
func (stdio) RemoteAddr() net.Addr             { return local{} }
func (stdio) SetDeadline(time.Time) error      { return nil }
func (stdio) SetReadDeadline(time.Time) error  { return nil }
func (stdio) SetWriteDeadline(time.Time) error { return nil }

type local struct{}

func (local) Network() string { return "stdio" }
func (local) String() string  { return "stdio" }
