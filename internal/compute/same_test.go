package compute_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/domaintest"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// computer is one of the machines that there are.
type computer struct {
	key, image string // its host key, its machine-id
	boot       int
	down       bool
}

// net is where addresses lead to. An address is whatever leads there: through a bastion, through NAT.
type net struct {
	*compute.Service
	computers map[string]*computer
	routes    map[string]string // by address
	looks     map[string]int    // by address
}

func newNet(t testing.TB, dir string) *net {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := sqlstore.OpenWith(t.Context(), "sqlite:"+filepath.Join(dir, "zaffre.db"), log, sqlstore.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := secret.OpenKeyring(filepath.Join(dir, "keys"), true)
	if err != nil {
		t.Fatal(err)
	}
	n := &net{computers: map[string]*computer{}, routes: map[string]string{}, looks: map[string]int{}}
	n.Service = compute.New(compute.Config{Targets: db.Targets(), Box: box, Kinds: []driver.Kind{n.kind()}, Log: log})
	t.Cleanup(n.Close)
	return n
}

func (n *net) kind() driver.Kind {
	return driver.Kind{
		Name: "fake", Prototype: (*netConn)(nil), Options: []driver.Option{{Path: "address", Type: driver.String}},
		Connect: func(_ context.Context, t driver.Target) (driver.Conn, error) {
			return &netConn{n, t.Options["address"].(string), t.Pinned["hostKey"]}, nil
		},
	}
}

type netConn struct {
	*net
	address, pinned string
}

func (c *netConn) Close() error { return nil }

// Observe sees what sshvm sees.
func (c *netConn) Observe(context.Context) (driver.Observation, error) {
	c.looks[c.address]++
	m := c.computers[c.routes[c.address]]
	if m == nil || m.down {
		return driver.Observation{}, &fault.Error{Code: fault.Unavailable, Reason: "ConnectTimedOut", What: "w", Why: "y", Fix: "f"}
	}
	pin := map[string]string{"hostKey": m.key}
	if c.pinned != "" && c.pinned != m.key {
		return driver.Observation{Pin: pin}, &fault.Error{Code: fault.Precondition, Reason: "HostKeyChanged", What: "w", Why: "y", Fix: "f"}
	}
	c.pinned = m.key // for as long as the connection lives
	identity := fmt.Sprintf("ssh/%s/%s-%d", m.key, c.routes[c.address], m.boot)
	return driver.Observation{
		Exists: true, Ready: true, Identity: identity, Lasting: "machine/" + m.image, Pin: pin, Machines: []driver.Machine{{Identity: identity, Runs: 1}},
	}, nil
}

// attach attaches an address and looks at it; it returns the reason why it failed.
func (n *net) attach(t failer, ctx context.Context, name, address string, shared bool) string {
	q := request(name, map[string]any{"address": address})
	q.Shared = shared
	if _, _, err := n.Attach(owner(ctx), q); err != nil {
		t.Fatal(err)
	}
	return n.look(t, ctx, name)
}

type failer interface{ Fatal(...any) }

func (n *net) look(t failer, ctx context.Context, name string) string {
	target, err := n.Check(owner(ctx), key(name))
	if err != nil {
		t.Fatal(err)
	}
	return unready(target)
}

// unready returns why a target takes no runs, "" if it does.
func unready(t compute.Target) string {
	for _, c := range t.Status.Conditions {
		if c.Type == "Ready" && !c.OK {
			return c.Reason
		}
	}
	return ""
}

func TestTheSameComputer(t *testing.T) {
	t.Parallel()
	one := func() *computer { return &computer{key: "K", image: "I"} }
	for _, tt := range []struct {
		reason string
		second *computer         // stands at b, instead of the first
		happen func(*net)        // after a was attached
		want   map[string]string // why a and b take no runs
	}{
		{"two addresses, or two bastions", nil, nil, map[string]string{"b": "SameComputer"}},
		{"two computers behind one address of a NAT", &computer{key: "K2", image: "I2"}, nil, nil},
		{"a clone with a key of its own", &computer{key: "K2", image: "I"}, nil, nil},
		{"a clone with a key of its own, while the first is away", &computer{key: "K2", image: "I"}, func(n *net) { n.computers["m"].down = true }, map[string]string{"a": "ConnectTimedOut"}},
		{"a clone with the same key", one(), nil, nil},
		{"a clone with the same key, which cannot be told from the first while that is away", one(), func(n *net) { n.computers["m"].down = true }, map[string]string{"a": "ConnectTimedOut", "b": "SameComputer"}},
		{"it was started anew since it was looked at", nil, func(n *net) { n.computers["m"].boot++ }, map[string]string{"b": "SameComputer"}},
		{"it was started anew with another address", nil, func(n *net) { n.computers["m"].boot++; delete(n.routes, "a") }, map[string]string{"a": "ConnectTimedOut", "b": "SameComputer"}},
		{"another computer has its old address", nil, func(n *net) {
			n.computers["m"].boot++
			n.computers["x"], n.routes["a"] = &computer{key: "KX", image: "IX"}, "x"
		}, map[string]string{"a": "HostKeyChanged", "b": "SameComputer"}},
		{"it was set up anew, with keys and all", nil, func(n *net) { *n.computers["m"] = computer{key: "K2", image: "I2"} }, map[string]string{"a": "HostKeyChanged"}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			n := newNet(t, t.TempDir())
			n.computers["m"], n.routes["a"], n.routes["b"] = one(), "m", "m"
			if tt.second != nil {
				n.computers["m2"], n.routes["b"] = tt.second, "m2"
			}
			if got := n.attach(t, t.Context(), "first", "a", false); got != "" {
				t.Fatal(got)
			}
			if tt.happen != nil {
				tt.happen(n)
			}
			b := n.attach(t, t.Context(), "second", "b", false)
			for range 2 { // the second look says what the first said
				if a := n.look(t, t.Context(), "first"); a != tt.want["a"] || b != tt.want["b"] {
					t.Errorf("a: %q, b: %q, want %v", a, b, tt.want)
				}
				b = n.look(t, t.Context(), "second")
			}
			if got := n.attach(t, t.Context(), "third", "b", true); got != "" {
				t.Errorf("as shared: %s", got)
			}
			if tt.want["b"] != "SameComputer" {
				return
			}
			if _, err := n.Detach(owner(t.Context()), key("first"), compute.DetachOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
			if got := n.look(t, t.Context(), "second"); got != "" {
				t.Errorf("without a: %s", got)
			}
		})
	}
}

// TestAwayIsSaid checks what is told of a holder that is away, and that the way back heals.
func TestAwayIsSaid(t *testing.T) {
	t.Parallel()
	n := newNet(t, t.TempDir())
	n.computers["m"], n.computers["m2"] = &computer{key: "K", image: "I"}, &computer{key: "K", image: "I"}
	n.routes["a"], n.routes["b"] = "m", "m2"
	n.attach(t, t.Context(), "first", "a", false)
	n.computers["m"].down = true
	n.attach(t, t.Context(), "second", "b", false)
	b, err := n.Get(owner(t.Context()), key("second"))
	if e := b.Status.Error; err != nil || e == nil || !strings.Contains(e.Why, `"first", which does not answer now`) || !strings.Contains(e.Fix, "zaffre compute detach --force first") {
		t.Fatalf("%v, %+v", err, e)
	}
	looks := n.looks["a"]
	n.look(t, t.Context(), "second")
	if n.looks["a"] != looks {
		t.Error("a target that did not answer is tried again by those that ask for it")
	}
	n.computers["m"].down = false
	if a, b := n.look(t, t.Context(), "first"), n.look(t, t.Context(), "second"); a+b != "" {
		t.Errorf("both answer: a %q, b %q", a, b)
	}
	// Both were judged: a restart of one while the other is away changes nothing.
	n.computers["m"].down = true
	n.computers["m2"].boot++
	if b := n.look(t, t.Context(), "second"); b != "" {
		t.Errorf("after its restart: %s", b)
	}
}

// TestOneComputerOneTarget does what can happen in any order, and then lets everything be looked at.
func TestOneComputerOneTarget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := newNet(t, t.TempDir())
		defer n.Close()
		n.computers = map[string]*computer{
			"m1": {key: "K1", image: "I"}, "m2": {key: "K2", image: "I"}, "m3": {key: "K2", image: "I"}, "m4": {key: "K4", image: "I4"},
		}
		ctx, attached := owner(t.Context()), map[string]bool{}
		address := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		machine := rapid.SampledFrom([]string{"m1", "m2", "m3", "m4"})
		name := rapid.SampledFrom([]string{"t1", "t2", "t3", "t4"})
		rt.Repeat(map[string]func(*rapid.T){
			"route":   func(rt *rapid.T) { n.routes[address.Draw(rt, "a")] = machine.Draw(rt, "m") },
			"power":   func(rt *rapid.T) { m := n.computers[machine.Draw(rt, "m")]; m.down = !m.down },
			"restart": func(rt *rapid.T) { n.computers[machine.Draw(rt, "m")].boot++ },
			"attach": func(rt *rapid.T) {
				if who := name.Draw(rt, "t"); !attached[who] {
					attached[who] = true
					n.attach(rt, t.Context(), who, address.Draw(rt, "a"), rapid.Bool().Draw(rt, "shared"))
				}
			},
			"look": func(rt *rapid.T) {
				if who := name.Draw(rt, "t"); attached[who] {
					n.look(rt, t.Context(), who)
				}
			},
			"detach": func(rt *rapid.T) {
				if who := name.Draw(rt, "t"); attached[who] {
					delete(attached, who)
					if _, err := n.Detach(ctx, key(who), compute.DetachOptions{Force: true}); err != nil {
						rt.Fatal(err)
					}
				}
			},
		})
		for range 3 {
			for who := range attached {
				n.look(rt, t.Context(), who)
			}
		}
		n.checkOneEach(rt, ctx)
	})
}

