package drivertest

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// testProvision makes a target, twice; takes it away, twice; and makes it again.
func testProvision(e *env) {
	if e.Made == nil {
		e.Skip("the harness has nothing to make")
	}
	conn, err := e.Kind.Connect(e.ctx, *e.Made)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = conn.Close() })
	p := as[driver.Provisioner](e, conn)
	e.nothingMade(p)
	e.make(p)
	first := e.observe(p)
	e.make(p)
	var diff string
	same := Until(e.ctx, func() bool { // the engine may write down only later how much of it is used
		second := e.observe(p)
		if second.Identity != first.Identity {
			e.Errorf("made twice, it is %q, and was %q", second.Identity, first.Identity)
		}
		diff = cmp.Diff(first.Facts, second.Facts)
		first.Facts = second.Facts
		return diff == ""
	})
	if !same {
		e.Errorf("looked at twice, it is another (-first +second):\n%s", diff)
	}
	if first.Identity == e.observe(e.conn).Identity {
		e.Errorf("what is made is the engine itself: %q", first.Identity)
	}
	e.wouldGo(p)
	e.unmake(p)
	e.nothingMade(p)
	e.make(p)
	e.unmake(p)
}

func (e *env) make(p driver.Provisioner) {
	e.Helper()
	if err := p.Create(e.ctx); err != nil {
		e.Fatalf("Create: %v", err)
	}
}

// nothingMade checks that deleting finds nothing.
func (e *env) nothingMade(p driver.Provisioner) {
	e.Helper()
	if items, err := p.Delete(e.ctx, false); err != nil || len(items) > 0 {
		e.Errorf("Delete of what is not there = %+v, %v", items, err)
	}
}

// wouldGo checks that a dry run names what is there, and takes nothing.
func (e *env) wouldGo(p driver.Provisioner) {
	e.Helper()
	items, err := p.Delete(e.ctx, true)
	if err != nil || len(items) == 0 {
		e.Errorf("Delete, dry = %+v, %v, want what is there", items, err)
	}
	for _, it := range items {
		if it.Removed || it.Type == "" || it.Name == "" {
			e.Errorf("item %+v of a dry run", it)
		}
	}
	if o := e.observe(p); !o.Ready {
		e.Errorf("after a dry run it is %+v", o)
	}
}

// unmake deletes until nothing is left.
func (e *env) unmake(p driver.Provisioner) {
	e.Helper()
	var items []driver.Item
	if !Until(e.ctx, func() (gone bool) {
		var err error
		if items, err = p.Delete(e.ctx, false); err != nil {
			e.Fatalf("Delete: %v", err)
		}
		return !slices.ContainsFunc(items, func(it driver.Item) bool { return !it.Removed })
	}) {
		e.Fatalf("these do not go: %+v", items)
	}
}
