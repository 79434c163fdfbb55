package image_test

import (
	"archive/tar"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/zaffre-ml/zaffre/internal/image/imagetest"
)

// pull fetches an image with all its bytes, as a client does.
func pull(ref, token string) (v1.Image, error) {
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	var options []remote.Option
	if token != "" {
		options = append(options, imagetest.By(token))
	}
	img, err := remote.Image(r, options...)
	if err != nil {
		return nil, err
	}
	return img, validate.Image(img)
}

// names are those of the entries of a tar.
func names(t *testing.T, in io.Reader) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(h.Name, "/")] = true
	}
}
