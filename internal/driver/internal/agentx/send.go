package agentx

import (
	"context"
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// send gives the agent the files that it lacks, all in one stream.
func (c *Conn) send(ctx context.Context, from driver.Files, files []wire.File) error {
	seen := map[string]bool{}
	var all wire.Hashes
	for _, f := range files {
		if !seen[f.Hash] {
			seen[f.Hash] = true
			all.Hashes = append(all.Hashes, f.Hash)
		}
	}
	lacking, err := call[wire.Hashes](ctx, c.Session, wire.OpMissing, all)
	if err != nil || len(lacking.Hashes) == 0 {
		return err
	}
	for _, h := range lacking.Hashes {
		if !seen[h] {
			return &fault.Error{
				Code: fault.Internal, Reason: "ChannelBroken", What: "the agent asks for a file that the job does not have",
				Why: fmt.Sprintf("it asked for %q", h), Fix: "check the target again, so that it gets the server's agent",
			}
		}
	}
	_, err = within(ctx, func() (struct{}, error) { return struct{}{}, c.sendNow(ctx, from, lacking.Hashes) }, nil)
	return err
}

func (c *Conn) sendNow(ctx context.Context, from driver.Files, hashes []string) error {
	ch, err := c.open(ctx)
	if err != nil {
		return err
	}
	st, err := ch.stream(ctx, wire.OpPut, wire.Empty{})
	if err != nil {
		return asFault(ctx, err)
	}
	defer st.Close()
	return asFault(ctx, put(ctx, st, from, hashes))
}

// put sends the files. The agent may refuse at any time, so its answer is read meanwhile.
func put(ctx context.Context, st *stream, from driver.Files, hashes []string) error {
	answer := make(chan error, 1)
	go func() {
		err := st.Recv(&wire.Empty{})
		_ = st.mux.SetWriteDeadline(longAgo())
		answer <- err
	}()
	if err := putAll(ctx, st, from, hashes); err != nil {
		select {
		case refused := <-answer:
			if refused != nil {
				return refused
			}
		default:
		}
		return err
	}
	return <-answer
}

func putAll(ctx context.Context, st *stream, from driver.Files, hashes []string) error {
	for _, h := range hashes {
		if err := putOne(ctx, st, from, h); err != nil {
			return err
		}
	}
	return st.End()
}

func putOne(ctx context.Context, st *stream, from driver.Files, hash string) error {
	r, err := from.OpenHash(ctx, hash)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := st.Send(wire.PutFile{Hash: hash}); err != nil {
		return err
	}
	readErr, err := st.CopyBody(r)
	if readErr != nil {
		return &fault.Error{
			Code: fault.Unavailable, Reason: "SnapshotUnreadable", What: "the code of the run cannot be sent",
			Why: "a file of its snapshot cannot be read", Fix: "look into the server's log, and check its disk", Err: readErr,
		}
	}
	return err
}
