package client

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// ShellUpgrade is the protocol to which the shell's route switches: see Frames.
const ShellUpgrade = "zaffre-shell"

// ShellRequest asks for a shell or a command on a compute target.
type ShellRequest struct {
	Command  []string `json:"command,omitempty" doc:"Without a shell around it; none is the user's login shell"`
	Dial     string   `json:"dial,omitempty" maxLength:"300" doc:"host:port: no command, but a stream to there, as the machine sees it"`
	Terminal bool     `json:"terminal,omitempty" doc:"Of the login shell"`
	Columns  int      `json:"columns,omitempty" minimum:"0" maximum:"65535"`
	Rows     int      `json:"rows,omitempty" minimum:"0" maximum:"65535"`
}

// The kinds of frames. The client sends FrameIn (no bytes: the input's end) and FrameResize (columns and
// rows, two bytes each, the higher first); the server sends FrameOut, FrameErr, and FrameEnd, JSON of
// ShellEnd, at the end.
const (
	FrameIn     = 'i'
	FrameResize = 'r'
	FrameOut    = 'o'
	FrameErr    = 'e'
	FrameEnd    = 'x'
)

// ShellEnd says how a shell ended.
type ShellEnd struct {
	Exit  int    `json:"exit"`
	Fault *Fault `json:"fault,omitempty"`
}

// maxFrame is the most bytes that a frame carries.
const maxFrame = 32 << 10

// Frames are the messages of a shell on a connection: a kind, the number of bytes (4 bytes, the highest
// first), and the bytes. One goroutine may read while several write.
type Frames struct {
	rw io.ReadWriter
	mu sync.Mutex
}

// NewFrames returns the frames of a connection.
func NewFrames(rw io.ReadWriter) *Frames { return &Frames{rw: rw} }

// Read returns the next frame.
func (f *Frames) Read() (kind byte, p []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(f.rw, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	p = make([]byte, n)
	_, err = io.ReadFull(f.rw, p)
	return head[0], p, err
}

// Write sends p, in several frames if it is long; nothing is one frame too.
func (f *Frames) Write(kind byte, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		part := p[:min(len(p), maxFrame)]
		frame := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(part)))
		if _, err := f.rw.Write(append(frame, part...)); err != nil {
			return err
		}
		if p = p[len(part):]; len(p) == 0 {
			return nil
		}
	}
}

// Writer returns a writer whose writes become frames of a kind.
func (f *Frames) Writer(kind byte) io.Writer { return frameWriter{f, kind} }

type frameWriter struct {
	f    *Frames
	kind byte
}

// Write sends p; nothing is not sent, since that would be the input's end.
func (w frameWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.f.Write(w.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Shell is a shell or a command that runs on a compute target.
type Shell struct {
	frames *Frames
	conn   io.Closer
}

// OpenShell starts a shell or a command on a target. It is not repeated. Close it.
func (c *Client) OpenShell(ctx context.Context, ws, compute string, q ShellRequest) (*Shell, error) {
	k := post("workspaces", ws, "computes", compute, "shell")
	k.body, k.header = q, http.Header{"Connection": {"Upgrade"}, "Upgrade": {ShellUpgrade}}
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, err
	}
	resp, err := c.switching().Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		defer resp.Body.Close()
		return nil, decodeFault(resp)
	}
	return &Shell{NewFrames(conn), conn}, nil
}

// switching returns an HTTP client that can switch protocols: HTTP/2 cannot.
func (c *Client) switching() *http.Client {
	t, ok := c.http.Transport.(*http.Transport)
	if !ok {
		return c.http
	}
	t = t.Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil // those of HTTP/2 may be there from an earlier use
	}
	return &http.Client{Transport: t}
}

// Resize says how large the terminal is.
func (s *Shell) Resize(columns, rows int) error {
	p := binary.BigEndian.AppendUint16(nil, uint16(columns))
	return s.frames.Write(FrameResize, binary.BigEndian.AppendUint16(p, uint16(rows)))
}

// Send sends all of in, and then that it ended.
func (s *Shell) Send(in io.Reader) error {
	if _, err := io.Copy(s.frames.Writer(FrameIn), in); err != nil {
		return err
	}
	return s.frames.Write(FrameIn, nil)
}

// Wait writes what comes until the end, and returns the exit code.
func (s *Shell) Wait(out, errs io.Writer) (exit int, err error) {
	for {
		kind, p, err := s.frames.Read()
		if err != nil {
			return 0, &Fault{
				Code: CodeUnavailable, Reason: "ShellBroken", Title: "the shell broke off", Detail: "the connection to the server ended: " + err.Error(),
				Fix: "see that the server is up, and open it again; run: zaffre status --wait 30s",
			}
		}
		switch kind {
		case FrameOut:
			_, err = out.Write(p)
		case FrameErr:
			_, err = errs.Write(p)
		case FrameEnd:
			return ended(p)
		}
		if err != nil {
			return 0, err
		}
	}
}

func ended(p []byte) (int, error) {
	var end ShellEnd
	if err := json.Unmarshal(p, &end); err != nil {
		return 0, errors.Join(errors.New("read how the shell ended"), err)
	}
	if end.Fault != nil {
		return 0, end.Fault
	}
	return end.Exit, nil
}

// Close ends the shell, if it has not ended.
func (s *Shell) Close() error { return s.conn.Close() }
