package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Artifacts lists the files that a run left, below a prefix of their paths.
func (c *Client) Artifacts(ctx context.Context, ws, id, prefix string, at Cursor) (Page[Artifact], error) {
	k := call{method: http.MethodGet, path: runPath(ws, id, "artifacts"), query: url.Values{}}
	set(k.query, "prefix", prefix)
	return list[Artifact](ctx, c, k, at)
}

// OpenArtifact opens a file that a run left, from an offset. The caller closes it, and compares its
// bytes with Artifact.Hash.
func (c *Client) OpenArtifact(ctx context.Context, ws, id, path string, offset int64) (io.ReadCloser, error) {
	k := call{method: http.MethodGet, path: append(runPath(ws, id, "artifacts"), strings.Split(path, "/")...)}
	k.header = http.Header{"Accept": {"*/*"}}
	if offset > 0 {
		k.header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	if offset > 0 && resp.StatusCode != http.StatusPartialContent {
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			resp.Body.Close()
			return nil, c.unreachable(err)
		}
	}
	return resp.Body, nil
}
