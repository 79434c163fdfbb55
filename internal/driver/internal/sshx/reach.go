package sshx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// reach opens a TCP connection to the machine: the checks dns and tcp, or jump-host and tcp.
func (c Config) reach(ctx context.Context, t *trace) (net.Conn, error) {
	if len(c.Via) > 0 {
		return c.reachVia(ctx, t)
	}
	addrs, err := c.resolve(ctx)
	if err = t.step("dns", err, texts(addrs)...); err != nil {
		return nil, err
	}
	conn, tried, err := c.connect(ctx, addrs)
	return conn, t.step("tcp", err, tried...)
}

func texts(addrs []netip.Addr) []string {
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}

func (c Config) resolve(ctx context.Context) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(c.Address); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", c.Address)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	if err == nil {
		return addrs, nil
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return nil, connectFault(c.Place(), fault.Unavailable, "NameNotFound", fmt.Sprintf("no DNS server knows the name %q", c.Address),
			"correct the name, or give the IP address; run: zaffre compute update NAME --address ADDRESS")
	}
	f := connectFault(c.Place(), fault.Unavailable, "NameServerSilent", fmt.Sprintf("the name %q could not be looked up: the name servers do not answer", c.Address),
		"check the DNS settings of the server's machine, or give the IP address; run: zaffre compute update NAME --address ADDRESS")
	f.Err = err
	return nil, f
}

// connectFault is why no connection to place was made.
func connectFault(place string, code fault.Code, reason, why, fix string) *fault.Error {
	return &fault.Error{Code: code, Reason: reason, What: "cannot connect to " + place, Why: why, Fix: fix}
}

// cause is why a TCP connection was not made.
type cause string

const (
	refused     cause = "refused"
	timedOut    cause = "timed out"
	unreachable cause = "unreachable"
	unknown     cause = "unknown"
)

func causeOf(err error) cause {
	e, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT), isNet && e.Timeout():
		return timedOut
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return unreachable
	}
	return unknown
}

// tcpFault says why the machine cannot be reached, from here or from the jump host.
func (c Config) tcpFault(why cause, err error) *fault.Error {
	from := "the server's machine"
	if len(c.Via) > 0 {
		from = "the jump host"
	}
	switch why {
	case refused:
		return connectFault(c.Place(), fault.Unavailable, "ConnectionRefused", fmt.Sprintf("%s refuses connections on port %d: no sshd listens there", c.Address, c.Port),
			"start sshd there, or give its port; run: zaffre compute update NAME --port PORT")
	case timedOut:
		return connectFault(c.Place(), fault.Unavailable, "ConnectTimedOut",
			fmt.Sprintf("nothing answers at %s within %s: the machine is off, or a firewall drops the packets", c.Place(), c.Timeout),
			fmt.Sprintf("switch it on, or allow port %d from %s in its firewall, or go through a jump host; run: zaffre compute update NAME --via JUMP-HOST", c.Port, from))
	case unreachable:
		return connectFault(c.Place(), fault.Unavailable, "NetworkUnreachable", fmt.Sprintf("there is no route from %s to %s", from, c.Address),
			"correct the address, or go through a jump host that reaches it; run: zaffre compute update NAME --via JUMP-HOST")
	}
	f := connectFault(c.Place(), fault.Unavailable, "ConnectFailed", "no TCP connection can be made", "check the address and the port")
	f.Err = err
	return f
}

// reachVia dials through the first jump host that can.
func (c Config) reachVia(ctx context.Context, t *trace) (net.Conn, error) {
	var failed error
	beyond := false
	for i, host := range c.Via {
		part, cancel := share(ctx, len(c.Via)-i)
		conn, err := host.Dial(part, "tcp", c.Place())
		cancel()
		if err == nil {
			_ = t.step("jump-host", nil)
			_ = t.step("tcp", nil, "through jump host "+fmt.Sprint(i+1))
			return conn, nil
		}
		if why, ok := peerCause(err); ok && !beyond {
			failed, beyond = c.viaFault(why, err), true
		}
		if failed == nil {
			failed = c.jumpFault(ctx, err)
		}
	}
	if beyond {
		_ = t.step("jump-host", nil)
		return nil, t.step("tcp", failed)
	}
	return nil, t.step("jump-host", failed)
}

// share returns a context with a part of the time that is left.
func share(ctx context.Context, parts int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || parts <= 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(parts))
}

// peerCause reports why the machine beyond a jump host could not be reached, or false if the jump
// host itself failed.
func peerCause(err error) (cause, bool) {
	switch fault.ReasonOf(err) {
	case "PeerRefused":
		return refused, true
	case "PeerTimedOut":
		return timedOut, true
	case "PeerUnreachable":
		return unreachable, true
	case "PeerUnknown", "PeerFailed", "DialFailed":
		return unknown, true
	}
	return "", false
}

func (c Config) viaFault(why cause, err error) error {
	f := c.tcpFault(why, nil)
	if fault.ReasonOf(err) == "PeerUnknown" {
		f = connectFault(c.Place(), fault.Unavailable, "NameNotFound", fmt.Sprintf("the jump host does not know the name %q", c.Address),
			"give the IP address; run: zaffre compute update NAME --address ADDRESS")
	}
	f.Evidence = fault.From(err).Evidence
	return f
}

// jumpFault says that the jump host is the problem.
func (c Config) jumpFault(ctx context.Context, err error) error {
	e := fault.From(err)
	if e.Reason == "ForwardingRefused" {
		return &fault.Error{
			Code: fault.Denied, Reason: "JumpHostRefuses", What: "cannot connect to " + c.Place(),
			Why: "the jump host lets nobody connect through it: " + e.Why, Fix: e.Fix, Evidence: e.Evidence,
		}
	}
	why := strings.TrimSuffix(e.What+": "+e.Why, ": ")
	if ctx.Err() != nil {
		why = "it did not connect within " + c.Timeout.String()
	}
	return &fault.Error{
		Code: fault.Unavailable, Reason: "JumpHostDown", What: "cannot connect to " + c.Place(),
		Why: "the jump host cannot be used: " + why, Fix: "look at the jump host first; run: zaffre compute check JUMP-HOST",
		Evidence: append([]string{e.Reason}, e.Evidence...),
	}
}

var _ driver.Host = (*Conn)(nil)
