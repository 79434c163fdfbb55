package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zaffre-ml/zaffre/test/chaos/lab"
)

// blow is one thing that is done to the server, a machine, or the link between them.
type blow struct {
	what    string
	machine int           // -1: all, or none
	lasts   time.Duration // then it is undone; 0: it is done at once
	then    time.Duration // quiet time after it
}

func (b blow) String() string {
	s := b.what
	if b.machine >= 0 {
		s += fmt.Sprintf(" m%03d", b.machine+1)
	}
	if b.lasts > 0 {
		s += fmt.Sprintf(" for %s", b.lasts.Round(time.Millisecond))
	}
	return s
}

// Blows. A cut is one of the first four.
const (
	cutDrop   = "drop"
	cutRefuse = "refuse"
	cutAll    = "drop all"
	cutCable  = "unplug"

	killServer   = "kill the server"
	killAgent    = "kill the agent"
	killSessions = "kill the sessions of sshd"
	jumpServer   = "set the server's clock"
	jumpMachine  = "set the clock"
	losePackets  = "lose packets"
	fillDisk     = "fill the disk"
)

// schedule plans all blows. Packets are lost, and a disk is full, while the others go on.
func schedule(o linkOptions, r *rand.Rand) []blow {
	var list []blow
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(r.Int64N(int64(high-low))) }
	add := func(n int, make func(i int) blow) {
		for i := range n {
			b := make(i)
			b.then = between(200*time.Millisecond, 2500*time.Millisecond)
			list = append(list, b)
		}
	}
	add(o.cuts, func(i int) blow {
		b := blow{what: []string{cutDrop, cutRefuse, cutDrop, cutAll, cutCable}[i%5], machine: r.IntN(o.machines), lasts: between(200*time.Millisecond, 3*time.Second)}
		if b.what == cutAll || b.what == cutCable {
			b.machine = -1
		}
		switch {
		case o.long && i%25 == 12: // longer than a connection that is not heard of
			b.lasts = between(30*time.Second, 40*time.Second)
		case o.long && i%10 == 7: // longer than it takes to connect
			b.lasts = between(8*time.Second, 12*time.Second)
		}
		return b
	})
	anywhere := func(what string) func(int) blow {
		return func(int) blow { return blow{what: what, machine: r.IntN(o.machines)} }
	}
	add(o.kills, func(int) blow { return blow{what: killServer, machine: -1} })
	add(o.others, anywhere(killAgent))
	add(o.others, anywhere(killSessions))
	if lab.CanJump {
		add(o.others, func(i int) blow {
			if i%2 == 0 {
				return blow{what: jumpServer, machine: -1}
			}
			return anywhere(jumpMachine)(i)
		})
	}
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return beside(list, blow{what: losePackets, machine: r.IntN(o.machines), lasts: o.loss}, blow{what: fillDisk, machine: r.IntN(o.machines), lasts: o.full})
}

// beside spreads blows that go on beside the others among them.
func beside(list []blow, more ...blow) []blow {
	for i, b := range more {
		if b.lasts == 0 {
			continue
		}
		at := len(list) * (i + 1) / (len(more) + 2)
		list = append(list[:at], append([]blow{b}, list[at:]...)...)
	}
	return list
}
