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

// cache keeps tokens for a while, so that a request costs no look into the database.
type cache struct {
	mu     sync.Mutex
	tokens map[string]cached
	epoch  int // counts revocations: what was read before one is not kept after it
}

type cached struct {
	token Token
	until time.Time
}

func (s *Service) lookup(ctx context.Context, tokenID string) (Token, error) {
	t, epoch, ok := s.cache.get(tokenID)
	if ok {
		return t, nil
	}
	t, err := s.Tokens.Get(ctx, store.Key{Name: tokenID})
	if err == nil {
		s.cache.put(t, epoch)
	}
	return t, err
}

func (c *cache) get(tokenID string) (Token, int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.tokens[tokenID]
	return e.token, c.epoch, ok && time.Now().Before(e.until)
}

func (c *cache) put(t Token, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if c.tokens == nil || len(c.tokens) >= cacheSize {
		c.tokens = map[string]cached{}
	}
	c.tokens[t.ID] = cached{t, time.Now().Add(cacheFor)}
}

func (c *cache) forget(tokenID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tokens, tokenID)
	c.epoch++
}
