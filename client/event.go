package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// EventFilter selects events. After is a Sequence: only later ones come.
type EventFilter struct {
	After   int64
	Subject string
	Limit   int
}

func (f EventFilter) call(ws string) call {
	k := get("workspaces", ws, "events")
	k.query = url.Values{}
	if f.After > 0 {
		k.query.Set("after", strconv.FormatInt(f.After, 10))
	}
	if f.Limit > 0 {
		k.query.Set("limit", strconv.Itoa(f.Limit))
	}
	set(k.query, "subject", f.Subject)
	return k
}

// Events lists events, the oldest first.
func (c *Client) Events(ctx context.Context, ws string, f EventFilter) (Page[Event], error) {
	return fetch[Page[Event]](ctx, c, f.call(ws))
}

// FollowEvents calls emit with each event after f.After, and with new ones as they come, until ctx
// ends. None is missed or comes twice when the connection breaks.
func (c *Client) FollowEvents(ctx context.Context, ws string, f EventFilter, emit func(Event) error) error {
	next := func(last string) call {
		k := f.call(ws)
		if last != "" {
			k.header = http.Header{"Last-Event-Id": {last}}
		}
		return k
	}
	return c.stream(ctx, "", next, func(m message) error {
		if m.data == "" {
			return nil
		}
		var e Event
		if err := json.Unmarshal([]byte(m.data), &e); err != nil {
			return unreadable(err)
		}
		f.After = e.Sequence
		return emit(e)
	})
}
