package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// A stream is a sequence of frames: one byte of type, four of length (big endian), the payload.
const (
	frameMessage = 'M' // JSON
	frameData    = 'D' // bytes of a body, not empty
	frameEnd     = 'E' // of a body: without it the body was cut short
	frameFault   = 'F' // JSON of a Fault: instead of a message, or in a body
)

const (
	headSize   = 5
	maxMessage = 64 << 20 // a manifest of 400,000 files
	maxData    = 1 << 20
	dataSize   = 32 << 10 // what we send at once
)

// Stream reads and writes frames. One goroutine may read while another writes.
type Stream struct {
	rw   io.ReadWriter
	rest int // of the data frame being read
	end  bool
	out  []byte
}

// NewStream returns a Stream on rw.
func NewStream(rw io.ReadWriter) *Stream { return &Stream{rw: rw} }

// Send writes one message.
func (s *Stream) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.frame(frameMessage, b)
}

// Open writes the request and its first message, at once.
func (s *Stream) Open(op string, v any) error {
	req, err := json.Marshal(Request{Op: op})
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	out := appendFrame(nil, frameMessage, req)
	_, err = s.rw.Write(appendFrame(out, frameMessage, b))
	return err
}

// SendFault writes err instead of a message, or of the rest of a body.
func (s *Stream) SendFault(err error) error {
	b, err := json.Marshal(NewFault(err))
	if err != nil {
		return err
	}
	return s.frame(frameFault, b)
}

// Recv reads one message into v, or returns the fault that stands there instead.
func (s *Stream) Recv(v any) error {
	kind, n, err := s.head()
	if err != nil {
		return err
	}
	switch kind {
	case frameMessage:
		return s.decode(n, v)
	case frameFault:
		return s.fault(n)
	}
	return malformed("a message was expected, not a frame of type " + quoteByte(kind))
}

// RecvMore reads one message into v; more is false where the sender wrote an end instead.
func (s *Stream) RecvMore(v any) (more bool, err error) {
	kind, n, err := s.head()
	if err != nil {
		return false, err
	}
	switch kind {
	case frameMessage:
		return true, s.decode(n, v)
	case frameEnd:
		return false, nil
	case frameFault:
		return false, s.fault(n)
	}
	return false, malformed("a message or an end was expected, not a frame of type " + quoteByte(kind))
}

// End writes the end of a body or of a sequence of messages.
func (s *Stream) End() error { return s.frame(frameEnd, nil) }

// Write writes b as part of a body.
func (s *Stream) Write(b []byte) (int, error) {
	n := 0
	for len(b) > 0 {
		c := b[:min(len(b), maxData)]
		if err := s.frame(frameData, c); err != nil {
			return n, err
		}
		n, b = n+len(c), b[len(c):]
	}
	return n, nil
}

// Read reads part of a body. It returns io.EOF at the body's end and io.ErrUnexpectedEOF where
// the other side went away before that. NextBody must stand between two bodies.
func (s *Stream) Read(b []byte) (int, error) {
	for s.rest == 0 {
		if s.end {
			return 0, io.EOF
		}
		if err := s.nextData(); err != nil {
			return 0, err
		}
	}
	n, err := s.rw.Read(b[:min(len(b), s.rest)])
	s.rest -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// NextBody makes Read start on another body.
func (s *Stream) NextBody() { s.end, s.rest = false, 0 }

func (s *Stream) nextData() error {
	kind, n, err := s.head()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	switch kind {
	case frameData:
		s.rest = n
		return nil
	case frameEnd:
		s.end = true
		return nil
	case frameFault:
		return s.fault(n)
	}
	return malformed("data was expected, not a frame of type " + quoteByte(kind))
}

func (s *Stream) head() (kind byte, n int, err error) {
	var h [headSize]byte
	if _, err := io.ReadFull(s.rw, h[:]); err != nil {
		return 0, 0, err
	}
	size := binary.BigEndian.Uint32(h[1:])
	limit := map[byte]uint32{frameMessage: maxMessage, frameFault: maxMessage, frameData: maxData}[h[0]]
	if size > limit {
		return 0, 0, malformed("a frame of type " + quoteByte(h[0]) + " is too long")
	}
	return h[0], int(size), nil
}

// decode reads n bytes of JSON. A length that lies costs no memory.
func (s *Stream) decode(n int, v any) error {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, s.rw, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := json.Unmarshal(b.Bytes(), v); err != nil {
		return malformed(err.Error())
	}
	return nil
}

func (s *Stream) fault(n int) error {
	var f Fault
	if err := s.decode(n, &f); err != nil {
		return err
	}
	return f.Err()
}

// frame writes head and payload at once: a stream of a multiplexer sends each write by itself.
func (s *Stream) frame(kind byte, b []byte) error {
	s.out = appendFrame(s.out[:0], kind, b)
	_, err := s.rw.Write(s.out)
	if cap(s.out) > maxData+headSize {
		s.out = nil
	}
	return err
}

func appendFrame(to []byte, kind byte, b []byte) []byte {
	to = append(to, kind)
	to = binary.BigEndian.AppendUint32(to, uint32(len(b)))
	return append(to, b...)
}

// CopyBody writes what r has as data frames, and the end. It reports which side failed by
// returning r's error as readErr.
func (s *Stream) CopyBody(r io.Reader) (readErr, writeErr error) {
	b := make([]byte, dataSize)
	for {
		n, err := r.Read(b)
		if n > 0 {
			if _, werr := s.Write(b[:n]); werr != nil {
				return nil, werr
			}
		}
		if err == io.EOF {
			return nil, s.End()
		}
		if err != nil {
			return err, nil
		}
	}
}

func malformed(why string) error {
	return &fault.Error{
		Code: fault.Internal, Reason: "ChannelBroken", What: "the agent's channel carries something else than its messages",
		Why: why, Fix: "check that nothing on the machine prints into the agent's channel, such as a login script",
	}
}

func quoteByte(b byte) string {
	const hex = "0123456789abcdef"
	return "0x" + string(hex[b>>4]) + string(hex[b&15])
}
