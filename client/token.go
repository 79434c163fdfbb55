package client

import (
	"context"
	"net/http"
)

// Tokens lists the tokens that the caller may see, without their secrets.
func (c *Client) Tokens(ctx context.Context, at Cursor) (Page[Token], error) {
	return list[Token](ctx, c, get("tokens"), at)
}

// CreateToken makes a token. Its Secret is in this answer only. It is not repeated when the server
// does not answer.
func (c *Client) CreateToken(ctx context.Context, t Token) (Token, error) {
	k := post("tokens")
	k.body, k.once = t, true
	return fetch[Token](ctx, c, k)
}

// RevokeToken ends a token's life. Revoking twice is the same as once.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: []string{"tokens", id}})
	return err
}