// checkOneEach checks that no computer is that of two targets, and that none is refused without need.
func (n *net) checkOneEach(rt *rapid.T, ctx context.Context) {
	list, _, err := n.List(ctx, compute.Filter{Workspace: domaintest.Workspace}, store.Page{Limit: 100})
	if err != nil {
		rt.Fatal(err)
	}
	holder := map[string]string{}
	for _, t := range list {
		at := n.routes[t.Spec.Options["address"].(string)]
		switch reason := unready(t); {
		case t.Spec.Shared && reason == "SameComputer":
			rt.Errorf("%s is refused though it is shared", t.Name)
		case reason == "SameComputer":
			if m := n.computers[at]; m == nil || !n.othersHave(list, t, m.key) {
				rt.Errorf("%s is refused, and no other has the key", t.Name)
			}
		case reason == "" && !t.Spec.Shared && holder[at] != "":
			rt.Errorf("%s and %s both stand for %s", holder[at], t.Name, at)
		case reason == "" && !t.Spec.Shared:
			holder[at] = t.Name
		}
	}
}

// othersHave reports whether another target is held to the key.
func (n *net) othersHave(list []compute.Target, t compute.Target, key string) bool {
	return slices.ContainsFunc(list, func(o compute.Target) bool {
		return o.Name != t.Name && !o.Spec.Shared && o.Status.Pinned["hostKey"] == key
	})
}
