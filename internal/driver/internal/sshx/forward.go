package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Dial implements driver.Host: "tcp" or "unix". Where sshd forwards nothing (AllowTcpForwarding no)
// a helper on the machine makes the connection: python3, perl, socat, nc or bash.
//
// A peer that cannot be reached from the machine has the reason PeerRefused, PeerTimedOut,
// PeerUnreachable, PeerUnknown (no such name) or PeerFailed.
func (c *Conn) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := checkAddr(network, addr); err != nil {
		return nil, err
	}
	var conn net.Conn
	err := c.with(ctx, func(l *link) error {
		var err error
		conn, err = l.forward(ctx, network, addr)
		return err
	})
	no, isNo := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case err == nil:
		return conn, nil
	case !isNo:
		return nil, err
	case no.Reason == ssh.Prohibited || no.Reason == ssh.UnknownChannelType:
		return c.relay(ctx, network, addr)
	}
	return nil, peerFault(peerReason(no.Message), addr, no.Message)
}

// checkAddr refuses what cannot be dialled anywhere.
func checkAddr(network, addr string) error {
	why := ""
	switch network {
	case "unix":
		return nil
	case "tcp":
		_, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err == nil {
			return nil
		}
		why = "it is no HOST:PORT"
	default:
		why = fmt.Sprintf("there is no network %q", network)
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "AddressInvalid", What: "cannot connect to " + strconv.Quote(addr) + " from the machine",
		Why: why, Fix: `give the network "tcp" and HOST:PORT, or "unix" and a path`,
	}
}

// forward asks sshd to connect.
func (l *link) forward(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	l.streams++
	l.mu.Unlock()
	done := sync.OnceFunc(func() { l.done(&l.streams) })
	conn, err := await(ctx, l.ended, func() (net.Conn, error) { return l.client.Dial(network, addr) }, func(c net.Conn) { c.Close() })
	if err != nil {
		done()
		return nil, err
	}
	return newStream(conn, conn.(interface{ CloseWrite() error }).CloseWrite, done), nil
}

// peerReason reads why sshd, or a helper, did not reach a peer.
func peerReason(said string) string {
	low := strings.ToLower(said)
	for _, r := range []struct{ word, reason string }{
		{"refused", "PeerRefused"},
		{"timed out", "PeerTimedOut"},
		{"timeout", "PeerTimedOut"},
		{"no route", "PeerUnreachable"},
		{"unreachable", "PeerUnreachable"},
		{"not known", "PeerUnknown"},
		{"name resolution", "PeerUnknown"},
		{"unknown host", "PeerUnknown"},
		{"no address", "PeerUnknown"},
		{"nodename", "PeerUnknown"},
	} {
		if strings.Contains(low, r.word) {
			return r.reason
		}
	}
	return "PeerFailed"
}

func peerFault(reason, addr, said string) error {
	f := &fault.Error{
		Code: fault.Unavailable, Reason: reason, What: "cannot connect to " + addr + " from the machine",
		Why: "nothing can be reached there", Fix: "check the address, and that something listens there",
	}
	switch reason {
	case "PeerRefused":
		f.Why = "nothing listens there"
	case "PeerTimedOut":
		f.Why = "nothing answers there"
	case "PeerUnreachable":
		f.Why = "the machine has no route to it"
	case "PeerUnknown":
		f.Why = "the machine does not know that name"
	}
	if said = strings.TrimSpace(said); said != "" {
		f.Evidence = []string{quoted(said)}
	}
	return f
}

func helperFault(network, said string) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "ForwardingRefused", What: "cannot connect to anything from the machine",
		Why: fmt.Sprintf("its sshd forwards no %s connections, and none of python3, perl, socat, nc and bash is there to do it", network),
		Fix: "set AllowTcpForwarding yes (PermitOpen any) in its sshd_config, or install socat there", Evidence: []string{quoted(said)},
	}
}
