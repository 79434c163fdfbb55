package hostagent

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/agent/carry"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

var (
	//go:embed start.sh
	startScript string
	//go:embed send.sh
	sendScript string
)

// sendWithin bounds how long the agent's binary may take to the machine.
const sendWithin = 5 * time.Minute

// binary is the agent for one architecture.
type binary struct {
	version string
	size    int64
	open    func() (io.ReadCloser, error)
	packed  []byte // by gzip; nil: it is not
}

// binaries are the agents that this build can send, by architecture. One that carries none is the agent itself.
var binaries = sync.OnceValue(func() map[string]binary {
	out := map[string]binary{}
	for _, arch := range []string{"amd64", "arm64"} {
		if a, ok := carry.For("linux", arch); ok {
			out[arch] = binary{a.Version, a.Size, a.Open, a.Packed()}
		} else if b, ok := itself(); ok && arch == runtime.GOARCH {
			out[arch] = b
		}
	}
	return out
})

// itself is the server's own binary.
func itself() (binary, bool) {
	open := func() (io.ReadCloser, error) { return os.Open("/proc/self/exe") }
	r, err := open()
	if err != nil {
		return binary{}, false
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	return binary{hex.EncodeToString(h.Sum(nil)[:8]), n, open, nil}, err == nil
}

// Start is an agentx.Starter: it starts the agent on the machine, where it is sent to first if it is not there.
func (p Place) Start(ctx context.Context) (io.ReadWriteCloser, error) {
	for sent := false; ; sent = true {
		s, said, err := p.try(ctx)
		if s != nil || err != nil {
			return s, err
		}
		arch, name, _ := strings.Cut(said, " ")
		b, ok := binaries()[arch]
		switch {
		case !ok:
			return nil, noAgentFor(arch)
		case sent:
			return nil, workFaultOf("what was written is not there: "+name, nil)
		}
		if err := p.send(ctx, name, b); err != nil {
			return nil, err
		}
	}
}

// try starts the agent, or returns what the machine said that has not this version of it.
func (p Place) try(ctx context.Context) (io.ReadWriteCloser, string, error) {
	s, err := p.begin(ctx, p.preamble()+startScript, []string{p.Work, p.ID})
	if err != nil {
		return nil, "", err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(s, first); err != nil {
		s.Close()
		return nil, "", agentFault(err, s.said.String())
	}
	if first[0] == '+' {
		return s, "", nil
	}
	rest, _ := io.ReadAll(io.LimitReader(s, 4<<10))
	s.Close()
	return nil, string(rest), nil
}

// send puts the binary onto the machine.
func (p Place) send(ctx context.Context, name string, b binary) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin) // what the caller has not the time for, the next one finds
	defer cancel()
	in, err := b.open()
	if err != nil {
		return workFaultOf("the server cannot read the agent that it carries", err)
	}
	defer in.Close()
	errs := &capped{}
	exit, err := p.Script(ctx, sendScript, []string{name, strconv.FormatInt(b.size, 10)}, driver.Stdio{In: in, Err: errs})
	if err != nil {
		return err
	}
	if exit != 0 {
		return workFaultOf(strings.TrimSpace(errs.text.String()), nil)
	}
	return nil
}

func noAgentFor(arch string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "AgentMissing", What: "no run can be started on the machine",
		Why: fmt.Sprintf("this server has no agent for %q: it was built without", arch), Fix: "run a server that was built by: make build",
	}
}

func workFaultOf(said string, err error) error {
	f := &fault.Error{
		Code: fault.Precondition, Reason: "AgentNotSent", What: "no run can be started on the machine",
		Why: "the agent cannot be written below the work directory", Fix: "free space there, or see who may write; run: zaffre compute show NAME", Err: err,
	}
	switch {
	case noSpace(said):
		f.Code, f.Reason, f.Why = fault.Exhausted, "DiskFull", "no space is left for the agent below the work directory"
	case said == "" && err == nil: // what was sent ended early, and nobody there complains
		f.Code, f.Why = fault.Unavailable, "the agent did not arrive as a whole below the work directory"
	}
	if said != "" {
		f.Evidence = []string{said}
	}
	return f
}

// noSpace reports whether a program said that a disk is full.
func noSpace(said string) bool {
	said = strings.ToLower(said)
	return strings.Contains(said, "no space left") || strings.Contains(said, "quota exceeded")
}

// agentFault says that the agent did not come up, in the machine's own words.
func agentFault(err error, said string) error {
	if fault.ReasonOf(err) != "" {
		return err
	}
	if noSpace(said) { // that is an answer
		return &fault.Error{
			Code: fault.Exhausted, Reason: "DiskFull", What: "the agent on the machine does not start", Why: "no space is left for it below the work directory",
			Fix: "free space on the machine, or attach the target with a workDirectory on another disk", Evidence: []string{said}, Err: err,
		}
	}
	f := &fault.Error{
		Code: fault.Unavailable, Reason: "AgentNotStarted", What: "the agent on the machine does not start",
		Why: "its process could not be started or ended at once", Fix: "look at memory, disk and processes there; run: zaffre compute ssh NAME", Err: err,
	}
	if said != "" {
		f.Evidence = []string{said}
	}
	return f
}
