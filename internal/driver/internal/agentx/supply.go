package agentx

import (
	"context"
	"os"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// supplyWithin bounds what the server does for one request of a build; a connection, once made, lasts.
const supplyWithin = 5 * time.Minute

// supply answers a build's request.
func (s *Session) supply(op string, in *wire.Stream, st *yamux.Stream) {
	ctx, cancel := context.WithTimeout(context.Background(), supplyWithin)
	defer cancel()
	err := error(&fault.Error{
		Code: fault.Unsupported, Reason: "SupplyNone", What: "the server gives builds nothing",
		Why: "targets of this kind get neither uv nor a way to packages from it", Fix: "install uv on the target, and let it reach a package index",
	})
	switch {
	case s.UV == nil:
	case op == wire.OpTool:
		err = s.giveTool(ctx, in)
	case op == wire.OpIndex:
		err = s.giveIndex(ctx, in)
	case op == wire.OpRoute:
		err = s.giveRoute(ctx, in, st)
	}
	if err != nil {
		_ = in.SendFault(err)
	}
}

// giveTool sends uv.
func (s *Session) giveTool(ctx context.Context, in *wire.Stream) error {
	var t wire.Tool
	if err := in.Recv(&t); err != nil {
		return err
	}
	if t.Name != "uv" {
		return &fault.Error{
			Code: fault.NotFound, Reason: "ToolUnknown", What: "the server has no such program for the machine",
			Why: "it gives uv only", Fix: "check the target again, so that it gets the server's agent",
		}
	}
	f, err := s.UV.Binary(ctx, t.Arch)
	if err != nil {
		return err
	}
	r, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := in.Send(wire.ToolFile{Hash: f.Hash, Size: f.Size}); err != nil {
		return err
	}
	readErr, _ := in.CopyBody(r)
	return readErr
}

func (s *Session) giveIndex(ctx context.Context, in *wire.Stream) error {
	if err := in.Recv(&wire.Empty{}); err != nil {
		return err
	}
	x, err := s.UV.Index(ctx)
	if err != nil {
		return err
	}
	return in.Send(wire.Index{Default: x.Default, Extra: x.Extra, CA: x.CA})
}

// giveRoute connects a build to a package index.
func (s *Session) giveRoute(ctx context.Context, in *wire.Stream, st *yamux.Stream) error {
	var r wire.Route
	if err := in.Recv(&r); err != nil {
		return err
	}
	conn, err := s.route(ctx, r)
	if err != nil {
		return err
	}
	if err := in.Send(wire.Empty{}); err != nil {
		conn.Close()
		return nil
	}
	join(st, conn)
	return nil
}
