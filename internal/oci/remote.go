package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// ParseName parses the name of an image, with its registry; "python:3.12" is Docker's.
func ParseName(ref string) (name.Reference, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, refInvalid(ref, err.Error())
	}
	return r, nil
}

// Digest asks a registry for the digest that an image's name stands for now.
func Digest(ctx context.Context, ref string, logins ...Login) (string, error) {
	r, err := ParseName(ref)
	if err != nil {
		return "", err
	}
	if d, ok := r.(name.Digest); ok {
		return d.DigestStr(), nil
	}
	d, err := remote.Head(r, remoteOptions(ctx, logins)...)
	if err != nil {
		return "", refused(ref, err)
	}
	return d.Digest.String(), nil
}

// Fetch opens an image of a registry; of one for several platforms, that of this machine. Its layers come when they are
// read.
func Fetch(ctx context.Context, ref string, logins ...Login) (v1.Image, error) {
	r, err := ParseName(ref)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(r, remoteOptions(ctx, logins)...)
	return img, refused(ref, err)
}

// Push sends an image to a registry, what it has not yet.
func Push(ctx context.Context, ref string, img v1.Image, logins ...Login) error {
	r, err := ParseName(ref)
	if err != nil {
		return err
	}
	return refused(ref, remote.Write(r, img, remoteOptions(ctx, logins)...))
}

// remoteOptions have the logins go before those that this user has by docker login.
func remoteOptions(ctx context.Context, logins []Login) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}),
		remote.WithAuthFromKeychain(authn.NewMultiKeychain(keychain(logins), authn.DefaultKeychain)),
		remote.WithUserAgent("zaffre"),
	}
}

type keychain []Login

// Resolve implements authn.Keychain.
func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	for _, l := range k {
		if l.Host == r.RegistryStr() && l.User != "" {
			return authn.FromConfig(authn.AuthConfig{Username: l.User, Password: l.Password}), nil
		}
	}
	return authn.Anonymous, nil
}

// refused says what a registry's refusal means; nil stays nil.
func refused(ref string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := asFault(err); ok {
		return f
	}
	host, _, _ := strings.Cut(ref, "/")
	f := &fault.Error{
		Code: fault.Precondition, Reason: "RegistryRefused", What: fmt.Sprintf("the registry does not give or take the image %.200q", ref), Why: err.Error(),
		Fix: "see what the registry says, and build again", Evidence: saidBy(err), Err: err,
	}
	status := 0
	if t, ok := errors.AsType[*transport.Error](err); ok {
		status = t.StatusCode
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Code, f.Reason, f.Why = fault.Denied, "RegistryDenied", "it does not accept the login, or the login may not do this: "+strings.Join(f.Evidence, "; ")
		f.Fix = "check user and password; run: zaffre compute update NAME --registry-user USER --registry-password-file FILE; or, as the server's user: docker login " + host
	case status == http.StatusNotFound:
		f.Code, f.Reason, f.Why, f.Fix = fault.NotFound, "ImageNotFound", "there is no such image: "+strings.Join(f.Evidence, "; "), "check its name and tag; run: zaffre image list"
	case status != 0:
		f.Why = strings.Join(f.Evidence, "; ")
	case isNet(err):
		f.Code, f.Reason, f.Why = fault.Precondition, "RegistryUnreachable", "the server cannot reach it: "+err.Error()
		f.Fix = "check the address, and the server's route to it; or import the image: run: zaffre image import FILE.tar"
	}
	return f
}

// saidBy is what a registry said.
func saidBy(err error) (out []string) {
	t, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return nil
	}
	for _, d := range t.Errors {
		out = append(out, strings.TrimSpace(string(d.Code)+" "+d.Message))
	}
	if len(out) == 0 {
		out = []string{http.StatusText(t.StatusCode)}
	}
	return out
}

func isNet(err error) bool {
	_, dns := errors.AsType[*net.DNSError](err)
	_, op := errors.AsType[*net.OpError](err)
	return dns || op || errors.Is(err, context.DeadlineExceeded)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Host returns the name by which a registry's address is known to logins.
func Host(address string) string {
	r, err := name.NewRegistry(address)
	if err != nil {
		return address
	}
	return r.RegistryStr()
}
