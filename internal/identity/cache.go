package identity

import (
	"context"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

const (
	cacheFor  = 10 * time.Second
	cacheSize = 4096
)

// cache keeps records for a while, so that a request costs no look into the database.
type cache[T any] struct {
	mu      sync.Mutex
	records map[string]cached[T]
	epoch   int // counts revocations: what was read before one is not kept after it
}

type cached[T any] struct {
	record T
	until  time.Time
}

func (s *Service) lookup(ctx context.Context, tokenID string) (Token, error) {
	t, epoch, ok := s.tokens.get(tokenID)
	if ok {
		return t, nil
	}
	t, err := s.Tokens.Get(ctx, store.Key{Name: tokenID})
	if err == nil {
		s.tokens.put(t.ID, t, epoch)
	}
	return t, err
}

func (c *cache[T]) get(id string) (T, int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.records[id]
	return e.record, c.epoch, ok && time.Now().Before(e.until)
}

func (c *cache[T]) put(id string, v T, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if c.records == nil || len(c.records) >= cacheSize {
		c.records = map[string]cached[T]{}
	}
	c.records[id] = cached[T]{v, time.Now().Add(cacheFor)}
}

func (c *cache[T]) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.records, id)
	c.epoch++
}
