package sqlstore

import (
	"strings"
	"sync"
)

// news is what a transaction has to tell after its commit.
type news struct {
	woken  []string // kinds
	events []place
}

// place is a subject in a workspace; "" is any.
type place struct{ workspace, subject string }

// hub tells those who wait of what was committed. Its zero value is ready.
type hub struct {
	mu    sync.Mutex
	woken map[string]chan struct{}
	subs  map[place]map[chan struct{}]struct{}
}

func (h *hub) tell(n news) {
	if len(n.woken) == 0 && len(n.events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kind := range n.woken {
		if c := h.woken[kind]; c != nil {
			signal(c)
		}
	}
	if len(h.subs) == 0 {
		return
	}
	for _, e := range n.events {
		h.tellEvent(e.workspace, e.subject)
	}
}

// tellEvent signals the subscribers of a subject, of all its prefixes and of any.
func (h *hub) tellEvent(workspace, subject string) {
	h.signal(workspace, subject)
	for i := range len(subject) {
		if subject[i] == '/' && i+1 < len(subject) {
			h.signal(workspace, subject[:i+1])
		}
	}
	if subject != "" {
		h.signal(workspace, "")
	}
}

func (h *hub) signal(workspace, subject string) {
	for c := range h.subs[place{workspace, subject}] {
		signal(c)
	}
	for c := range h.subs[place{"", subject}] {
		signal(c)
	}
}

// signal leaves a token in a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Woken implements store.Queue. All callers share one channel per kind.
func (d *DB) Woken(kind string) <-chan struct{} {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if d.hub.woken == nil {
		d.hub.woken = map[string]chan struct{}{}
	}
	if d.hub.woken[kind] == nil {
		d.hub.woken[strings.Clone(kind)] = make(chan struct{}, 1)
	}
	return d.hub.woken[kind]
}

// Subscribe implements store.Events; the subject "" is any. It sees what this process commits.
func (d *DB) Subscribe(workspace, subject string) (changed <-chan struct{}, stop func()) {
	p, c := place{workspace, subject}, make(chan struct{}, 1)
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if d.hub.subs == nil {
		d.hub.subs = map[place]map[chan struct{}]struct{}{}
	}
	if d.hub.subs[p] == nil {
		d.hub.subs[p] = map[chan struct{}]struct{}{}
	}
	d.hub.subs[p][c] = struct{}{}
	return c, func() { d.hub.unsubscribe(p, c) }
}

func (h *hub) unsubscribe(p place, c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs[p], c)
	if len(h.subs[p]) == 0 {
		delete(h.subs, p)
	}
}
