package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Upload is a file to send.
type Upload struct {
	Open     func() (io.ReadCloser, error) // again for each try
	Size     int64
	Hash     string           // SHA-256, hex: the server keeps nothing else; "" is not compared
	Progress func(more int64) // told how many bytes more were sent; may be nil
}

// FileUpload returns the upload of a file on this machine. It reads it once, for the hash.
func FileUpload(name string) (Upload, error) {
	f, err := os.Open(name)
	if err != nil {
		return Upload{}, unreadableFile(name, err)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return Upload{}, unreadableFile(name, err)
	}
	return Upload{
		Open: func() (io.ReadCloser, error) { return os.Open(name) },
		Size: n, Hash: hex.EncodeToString(sum.Sum(nil)),
	}, nil
}

func unreadableFile(name string, err error) error {
	return &Fault{
		Code: CodeNotFound, Reason: "UploadFileMissing", Title: fmt.Sprintf("the file %q cannot be read", name),
		Detail: err.Error(), Fix: "name a file or a folder that is there",
	}
}

// putFile sends a file to below a path, again if the server did not answer: the whole of it arrives, or
// nothing.
func (c *Client) putFile(ctx context.Context, below []string, path string, u Upload) (Artifact, error) {
	k := call{method: http.MethodPut, path: append(below, strings.Split(path, "/")...), query: url.Values{}, length: u.Size}
	set(k.query, "sha256", u.Hash)
	k.header = http.Header{"Content-Type": {"application/octet-stream"}}
	last := &sending{}
	k.stream = func() (io.Reader, error) {
		last.undo()
		body, err := u.Open()
		if err != nil {
			return nil, unreadableFile(path, err)
		}
		last = &sending{ReadCloser: body, tell: u.Progress}
		if u.Size == 0 {
			return http.NoBody, body.Close()
		}
		return last, nil
	}
	return fetch[Artifact](ctx, c, k)
}

// sending is a body whose progress is told.
type sending struct {
	io.ReadCloser
	tell func(more int64)
	sent int64
}

func (s *sending) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if s.sent += int64(n); s.tell != nil && n > 0 {
		s.tell(int64(n))
	}
	return n, err
}

// undo takes back what was told of a try that is made again.
func (s *sending) undo() {
	if s.tell != nil {
		s.tell(-s.sent)
	}
}
