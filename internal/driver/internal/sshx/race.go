package sshx

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// nextAfter is how long an address may be silent until the next is tried beside it: RFC 8305, 8.
	nextAfter = 250 * time.Millisecond
	maxAddrs  = 8 // of a name
)

// attempt is what came of one address.
type attempt struct {
	addr netip.Addr
	conn net.Conn
	err  error
}

// connect tries the addresses one after the other, IPv6 and IPv4 in turn, the next as soon as one
// fails or is silent for a while. It returns the first connection, and which addresses were tried.
func (c Config) connect(ctx context.Context, addrs []netip.Addr) (net.Conn, []string, error) {
	addrs = inTurn(addrs)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	results := make(chan attempt, len(addrs))
	started, failed := 0, []attempt{}
	defer func() {
		cancel()
		go drop(results, started-len(failed))
	}()
	dial := func() {
		a := addrs[started]
		started++
		go func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(c.Port)).String())
			results <- attempt{a, conn, err}
		}()
	}
	dial()
	for {
		var next <-chan time.Time
		if started < len(addrs) {
			next = time.After(nextAfter)
		}
		select {
		case a := <-results:
			failed = append(failed, a)
			switch {
			case a.err == nil:
				return a.conn, append([]string{a.conn.RemoteAddr().String()}, c.tried(failed, addrs[:started])...), nil
			case started < len(addrs):
				dial()
			case len(failed) == started:
				err := telling(failed)
				f := c.tcpFault(causeOf(err), err)
				if len(addrs) > 1 {
					f.Evidence = c.tried(failed, addrs)
				}
				return nil, nil, f
			}
		case <-next:
			dial()
		}
	}
}

// drop closes connections that came too late.
func drop(results <-chan attempt, n int) {
	for range n {
		if a := <-results; a.conn != nil {
			a.conn.Close()
		}
	}
}

// inTurn sorts addresses so that the families take turns, beginning with that of the first.
func inTurn(addrs []netip.Addr) []netip.Addr {
	var own, other, out []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			own = append(own, a)
		} else {
			other = append(other, a)
		}
	}
	for i := range addrs {
		out = append(out, own[min(i, len(own)):min(i+1, len(own))]...)
		out = append(out, other[min(i, len(other)):min(i+1, len(other))]...)
	}
	return out[:min(len(out), maxAddrs)]
}

// telling is the error that tells most: who refuses is there.
func telling(failed []attempt) error {
	order := []cause{refused, timedOut, unreachable, unknown}
	return slices.MinFunc(failed, func(a, b attempt) int {
		return cmp.Compare(slices.Index(order, causeOf(a.err)), slices.Index(order, causeOf(b.err)))
	}).err
}

// tried says what came of each address but the one that was taken.
func (c Config) tried(ended []attempt, addrs []netip.Addr) []string {
	var list []string
	for _, a := range addrs {
		place, what := netip.AddrPortFrom(a, uint16(c.Port)).String(), "silent"
		if i := slices.IndexFunc(ended, func(e attempt) bool { return e.addr == a }); i >= 0 {
			if ended[i].err == nil {
				continue
			}
			what = string(causeOf(ended[i].err))
		}
		list = append(list, fmt.Sprintf("tried %s: %s", place, what))
	}
	return list
}
