package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Image is an image of the server's registry.
type Image struct {
	Name      string       `json:"name" doc:"NAME:TAG"`
	Digest    string       `json:"digest"`
	Bytes     int64        `json:"bytes" doc:"of its layers, compressed"`
	Source    string       `json:"source,omitempty" doc:"digest that it had where it was fetched from, of a base image"`
	CreatedBy string       `json:"created_by,omitempty"`
	Updated   time.Time    `json:"updated,omitzero"`
	Layers    []ImageLayer `json:"layers,omitempty" doc:"of one image that was asked for"`
}

// ImageLayer is a layer of an image.
type ImageLayer struct {
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"`
}

// ImageBuild asks for an image.
type ImageBuild struct {
	Name        string `json:"name" doc:"NAME:TAG of the image"`
	Base        string `json:"base,omitempty" doc:"name of the base image; by default that of the environment"`
	Environment string `json:"environment,omitempty" doc:"NAME or NAME:VERSION; without it the base's Python has its own packages"`
	Snapshot    string `json:"snapshot,omitempty" doc:"code, which the image has in /code"`
}

// ImageBuilding is how a build of an image goes.
type ImageBuilding struct {
	ID       string   `json:"id"`
	State    string   `json:"state" doc:"running, done or failed"`
	Image    string   `json:"image,omitempty" doc:"NAME@DIGEST, once done"`
	Python   string   `json:"python,omitempty" doc:"version of the interpreter"`
	Warnings []string `json:"warnings,omitempty"`
	Bytes    int64    `json:"bytes,omitempty"`
	Log      string   `json:"log,omitempty" doc:"from the offset asked for"`
	Next     int64    `json:"next" doc:"offset after it"`
	Error    *Fault   `json:"error,omitempty"`
}

// Images lists images, of all repositories if repository is "".
func (c *Client) Images(ctx context.Context, ws, repository string, at Cursor) (Page[Image], error) {
	k := get("workspaces", ws, "images")
	k.query = url.Values{}
	set(k.query, "repository", repository)
	return list[Image](ctx, c, k, at)
}

// Image returns one image, by NAME:TAG or NAME@DIGEST.
func (c *Client) Image(ctx context.Context, ws, name string) (Image, error) {
	return fetch[Image](ctx, c, get("workspaces", ws, "images", name))
}

// DeleteImage deletes an image. One that is not there is no error.
func (c *Client) DeleteImage(ctx context.Context, ws, name string) error {
	_, err := fetch[struct{}](ctx, c, call{method: http.MethodDelete, path: []string{"workspaces", ws, "images", name}})
	return err
}

// BuildImage has an image made, or finds the same being made.
func (c *Client) BuildImage(ctx context.Context, ws string, b ImageBuild) (ImageBuilding, error) {
	k := post("workspaces", ws, "image-builds")
	k.body = b
	return fetch[ImageBuilding](ctx, c, k)
}

// ImageBuildAt tells how a build goes, with its log from an offset.
func (c *Client) ImageBuildAt(ctx context.Context, ws, id string, offset int64) (ImageBuilding, error) {
	k := get("workspaces", ws, "image-builds", id)
	k.query = url.Values{"offset": {strconv.FormatInt(offset, 10)}}
	return fetch[ImageBuilding](ctx, c, k)
}

// Registry is how a library that speaks to registries reaches the server's: its host, the transport with the server's
// CA, and the token, which is the password of any user's name.
func (c *Client) Registry() (host string, transport http.RoundTripper, token string) {
	transport = c.http.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return c.base.Host, transport, c.token
}
