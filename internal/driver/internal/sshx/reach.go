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
	conn, err := c.connect(ctx, addrs)
	if err != nil {
		return nil, t.step("tcp", err)
	}
	_ = t.step("tcp", nil, conn.RemoteAddr().String())
	return conn, nil
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
		return nil, &fault.Error{
			Code: fault.Unavailable, Reason: "NameNotFound", What: "cannot connect to " + c.Place(),
			Why: fmt.Sprintf("no DNS server knows the name %q", c.Address),
			Fix: "correct the name, or give the IP address; run: zaffre compute update NAME --address ADDRESS",
		}
	}
	return nil, &fault.Error{
		Code: fault.Unavailable, Reason: "NameServerSilent", What: "cannot connect to " + c.Place(),
		Why: fmt.Sprintf("the name %q could not be looked up: the name servers do not answer", c.Address),
		Fix: "check the DNS settings of the server's machine, or give the IP address; run: zaffre compute update NAME --address ADDRESS", Err: err,
	}
}

// connect tries the addresses in turn; each has its share of the time that is left.
func (c Config) connect(ctx context.Context, addrs []netip.Addr) (conn net.Conn, err error) {
	for i, a := range addrs {
		part := c.Timeout
		if end, ok := ctx.Deadline(); ok {
			part = time.Until(end)
		}
		d := net.Dialer{Timeout: part / time.Duration(len(addrs)-i)}
		if conn, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(c.Port)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, c.connectFault(causeOf(err), err)
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

// connectFault says why the machine cannot be reached. from is who tried it.
func (c Config) connectFault(why cause, err error) error {
	f := fault.Error{
		Code: fault.Unavailable, Reason: "ConnectFailed", What: "cannot connect to " + c.Place(),
		Why: "no TCP connection can be made", Fix: "check the address and the port", Err: err,
	}
	from := "the server's machine"
	if len(c.Via) > 0 {
		from = "the jump host"
	}
	switch why {
	case refused:
		f.Reason, f.Err = "ConnectionRefused", nil
		f.Why = fmt.Sprintf("%s refuses connections on port %d: no sshd listens there", c.Address, c.Port)
		f.Fix = "start sshd there, or give its port; run: zaffre compute update NAME --ssh-port PORT"
	case timedOut:
		f.Reason, f.Err = "ConnectTimedOut", nil
		f.Why = fmt.Sprintf("nothing answers at %s within %s: the machine is off, or a firewall drops the packets", c.Place(), c.Timeout)
		f.Fix = "switch it on, allow port " + fmt.Sprint(c.Port) + " from " + from + " in its firewall, or go through a jump host with --via"
	case unreachable:
		f.Reason, f.Err = "NetworkUnreachable", nil
		f.Why = fmt.Sprintf("there is no route from %s to %s", from, c.Address)
		f.Fix = "correct the address, or go through a jump host that reaches it with --via"
	}
	return &f
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
	f := fault.From(c.connectFault(why, nil))
	f.Evidence = append(f.Evidence, fault.From(err).Evidence...)
	if fault.ReasonOf(err) == "PeerUnknown" {
		f.Reason, f.Why = "NameNotFound", fmt.Sprintf("the jump host does not know the name %q", c.Address)
		f.Fix = "give the IP address; run: zaffre compute update NAME --address ADDRESS"
	}
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
