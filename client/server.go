package client

import (
	"context"
	"net/http"
	"time"
)

// Server tells about the server and who it takes the caller for.
func (c *Client) Server(ctx context.Context) (Server, error) {
	return fetch[Server](ctx, c, get("server"))
}

// Ready reports whether the server is ready to take work: nil if so. It tries once.
func (c *Client) Ready(ctx context.Context) error {
	u := *c.base
	u.Path += "/readyz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return invalid("CallInvalid", "the call cannot be made", err.Error(), "report it")
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return decodeFault(resp)
	}
	return nil
}

// Kinds returns the kinds of compute targets that the server knows.
func (c *Client) Kinds(ctx context.Context) ([]Kind, error) {
	p, err := fetch[Page[Kind]](ctx, c, get("kinds"))
	return p.Items, err
}

// Clock returns the server's time, to the second. It needs no token.
func (c *Client) Clock(ctx context.Context) (time.Time, error) {
	u := *c.base
	u.Path += "/healthz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return time.Time{}, invalid("CallInvalid", "the call cannot be made", err.Error(), "report it")
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := c.http.Do(req)
	if err != nil {
		return time.Time{}, c.unreachable(err)
	}
	defer resp.Body.Close()
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, invalid("ClockUnknown", "the server does not tell its time", "its answer has no date", "see that nothing between here and the server takes the header Date away")
	}
	return at, nil
}
