package hostagent

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed here.sh
var hereScript string

// StartHere is Start for hosts that seldom have the agent, and where each command costs much: what they lack is sent by
// the channel by which the agent is then spoken to, packed where they can unpack it. It ends with ctx, or after the time
// that the binary may take.
func (p Place) StartHere(ctx context.Context) (io.ReadWriteCloser, error) {
	s, err := p.begin(ctx, p.preamble()+hereScript+startScript, []string{p.Work, p.ID})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.greet(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// greet gives the script what it asks for, until the agent is there.
func (p *process) greet() error {
	for sent := false; ; sent = true {
		first := make([]byte, 1)
		if _, err := io.ReadFull(p, first); err != nil {
			return agentFault(err, p.said.String())
		}
		if first[0] == '+' {
			return nil
		}
		arch, way, _ := strings.Cut(line(p), " ")
		b, ok := binaries()[arch]
		switch {
		case !ok:
			return noAgentFor(arch)
		case sent:
			return workFaultOf("what was written is not there", nil)
		}
		if err := b.sendTo(p, way); err != nil {
			return agentFault(err, p.said.String())
		}
	}
}

// Packed returns the agent for an architecture as gzip packs it, and how its file is named on a machine; nil: this build
// carries none.
func Packed(arch string) (name string, packed []byte) {
	b := binaries()[arch]
	return "agent-" + b.version, b.packed
}

// line reads to the end of a line, and no further.
func line(r io.Reader) string {
	var out []byte
	for b := make([]byte, 1); len(out) < 4<<10; out = append(out, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil || b[0] == '\n' {
			break
		}
	}
	return string(out)
}

// sendTo writes the binary, packed where the reader can unpack it.
func (b binary) sendTo(w io.Writer, way string) error {
	if way == "gzip" && b.packed != nil {
		return copyAs(w, b.size, int64(len(b.packed)), way, bytes.NewReader(b.packed))
	}
	in, err := b.open()
	if err != nil {
		return workFaultOf("the server cannot read the agent that it carries", err)
	}
	defer in.Close()
	return copyAs(w, b.size, b.size, "cat", in)
}

func copyAs(w io.Writer, size, length int64, way string, in io.Reader) error {
	if _, err := fmt.Fprintln(w, size, length, way); err != nil {
		return err
	}
	_, err := io.Copy(w, in)
	return err
}
