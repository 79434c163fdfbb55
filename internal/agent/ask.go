package agent

import (
	"context"
	"io"
	"net"
	"runtime"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
)

// asker asks the server for a build, by the agent that serves now.
type asker struct{ root, digest string }

// Tool implements envbuild.Server.
func (a asker) Tool(ctx context.Context, name string) (wire.ToolFile, io.ReadCloser, error) {
	var f wire.ToolFile
	q, err := a.ask(ctx, wire.OpTool, wire.Tool{Name: name, Arch: runtime.GOARCH}, &f)
	return f, q, err
}

// Index implements envbuild.Server.
func (a asker) Index(ctx context.Context) (x wire.Index, err error) {
	q, err := a.ask(ctx, wire.OpIndex, wire.Empty{}, &x)
	if err == nil {
		q.Close()
	}
	return x, err
}

// Dial implements envbuild.Server.
func (a asker) Dial(ctx context.Context, addr string) (net.Conn, error) {
	q, err := a.ask(ctx, wire.OpRoute, wire.Route{Digest: a.digest, Addr: addr}, &wire.Empty{})
	if err != nil {
		return nil, err
	}
	q.stop() // the connection outlives ctx
	return q.Conn, nil
}

// question is a conversation with the server, whose first answer was read. Read reads the body after it.
type question struct {
	net.Conn
	body *wire.Stream
	stop func() bool
}

func (q *question) Read(b []byte) (int, error) { return q.body.Read(b) }

func (q *question) Close() error {
	q.stop()
	return q.Conn.Close()
}

// ask opens a conversation, which ends with ctx.
func (a asker) ask(ctx context.Context, op string, in, out any) (*question, error) {
	conn, err := dialIn(a.root, askSocket)
	if err != nil {
		return nil, err
	}
	q := &question{Conn: conn, body: wire.NewStream(conn), stop: context.AfterFunc(ctx, func() { conn.Close() })}
	if err = q.body.Open(op, in); err == nil {
		err = q.body.Recv(out)
	}
	if err != nil {
		q.Close()
		return nil, err
	}
	return q, nil
}
