package agentx

import (
	"context"
	"io"
	"io/fs"
	"net"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Facts returns what the machine is.
func (c *Conn) Facts(ctx context.Context, interpreters []string) (wire.Facts, error) {
	return call[wire.Facts](ctx, c.Session, wire.OpFacts, wire.FactsRequest{Interpreters: interpreters})
}

// Exec implements driver.Host. A command that a signal ended has 128 and the signal's number, as in
// a shell. When ctx ends the command is killed. There is no terminal: Resize is not looked at.
func (c *Conn) Exec(ctx context.Context, argv []string, std driver.Stdio) (exit int, err error) {
	st, err := c.converse(ctx, wire.OpExec, wire.Exec{Argv: argv})
	if err != nil {
		return 0, err
	}
	defer st.Close()
	go func() {
		if std.In != nil {
			if _, err := st.CopyBody(std.In); err != nil {
				return
			}
			return
		}
		_ = st.End()
	}()
	for {
		var out wire.Output
		if err := st.Recv(&out); err != nil {
			return 0, asFault(ctx, err)
		}
		if out.Exit != nil {
			return *out.Exit, nil
		}
		to := std.Out
		if out.Stream == 2 {
			to = std.Err
		}
		if to != nil {
			if _, err := to.Write(out.Data); err != nil {
				return 0, err
			}
		}
	}
}

// Dial implements driver.Host.
func (c *Conn) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	st, err := c.converse(ctx, wire.OpDial, wire.Dial{Network: network, Addr: addr})
	if err != nil {
		return nil, err
	}
	st.stop() // the connection outlives ctx
	return dialed{st}, nil
}

// dialed is a connection that the agent made.
type dialed struct{ *stream }

func (d dialed) LocalAddr() net.Addr                { return d.mux.LocalAddr() }
func (d dialed) RemoteAddr() net.Addr               { return d.mux.RemoteAddr() }
func (d dialed) SetDeadline(t time.Time) error      { return d.mux.SetDeadline(t) }
func (d dialed) SetReadDeadline(t time.Time) error  { return d.mux.SetReadDeadline(t) }
func (d dialed) SetWriteDeadline(t time.Time) error { return d.mux.SetWriteDeadline(t) }
func (d dialed) CloseWrite() error                  { return d.End() }

// Close ends the connection, and whoever reads or writes there goes on: the multiplexer alone waits minutes for the
// other side.
func (d dialed) Close() error {
	_ = d.mux.SetDeadline(longAgo())
	return d.stream.Close()
}

// FS implements driver.Host.
func (c *Conn) FS() driver.FS { return files{c} }

type files struct{ c *Conn }

func (f files) OpenFile(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	return f.c.body(ctx, wire.OpOpen, wire.Path{Path: name, Offset: offset})
}

func (f files) WriteFile(ctx context.Context, name string, mode fs.FileMode, r io.Reader) error {
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, f.writeNow(ctx, name, mode, r) }, nil)
	return err
}

func (f files) writeNow(ctx context.Context, name string, mode fs.FileMode, r io.Reader) error {
	ch, err := f.c.open(ctx)
	if err != nil {
		return err
	}
	st, err := ch.stream(ctx, wire.OpWrite, wire.Path{Path: name, Mode: uint32(mode)})
	if err != nil {
		return asFault(ctx, err)
	}
	defer st.Close()
	readErr, err := st.CopyBody(r)
	if readErr != nil {
		return readErr
	}
	if answer := st.Recv(&wire.Empty{}); answer != nil {
		return asFault(ctx, answer)
	}
	return asFault(ctx, err)
}

func (f files) ReadDir(ctx context.Context, name string) ([]fs.FileInfo, error) {
	entries, err := call[[]wire.FileInfo](ctx, f.c.Session, wire.OpReadDir, wire.Path{Path: name})
	list := make([]fs.FileInfo, len(entries))
	for i, e := range entries {
		list[i] = fileInfo{e}
	}
	return list, err
}

func (f files) RemoveAll(ctx context.Context, name string) error {
	_, err := call[wire.Empty](ctx, f.c.Session, wire.OpRemove, wire.Path{Path: name})
	return err
}

// fileInfo is one entry of a folder of the machine.
type fileInfo struct{ e wire.FileInfo }

func (f fileInfo) Name() string       { return f.e.Name }
func (f fileInfo) Size() int64        { return f.e.Size }
func (f fileInfo) Mode() fs.FileMode  { return fs.FileMode(f.e.Mode) }
func (f fileInfo) ModTime() time.Time { return f.e.ModTime }
func (f fileInfo) IsDir() bool        { return f.Mode().IsDir() }
func (f fileInfo) Sys() any           { return nil }
