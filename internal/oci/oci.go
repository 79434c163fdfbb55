// Package oci makes container images without a daemon, and speaks to the registries that keep them. An image is a base,
// a layer with a Python environment, and a layer with code; the same input always makes the same bytes.
package oci

import (
	"fmt"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Where things lie in an image.
const (
	CodeDir = "/code"
	envDir  = driver.ImageEnvironment
)

// Layer describes a layer as it was written.
type Layer struct {
	Digest string // "sha256:…" of the compressed bytes
	DiffID string // "sha256:…" of the tar inside
	Size   int64  // bytes, compressed
}

// Login is by what a registry is entered.
type Login struct {
	Host           string // HOST[:PORT]
	User, Password string
}

// Logf notes a line of a build's log.
type Logf func(format string, args ...any)

func refInvalid(ref, why string) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "ImageNameInvalid", What: fmt.Sprintf("the image name %.200q cannot be used", ref), Why: why,
		Fix: "write it as HOST/NAME:TAG, such as docker.io/library/python:3.12-slim",
	}
}
