package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/internal/cli/frame"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

func load(a *frame.App) *cobra.Command {
	return a.Command("image.import", "import FILE.tar NAME[:TAG]", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		img, done, err := open(args[0])
		if err != nil {
			return err
		}
		defer done()
		ref, options, err := ours(cmd.Context(), s, args[1])
		if err == nil {
			err = send(a, ref, img, options)
		}
		if err != nil {
			return told("the image is not imported", err)
		}
		a.Talk("talk.image.imported", args[0], ref.String())
		a.Next("zaffre image build --base " + args[1] + " --env FILE NAME")
		return nil
	})
}

// ours is a name in the server's registry, and how to get there.
func ours(ctx context.Context, s *frame.Session, image string) (name.Reference, []remote.Option, error) {
	host, transport, token := s.Registry()
	ref, err := name.ParseReference(host + "/" + s.WS + "/" + image)
	return ref, []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "zaffre", Password: token})),
	}, err
}

// push sends an image of ours to another registry, by the login that docker login keeps on this machine.
func push(ctx context.Context, a *frame.App, s *frame.Session, image, to string) error {
	const what = "the image is not pushed"
	from, options, err := ours(ctx, s, image)
	if err != nil {
		return told(what, err)
	}
	img, err := remote.Image(from, options...)
	if err != nil {
		return told(what, err)
	}
	ref, err := name.ParseReference(to)
	if err == nil {
		err = send(a, ref, img, []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)})
	}
	if err != nil {
		return told(what, err)
	}
	a.Talk("talk.image.pushed", ref.String())
	return nil
}

// send sends an image, with a bar.
func send(a *frame.App, ref name.Reference, img v1.Image, options []remote.Option) error {
	updates, bar, done := make(chan v1.Update, 16), &frame.Bar{}, make(chan struct{})
	go func() {
		defer close(done)
		for u := range updates {
			if u.Error == nil && !bar.Shown() {
				bar = a.Bar("bar.upload", u.Total)
			}
			bar.Set(u.Complete)
		}
	}()
	err := remote.Write(ref, img, append(options, remote.WithProgress(updates))...)
	<-done
	bar.Done()
	return err
}

func told(what string, err error) error {
	return &fault.Error{
		Code: fault.Precondition, Reason: "ImageTransferFailed", What: what, Why: err.Error(), Fix: "check the name and the login of the registry: docker login HOST; then do it again: what was sent is not sent again", Err: err,
	}
}

// open opens what docker save wrote, or an archive of an OCI layout. done takes away what that took.
func open(file string) (img v1.Image, done func(), err error) {
	img, err = tarball.ImageFromPath(file, nil)
	if err == nil {
		return img, func() {}, nil
	}
	dir, tmpErr := os.MkdirTemp("", "zaffre-image-")
	if tmpErr != nil {
		return nil, nil, told("the image is not imported", tmpErr)
	}
	done = func() { os.RemoveAll(dir) }
	img, ociErr := fromLayout(file, dir)
	if ociErr != nil {
		done()
		return nil, nil, &fault.Error{
			Code: fault.Invalid, Reason: "ImageFileInvalid", What: fmt.Sprintf("the file %q cannot be imported", file), Why: errors.Join(err, ociErr).Error(),
			Fix: "give what docker save or podman save wrote: docker save --output FILE.tar IMAGE", Err: ociErr,
		}
	}
	return img, done, nil
}

func fromLayout(file, dir string) (v1.Image, error) {
	if err := unpack(file, dir); err != nil {
		return nil, err
	}
	p, err := layout.FromPath(dir)
	if err != nil {
		return nil, err
	}
	index, err := p.ImageIndex()
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if d.MediaType.IsImage() {
			return index.Image(d.Digest)
		}
	}
	return nil, errors.New("its index names no image")
}

// unpack unpacks an archive of a layout, which holds files alone.
func unpack(file, dir string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, strings.TrimPrefix(path.Clean("/"+h.Name), "/"), r); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
