package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// hashAll sets the hash of each entry, from the cache where it can.
func hashAll(ctx context.Context, root string, entries []*entry, c *hashCache, reading func(string, int64)) error {
	var todo []*entry
	for _, e := range entries {
		sum, ok := c.find(e)
		switch {
		case e.Mode == ModeLink:
			e.sum = sha256.Sum256([]byte(e.target))
		case ok:
			e.sum = sum
		default:
			todo = append(todo, e)
			continue
		}
		e.Hash = hex.EncodeToString(e.sum[:])
	}
	h := &hasher{root: root, cache: c, reading: reading}
	return h.settled(ctx, todo)
}

// hasher reads files.
type hasher struct {
	root    string
	cache   *hashCache
	reading func(path string, size int64)
}

// settled reads the entries, those last that were changed a moment ago, so that their time of
// change has passed by then: see stamp.settledBy.
func (h *hasher) settled(ctx context.Context, entries []*entry) error {
	var old, fresh []*entry
	now := time.Now()
	for _, e := range entries {
		if e.stamp.settledBy(now) {
			old = append(old, e)
		} else {
			fresh = append(fresh, e)
		}
	}
	if err := h.parallel(ctx, old); err != nil || len(fresh) == 0 {
		return err
	}
	select {
	case <-time.After(tick):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return h.parallel(ctx, fresh)
}

func (h *hasher) parallel(ctx context.Context, entries []*entry) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *entry)
	var wg sync.WaitGroup
	for range min(2*runtime.GOMAXPROCS(0), len(entries)) {
		wg.Go(func() {
			sum, buf := sha256.New(), make([]byte, 128<<10)
			for e := range work {
				if err := h.file(e, sum, buf); err != nil {
					cancel(err)
				}
			}
		})
	}
	feed(ctx, entries, work)
	wg.Wait()
	return context.Cause(ctx)
}

func feed(ctx context.Context, entries []*entry, work chan<- *entry) {
	defer close(work)
	for _, e := range entries {
		select {
		case work <- e:
		case <-ctx.Done():
			return
		}
	}
}

func (h *hasher) file(e *entry, sum hash.Hash, buf []byte) error {
	if h.reading != nil {
		h.reading(e.Path, e.Size)
	}
	start := time.Now()
	f, err := os.Open(filepath.Join(h.root, e.Path))
	if err != nil {
		return unreadable(e.Path, err)
	}
	defer f.Close()
	sum.Reset()
	// The wrappers keep io.CopyBuffer from leaving the buffer aside.
	n, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{f}, buf)
	if err != nil {
		return unreadable(e.Path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return unreadable(e.Path, err)
	}
	if s := stampOf(info); s != e.stamp || n != e.Size {
		return changed(e.Path, fmt.Sprintf("it had %d bytes, and %d a moment later", e.Size, n))
	}
	sum.Sum(e.sum[:0])
	e.Hash = hex.EncodeToString(e.sum[:])
	e.trusted = e.stamp.settledBy(start)
	return nil
}
