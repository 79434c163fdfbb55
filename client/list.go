package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// Cursor selects a page of a list. The zero value is the first page, of the server's size.
type Cursor struct {
	After string // Page.Next of the page before
	Limit int    // at most; 0 is the server's choice
}

func (p Cursor) query(q url.Values) url.Values {
	set(q, "cursor", p.After)
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// All walks a list page by page, to its end or to the first error. Use it as
//
//	for run, err := range client.All(func(p client.Cursor) (client.Page[client.Run], error) { return c.Runs(ctx, ws, filter, p) })
func All[T any](page func(Cursor) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var at Cursor
		for {
			p, err := page(at)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range p.Items {
				if !yield(v, nil) {
					return
				}
			}
			if p.Next == "" {
				return
			}
			at.After = p.Next
		}
	}
}

// list fetches one page.
func list[T any](ctx context.Context, c *Client, k call, at Cursor) (Page[T], error) {
	if k.query == nil {
		k.query = url.Values{}
	}
	k.query = at.query(k.query)
	return fetch[Page[T]](ctx, c, k)
}
