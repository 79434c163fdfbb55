package driver

import (
	"context"
	"io"
)

// Images makes images of environments, on the server, for a target whose machines fetch images from a registry. A base
// image, or in the definition's stead that of the target, has the interpreter.
type Images interface {
	// BuildImage starts to make an image of a definition, or finds the build. A failed one is started anew.
	BuildImage(ctx context.Context, digest string, d Definition, r Registry) error
	// ImageStatus returns the state of a build: Runtime.Image once it is done. BuildMissing where nobody asked for it
	// since the server started: then BuildImage takes moments if the image is there.
	ImageStatus(ctx context.Context, digest string, r Registry) (BuildStatus, error)
	// ImageLog opens the log of a build at a byte offset; it ends when the build does.
	ImageLog(ctx context.Context, digest string, r Registry, offset int64) (io.ReadCloser, error)
	// PullLogin returns by what machines fetch images of the target from the registry: of our own one, what opens nothing
	// else. An image of our own registry that is there no more is fault.Precondition, Reason "EnvironmentMissing"; image
	// "" asks for none.
	PullLogin(ctx context.Context, r Registry, image string) (RegistryLogin, error)
}

// Registry is where machines fetch images from.
type Registry struct {
	Own      bool   // the server's own
	Address  string // HOST[:PORT], as the machines reach it
	Path     string // below which images are pushed; "" for our own
	User     string // for pushing and pulling; "": none, and of our own, which has its own
	Password string
}

// RegistryLogin is by what a registry is entered. A zero one: by nothing.
type RegistryLogin struct{ Address, User, Password string }
