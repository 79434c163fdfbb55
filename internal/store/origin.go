package store

import (
	"context"
	"fmt"
	"sync"
)

// Origin says that a request comes from a job, by the relay of its machine. All that is written in such a
// request has it checked in its own transaction: an attempt that is no longer the run's changes nothing.
type Origin struct {
	Run     string // ULID of the run that the job executes; what is written may be another's
	Attempt int
	// Lane and Sequence name a request that may arrive again; Sequence 0 is one that does not. Requests of a
	// lane arrive in the order of their sequences, each as often as it likes; there may be gaps.
	Lane     string
	Sequence int64
}

// Part is one write of a request.
type Part struct {
	Origin
	Name string // which record it writes, and for the how-manieth time in this request
}

type originKey struct{}

type origin struct {
	Origin
	mu    sync.Mutex
	wrote map[string]int // by record
}

// WithOrigin returns a context for what a request from a job does.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, &origin{Origin: o, wrote: map[string]int{}})
}

// WithoutSequence returns a context for a write that is to happen each time that its request arrives.
func WithoutSequence(ctx context.Context) context.Context {
	o, ok := OriginOf(ctx)
	if !ok {
		return ctx
	}
	o.Sequence = 0
	return WithOrigin(ctx, o)
}

// OriginOf returns where a request comes from; ok is false for one that no job sent.
func OriginOf(ctx context.Context) (o Origin, ok bool) {
	v, ok := ctx.Value(originKey{}).(*origin)
	if !ok {
		return o, false
	}
	return v.Origin, true
}

// NextPart names the next write to a record in ctx's request; nil: it comes from no job. Since it counts per record, a
// repetition that takes another way through the code, because the first time got part of the way, names alike what is
// alike.
func NextPart(ctx context.Context, record string) *Part {
	v, ok := ctx.Value(originKey{}).(*origin)
	if !ok {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wrote[record]++
	return &Part{Origin: v.Origin, Name: fmt.Sprintf("%s#%d", record, v.wrote[record])}
}
