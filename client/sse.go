package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// patience is how long a follower looks for a server that has gone before it gives up.
const patience = 5 * time.Minute

// message is one event of a stream.
type message struct{ id, event, data string }

// errEnd is returned by a stream's handler that has seen all.
var errEnd = errors.New("end of stream")

// stream reads server-sent events and calls handle with each. When the connection breaks, or the
// stream ends before handle returned errEnd, it connects again and sends the last event's ID; next
// makes the call from that ID.
func (c *Client) stream(ctx context.Context, last string, next func(last string) call, handle func(message) error) error {
	quiet, try := time.Now(), 0
	for {
		seen, err := c.streamOnce(ctx, next(last), func(m message) error {
			if m.id != "" {
				last = m.id
			}
			return handle(m)
		})
		switch {
		case errors.Is(err, errEnd):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !broken(err):
			if h, ok := errors.AsType[*handleError](err); ok {
				return h.error
			}
			return err
		case seen:
			quiet, try = time.Now(), 0
		case err != nil && time.Since(quiet) > patience:
			return err
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return err
		}
		try++
	}
}

// broken reports whether to connect again after err.
func broken(err error) bool {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Code == CodeUnavailable || f.Code == CodeExhausted
	}
	_, ours := errors.AsType[*handleError](err)
	return !ours
}

// handleError is an error of the caller's function: it is no broken connection.
type handleError struct{ error }

func (e *handleError) Unwrap() error { return e.error }

func (c *Client) streamOnce(ctx context.Context, k call, handle func(message) error) (seen bool, err error) {
	k.once = true // stream has its own way of trying again
	if k.header == nil {
		k.header = http.Header{}
	}
	k.header.Set("Accept", "text/event-stream")
	resp, err := c.send(ctx, k)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	err = readEvents(resp.Body, func(m message) error {
		seen = true
		if err := handle(m); err != nil {
			return &handleError{err}
		}
		return nil
	})
	return seen, err
}

// readEvents calls handle with each event of r until r ends (nil) or breaks.
// The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
func readEvents(r io.Reader, handle func(message) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var m message
	var data []byte
	some := false
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 {
			some = m.field(line, &data) || some
			continue
		}
		if some {
			m.data = string(data)
			if err := handle(m); err != nil {
				return err
			}
		}
		m, data, some = message{}, data[:0], false
	}
}

// field takes over one line; false is a comment or an unknown field.
func (m *message) field(line []byte, data *[]byte) bool {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "id":
		m.id = string(value)
	case "event":
		m.event = string(value)
	case "data":
		if len(*data) > 0 {
			*data = append(*data, '\n')
		}
		*data = append(*data, value...)
	default:
		return false
	}
	return true
}
