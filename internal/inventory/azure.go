package inventory

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Azure is asked what stands behind resource IDs that the inventory does not know.
type Azure interface {
	// Find returns fields of an entry by their names, without secrets. It ends by itself within seconds,
	// and fails with fault.NotFound for what is not there, fault.Unsupported for types that it does not
	// know, fault.Unavailable where asking again may help. Why has what Azure said.
	Find(ctx context.Context, r id.Resource) (map[string]string, error)
}

// For how long an answer of Azure counts. Targets that stand on it are looked at every minute.
const (
	freshFor   = 5 * time.Minute
	missingFor = time.Minute
	refusedFor = 5 * time.Minute // who shows bad credentials often is locked out
	awayFor    = 15 * time.Second
	// maxAnswers bounds what is kept: anyone with a right to attach can ask for any ID.
	maxAnswers = 4096
)

// answers keeps what Azure said, per workspace and resource. Where Azure is away, its last good answer
// counts on.
type answers struct {
	azure Azure
	mu    sync.Mutex
	kept  map[string]*answer
}

type answer struct {
	mu    sync.Mutex        // held while asking, so that one asks for all
	good  map[string]string // nil beside err
	last  map[string]string // the last good one: what targets may still be connected by
	err   error
	until time.Time
}

func newAnswers(a Azure) *answers { return &answers{azure: a, kept: map[string]*answer{}} }

// of returns the place of an answer.
func (a *answers) of(key string) *answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.kept[key]; found != nil {
		return found
	}
	if len(a.kept) >= maxAnswers {
		clear(a.kept)
	}
	made := &answer{}
	a.kept[key] = made
	return made
}

// find returns what Azure says, and whether that differs from what it said before.
func (a *answers) find(ctx context.Context, workspace string, r id.Resource) (fields map[string]string, changed bool, err error) {
	k := a.of(workspace + " " + r.Key())
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Now().Before(k.until) {
		return k.good, false, k.err
	}
	found, err := a.azure.Find(ctx, r)
	if err != nil && ctx.Err() != nil {
		return nil, false, err // it says something of who asked, not of Azure
	}
	if fault.CodeOf(err) == fault.Unavailable && k.good != nil {
		k.until = time.Now().Add(awayFor)
		return k.good, false, nil
	}
	k.err, k.until = err, time.Now().Add(keepFor(err))
	if err != nil {
		k.good = nil
		return nil, false, err
	}
	changed = k.last != nil && !maps.Equal(k.last, found)
	k.good, k.last = found, found
	return found, changed, nil
}

func keepFor(err error) time.Duration {
	switch fault.CodeOf(err) {
	case "":
		return freshFor
	case fault.NotFound, fault.Unsupported:
		return missingFor
	case fault.Unavailable:
		return awayFor
	}
	return refusedFor
}
