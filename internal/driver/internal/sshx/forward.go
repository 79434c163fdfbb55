package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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
		conn, err = c.relay(ctx, network, addr)
		if fault.ReasonOf(err) == "ForwardingRefused" {
			c.retire(ctx) // sshd holds to what its settings were when the connection was made
		}
		return conn, err
	}
	return nil, peerFault(addr, no.Message)
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

// peerFault reads why sshd, or a helper, did not reach a peer.
func peerFault(addr, said string) error {
	low := strings.ToLower(said)
	is := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(low, w) })
	}
	f := dialFault(addr, "PeerFailed", "nothing can be reached there", "check the address, and that something listens there")
	switch {
	case is("refused"):
		f = dialFault(addr, "PeerRefused", "nothing listens there", "start what should listen there")
	case is("timed out", "timeout"):
		f = dialFault(addr, "PeerTimedOut", "nothing answers there", "check the address, and the firewalls in between")
	case is("no route", "unreachable"):
		f = dialFault(addr, "PeerUnreachable", "the machine has no route to it", "check the address, and the machine's routes")
	case is("not known", "name resolution", "unknown host", "no address", "nodename"):
		f = dialFault(addr, "PeerUnknown", "the machine does not know that name", "give the IP address")
	}
	if said = strings.TrimSpace(said); said != "" {
		f.Evidence = []string{quoted(said)}
	}
	return f
}

func dialFault(addr, reason, why, fix string) *fault.Error {
	return &fault.Error{Code: fault.Unavailable, Reason: reason, What: "cannot connect to " + addr + " from the machine", Why: why, Fix: fix}
}

func helperFault(network, said string) error {
	return &fault.Error{
		Code: fault.Denied, Reason: "ForwardingRefused", What: "cannot connect to anything from the machine",
		Why: fmt.Sprintf("its sshd forwards no %s connections, and none of python3, perl, socat, nc and bash is there to do it", network),
		Fix: "set AllowTcpForwarding yes (PermitOpen any) in its sshd_config, or install socat there", Evidence: []string{quoted(said)},
	}
}
