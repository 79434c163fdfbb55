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

// ArtifactFolder lists one level of a run's files: those in a folder ("" is the root), and its folders.
func (c *Client) ArtifactFolder(ctx context.Context, ws, id, folder string, at Cursor) (Page[Artifact], error) {
	k := call{method: http.MethodGet, path: runPath(ws, id, "folder"), query: url.Values{}}
	set(k.query, "path", folder)
	return list[Artifact](ctx, c, k, at)
}

// PutArtifact adds a file to a run, in place of one at its path.
func (c *Client) PutArtifact(ctx context.Context, ws, id, path string, u Upload) (Artifact, error) {
	return c.putFile(ctx, runPath(ws, id, "artifacts"), path, u)
}

// DeleteArtifact removes a file of a run; one that is not there is no error.
func (c *Client) DeleteArtifact(ctx context.Context, ws, id, path string) error {
	k := call{method: http.MethodDelete, path: append(runPath(ws, id, "artifacts"), strings.Split(path, "/")...)}
	_, err := fetch[struct{}](ctx, c, k)
	return err
}

// OpenArtifact opens a file that a run left, from an offset. The caller closes it, and compares its
// bytes with Artifact.Hash.
func (c *Client) OpenArtifact(ctx context.Context, ws, id, path string, offset int64) (io.ReadCloser, error) {
	return c.openFile(ctx, runPath(ws, id, "artifacts"), path, offset)
}

func (c *Client) openFile(ctx context.Context, below []string, path string, offset int64) (io.ReadCloser, error) {
	k := call{method: http.MethodGet, path: append(below, strings.Split(path, "/")...)}
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
