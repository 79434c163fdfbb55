package agentx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// code is a job's code with its list, which is sent like a file.
type code struct {
	driver.Files
	hash string          // of list; "": there is no code
	list []byte          // a JSON array of wire.File
	has  map[string]bool // the hashes that stand in it
}

func codeOf(ctx context.Context, from driver.Files) (code, error) {
	if from == nil {
		return code{}, nil
	}
	manifest, err := from.Manifest(ctx)
	if err != nil {
		return code{}, err
	}
	files, has := make([]wire.File, len(manifest)), make(map[string]bool, len(manifest))
	for i, f := range manifest {
		files[i], has[f.Hash] = wire.File(f), true
	}
	list, err := json.Marshal(files)
	sum := sha256.Sum256(list)
	return code{Files: from, hash: hex.EncodeToString(sum[:]), list: list, has: has}, err
}

// OpenHash implements driver.Files, for the list too. An agent gets nothing but the job's code.
func (c code) OpenHash(ctx context.Context, hash string) (io.ReadCloser, error) {
	switch {
	case hash == c.hash:
		return io.NopCloser(bytes.NewReader(c.list)), nil
	case c.has[hash]:
		return c.Files.OpenHash(ctx, hash)
	}
	return nil, &fault.Error{
		Code: fault.Internal, Reason: "ChannelBroken", What: "the agent asks for a file that the job does not have",
		Why: fmt.Sprintf("it asked for %q", hash), Fix: "check the target again, so that it gets the server's agent",
	}
}

// sendRounds is how often the agent is asked what it lacks: first that is the list, and then what stands in it.
const sendRounds = 3

// send gives the agent what it lacks of the code.
func (c *Conn) send(ctx context.Context, from code) error {
	for range sendRounds {
		lacking, err := call[wire.Hashes](ctx, c.Session, wire.OpMissing, wire.Code{Manifest: from.hash})
		if err != nil || len(lacking.Hashes) == 0 {
			return err
		}
		if _, err = within(ctx, func() (struct{}, error) { return struct{}{}, c.sendNow(ctx, from, lacking) }, nil); err != nil {
			return err
		}
	}
	return nil // starting the job says what is still not there
}

func (c *Conn) sendNow(ctx context.Context, from driver.Files, lacking wire.Hashes) error {
	ch, err := c.open(ctx)
	if err != nil {
		return err
	}
	st, err := ch.stream(ctx, wire.OpPut, wire.Empty{})
	if err != nil {
		return asFault(ctx, err)
	}
	defer st.Close()
	return asFault(ctx, put(ctx, st, from, lacking))
}

// put sends the files. The agent may refuse at any time, so its answer is read meanwhile.
func put(ctx context.Context, st *stream, from driver.Files, lacking wire.Hashes) error {
	answer := make(chan error, 1)
	go func() {
		err := st.Recv(&wire.Empty{})
		_ = st.mux.SetWriteDeadline(longAgo())
		answer <- err
	}()
	if err := putAll(ctx, st, from, lacking); err != nil {
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

func putAll(ctx context.Context, st *stream, from driver.Files, lacking wire.Hashes) error {
	for _, h := range lacking.Hashes {
		if err := putOne(ctx, st, from, wire.PutFile{Hash: h, Offset: lacking.Begun[h]}); err != nil {
			return err
		}
	}
	return st.End()
}

func putOne(ctx context.Context, st *stream, from driver.Files, p wire.PutFile) error {
	r, err := from.OpenHash(ctx, p.Hash)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := st.Send(p); err != nil {
		return err
	}
	readErr := skip(r, p.Offset)
	if readErr == nil {
		readErr, err = st.CopyBody(r)
	}
	if readErr != nil {
		return &fault.Error{
			Code: fault.Unavailable, Reason: "SnapshotUnreadable", What: "the code of the run cannot be sent",
			Why: "a file of its snapshot cannot be read", Fix: "look into the server's log, and check its disk", Err: readErr,
		}
	}
	return err
}

// skip leaves out what has come already.
func skip(r io.Reader, offset int64) (err error) {
	if s, ok := r.(io.Seeker); ok {
		_, err = s.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, r, offset)
	}
	return err
}
