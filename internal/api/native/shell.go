package native

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func (a *api) routesShell() {
	shell := a.op(http.MethodPost, "/workspaces/{ws}/computes/{name}/shell", "open-shell", "Switch to a stream of a shell or a command on a compute target")
	shell.DefaultStatus = http.StatusSwitchingProtocols
	shell.Responses = map[string]*huma.Response{"101": {Description: "The stream is that of client.Frames; the request needs the header Upgrade: " + client.ShellUpgrade}}
	huma.Register(a.huma, shell, a.openShell)
}

func (a *api) openShell(_ context.Context, in *struct {
	ComputePath
	Upgrade string `header:"Upgrade"`
	Body    client.ShellRequest
},
) (*huma.StreamResponse, error) {
	if !strings.EqualFold(in.Upgrade, client.ShellUpgrade) {
		return nil, &fault.Error{
			Code: fault.Invalid, Reason: "UpgradeMissing", What: "the request cannot be answered",
			Why: "it does not ask to switch protocols", Fix: "send the headers Connection: Upgrade and Upgrade: " + client.ShellUpgrade,
		}
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		ctx, cancel := httpx.Until(r.Context(), a.Stopping)
		defer cancel()
		s := &shell{w: w, cancel: cancel, request: in.Body}
		defer s.close()
		exit, err := a.Computes.Shell(ctx, compute.KeyOf(in.Workspace, in.Name), compute.ShellRequest{Command: in.Body.Command, Dial: in.Body.Dial}, s.begin)
		httpx.Failed(r.Context(), streamError(ctx, err))
		if s.conn == nil {
			WriteFault(w, r, err)
			return
		}
		s.end(exit, err)
	}}, nil
}

// shell is a connection that became the stream of a shell.
type shell struct {
	w       http.ResponseWriter
	cancel  func()
	request client.ShellRequest

	conn   net.Conn
	frames *client.Frames
	in     *io.PipeWriter
	resize chan [2]int
	done   chan struct{} // closed when nothing reads the connection any more
}

// begin switches protocols.
func (s *shell) begin() (driver.Stdio, error) {
	conn, buf, err := http.NewResponseController(s.w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		err = &fault.Error{
			Code: fault.Invalid, Reason: "UpgradeMissing", What: "the request cannot be answered",
			Why: "protocols cannot be switched on HTTP/2", Fix: "use HTTP/1.1",
		}
	}
	if err != nil {
		return driver.Stdio{}, err
	}
	s.conn, s.done = conn, make(chan struct{})
	_ = conn.SetDeadline(time.Time{})
	reader, in := io.Pipe()
	s.in = in
	s.frames = client.NewFrames(struct {
		io.Reader
		io.Writer
	}{buf.Reader, conn})
	std := driver.Stdio{In: reader, Out: s.frames.Writer(client.FrameOut), Err: s.frames.Writer(client.FrameErr)}
	if s.request.Terminal {
		s.resize = make(chan [2]int, 1)
		if s.request.Columns > 0 && s.request.Rows > 0 {
			s.resize <- [2]int{s.request.Columns, s.request.Rows}
		}
		std.Resize = s.resize
	}
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+client.ShellUpgrade+"\r\n\r\n")
	go s.read()
	return std, err
}

// read takes frames until the connection ends, which ends the shell.
func (s *shell) read() {
	defer close(s.done)
	defer s.cancel()
	for {
		kind, p, err := s.frames.Read()
		switch {
		case err != nil:
			s.in.CloseWithError(io.ErrUnexpectedEOF)
			return
		case kind == client.FrameIn && len(p) == 0:
			s.in.Close()
		case kind == client.FrameIn:
			_, _ = s.in.Write(p) // a shell that reads no more has closed it
		case kind == client.FrameResize && len(p) == 4 && s.resize != nil:
			s.newSize([2]int{int(binary.BigEndian.Uint16(p)), int(binary.BigEndian.Uint16(p[2:]))})
		}
	}
}

// newSize keeps the newest size: one that nobody took is out of date.
func (s *shell) newSize(size [2]int) {
	select {
	case <-s.resize:
	default:
	}
	s.resize <- size // one reader, one writer, one place
}

func (s *shell) end(exit int, err error) {
	end := client.ShellEnd{Exit: exit}
	if err != nil {
		end.Fault = toFault(fault.From(err))
	}
	b, jsonErr := json.Marshal(end)
	if jsonErr == nil {
		_ = s.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		_ = s.frames.Write(client.FrameEnd, b)
	}
}

// close ends what is left.
func (s *shell) close() {
	if s.conn == nil {
		return
	}
	s.in.CloseWithError(io.ErrClosedPipe) // of a Write that waits for a reader
	s.conn.Close()
	<-s.done
	if s.resize != nil {
		close(s.resize)
	}
}
