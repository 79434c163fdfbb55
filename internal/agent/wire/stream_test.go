package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/agent/wire"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// pipe is one direction of a stream.
type pipe struct{ bytes.Buffer }

func TestMessagesAndBodies(t *testing.T) {
	t.Parallel()
	var p pipe
	w, r := wire.NewStream(&p), wire.NewStream(&p)
	job := wire.Job{ID: "z-1-1", Command: []string{"a b", "\n", "日本"}, Env: map[string]string{"K": "v"}, GPUs: []int{0, 3}}
	big := bytes.Repeat([]byte("0123456789"), 300_000)
	must(t, w.Open(wire.OpStart, job))
	readErr, err := w.CopyBody(bytes.NewReader(big))
	must(t, errors.Join(readErr, err))
	must(t, w.Send(wire.PutFile{Hash: "h"}))
	must(t, w.End())

	var req wire.Request
	var got wire.Job
	must(t, r.Recv(&req))
	must(t, r.Recv(&got))
	if req.Op != wire.OpStart {
		t.Errorf("the operation is %q", req.Op)
	}
	if d := cmp.Diff(job, got); d != "" {
		t.Errorf("the job changed on its way (-want +got):\n%s", d)
	}
	body, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(body, big) {
		t.Errorf("the body has %d bytes, %v, want %d", len(body), err, len(big))
	}
	var put wire.PutFile
	if more, err := r.RecvMore(&put); !more || err != nil || put.Hash != "h" {
		t.Errorf("RecvMore = %v, %v, %+v", more, err, put)
	}
	if more, err := r.RecvMore(&put); more || err != nil {
		t.Errorf("at the end RecvMore = %v, %v", more, err)
	}
}

// TestCutShort: a stream that ends before its body does is not taken for whole.
func TestCutShort(t *testing.T) {
	t.Parallel()
	var p pipe
	w := wire.NewStream(&p)
	_, _ = w.Write([]byte("some bytes"))
	must(t, w.End())
	whole := p.Bytes()
	for n := range len(whole) {
		r := wire.NewStream(&pipe{*bytes.NewBuffer(whole[:n:n])})
		if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first %d of %d bytes end with %v, want %v", n, len(whole), err, io.ErrUnexpectedEOF)
		}
	}
}

func TestFaultTravels(t *testing.T) {
	t.Parallel()
	sent := &fault.Error{
		Code: fault.Precondition, Reason: "Fenced", What: "what", Why: "why", Fix: "fix", Field: "f", Evidence: []string{"e"},
		Err: errors.New("inner"),
	}
	var p pipe
	must(t, wire.NewStream(&p).SendFault(sent))
	got := fault.From(wire.NewStream(&p).Recv(&wire.Empty{}))
	want := *sent
	want.Err = nil // stays where it happened
	if d := cmp.Diff(&want, got); d != "" {
		t.Errorf("the fault changed on its way (-want +got):\n%s", d)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	frame := func(kind byte, size uint32, text string) string {
		return string(binary.BigEndian.AppendUint32([]byte{kind}, size)) + text
	}
	tests := []struct{ name, bytes string }{
		{"a login script's greeting", "Welcome to Ubuntu 24.04!\n"},
		{"a message that would not fit", frame('M', 1<<30, "{}")},
		{"data that would not fit", frame('D', 1<<30, "x")},
		{"an end with a length", frame('E', 5, "12345")},
		{"no JSON", frame('M', 3, "abc")},
		{"data where a message stands", frame('D', 2, "{}")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := wire.NewStream(&pipe{*bytes.NewBufferString(tt.bytes)})
			if err := r.Recv(&wire.Hello{}); fault.ReasonOf(err) != "ChannelBroken" {
				t.Errorf("Recv = %v, want ChannelBroken", err)
			}
		})
	}
}

// FuzzStream: whatever the other side sends, reading ends, in a fault or at the end, and takes no
// more memory than was sent.
func FuzzStream(f *testing.F) {
	var p pipe
	w := wire.NewStream(&p)
	_ = w.Open(wire.OpStart, wire.Job{ID: "z-1-1", Command: []string{"true"}})
	_, _ = w.Write([]byte("body"))
	_ = w.End()
	_ = w.SendFault(errors.New("x"))
	f.Add(p.Bytes())
	f.Add([]byte("Welcome\n"))
	f.Add([]byte{'M', 0x03, 0xff, 0xff, 0xff, '{'})
	f.Add([]byte{'D', 0, 0, 0, 0, 'D', 0, 0, 0, 1, 'x', 'E', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewStream(&pipe{*bytes.NewBuffer(bytes.Clone(b))})
		for {
			var job wire.Job
			if _, err := r.RecvMore(&job); err != nil {
				break
			}
			r.NextBody()
			n, err := io.Copy(io.Discard, r)
			if n > int64(len(b)) {
				t.Fatalf("%d bytes were read of %d that were sent", n, len(b))
			}
			if err != nil {
				break
			}
		}
		text := wire.NewStream(&pipe{*bytes.NewBuffer(bytes.Clone(b))})
		if _, err := io.Copy(io.Discard, text); err == nil && !strings.ContainsRune(string(b), 'E') {
			t.Fatal("a body without an end was taken for whole")
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
