package main

import (
	"context"
	"fmt"
	"time"

	"github.com/zaffre-ml/zaffre/test/chaos/lab"
	"github.com/zaffre-ml/zaffre/test/rig"
)

// strike does all that is planned. What goes on beside the rest is undone in its own time.
func (t *linkTrial) strike(ctx context.Context, plan []blow) error {
	for i, b := range plan {
		t.log.Printf("%3d %s", i+1, b)
		t.mu.Lock()
		t.did[b.what]++
		t.mu.Unlock()
		if err := t.hit(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", b, err)
		}
		if err := wait(ctx, b.then); err != nil {
			return err
		}
	}
	return nil
}

func (t *linkTrial) hit(ctx context.Context, b blow) error {
	addr := lab.All
	var m *lab.Machine
	if b.machine >= 0 {
		m = t.farm[b.machine]
		addr = m.Address
	}
	switch b.what {
	case cutDrop, cutAll:
		return t.cut(ctx, b, lab.Drop(addr))
	case cutRefuse:
		return t.cut(ctx, b, lab.Refuse(addr))
	case cutCable:
		return t.cut(ctx, b, lab.Unplug())
	case losePackets:
		return t.beside(ctx, b, lab.Lose(addr, t.part).Begin, lab.Lose(addr, t.part).End)
	case fillDisk:
		return t.beside(ctx, b, m.Fill, m.Free)
	case killServer:
		return t.killServer(ctx)
	case killAgent:
		lab.Kill(m.Agents())
	case killSessions:
		lab.Kill(m.Sessions())
	case jumpServer:
		return lab.Jump(t.server.PID, t.jump())
	case jumpMachine:
		t.jumpAll(m)
	}
	return nil
}

// cut has a fault of the link for a while.
func (t *linkTrial) cut(ctx context.Context, b blow, f lab.Fault) error {
	if err := f.Begin(); err != nil {
		return err
	}
	waited := wait(ctx, b.lasts)
	if err := f.End(); err != nil {
		return err
	}
	return waited
}

func (t *linkTrial) beside(ctx context.Context, b blow, begin, end func() error) error {
	if err := begin(); err != nil {
		return err
	}
	t.undoing.Go(func() {
		_ = wait(ctx, b.lasts)
		if err := end(); err != nil {
			t.flaw("%s cannot be undone: %v", b, err)
		}
		t.log.Printf("    end of: %s", b)
	})
	return nil
}

// killServer kills the server and starts it as a service manager does, which tries again.
func (t *linkTrial) killServer(ctx context.Context) error {
	t.server.Kill()
	killed := time.Now()
	for try := 0; ; try++ {
		s, err := rig.Start(ctx, t.o)
		if err == nil {
			t.server, t.ready = s, t.ready+time.Since(killed)
			return nil
		}
		if try == 3 || wait(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// jump is by how much a clock is off, from the true time.
func (t *linkTrial) jump() time.Duration {
	return []time.Duration{jumps, -jumps, 90 * time.Second, -90 * time.Second, 0}[t.random.IntN(5)]
}

// jumpAll sets the clocks of all processes of a machine. One that ends meanwhile has none.
func (t *linkTrial) jumpAll(m *lab.Machine) {
	d := t.jump()
	for _, p := range m.Processes() {
		if err := lab.Jump(p.PID, d); err != nil {
			if _, lives := rig.Look(p.PID); lives {
				t.log.Printf("    %v", err)
			}
		}
	}
}
