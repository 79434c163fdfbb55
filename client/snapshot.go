package client

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// Source is what Upload sends: the entries of a snapshot, and their bytes. A *Folder is one.
type Source interface {
	Files() []File
	// Open opens the bytes of a file; of a symbolic link they are its target.
	Open(ctx context.Context, f File) (io.ReadCloser, error)
}

// Progress is told how far an upload is. It may be called from another goroutine, never from two at
// once; sent never falls, except when the connection broke and the upload began again.
type Progress func(sent, total int64)

// missingAtOnce bounds one question for missing files (its body has 64 bytes a hash).
const missingAtOnce = 10_000

// Missing returns those of the hashes that the server does not have.
func (c *Client) Missing(ctx context.Context, ws string, hashes []string) ([]string, error) {
	var missing []string
	for part := range slices.Chunk(hashes, missingAtOnce) {
		k := post("workspaces", ws, "snapshots", "missing")
		k.body = map[string][]string{"hashes": part}
		answer, err := fetch[struct {
			Missing []string `json:"missing"`
		}](ctx, c, k)
		if err != nil {
			return nil, err
		}
		missing = append(missing, answer.Missing...)
	}
	return missing, nil
}

// CommitSnapshot makes a snapshot of files that the server has, and returns its ID. The same files
// have the same ID.
func (c *Client) CommitSnapshot(ctx context.Context, ws string, files []File) (string, error) {
	k := post("workspaces", ws, "snapshots")
	k.body = map[string][]File{"files": files}
	answer, err := fetch[struct {
		ID string `json:"id"`
	}](ctx, c, k)
	return answer.ID, err
}

// Upload makes a snapshot of src and returns its ID. Only files that the server lacks travel, in one
// stream; after a broken connection those that did not arrive travel again. progress may be nil.
func (c *Client) Upload(ctx context.Context, ws string, src Source, progress Progress) (string, error) {
	files := src.Files()
	// Most uploads are of a folder that the server knows: then this one call is all.
	id, err := c.CommitSnapshot(ctx, ws, files)
	if ReasonOf(err) != "FilesMissing" {
		return id, err
	}
	byHash := make(map[string]File, len(files))
	hashes := make([]string, 0, len(files))
	for _, f := range files {
		if _, twice := byHash[f.Hash]; !twice {
			hashes = append(hashes, f.Hash)
		}
		byHash[f.Hash] = f
	}
	for try := 0; len(hashes) > 0; try++ {
		missing, err := c.Missing(ctx, ws, hashes)
		if err != nil {
			return "", err
		}
		if len(missing) == 0 {
			break
		}
		err = c.sendPack(ctx, ws, pick(byHash, missing), src, progress)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if CodeOf(err) != CodeUnavailable || try >= c.retries {
			return "", err
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return "", err
		}
	}
	return c.CommitSnapshot(ctx, ws, files)
}

func pick(byHash map[string]File, hashes []string) []File {
	var out []File
	for _, h := range hashes {
		if f, ok := byHash[h]; ok {
			out = append(out, f)
		}
	}
	return out
}

// sendPack sends files as one tar stream, whose entries are named by their hash.
func (c *Client) sendPack(ctx context.Context, ws string, files []File, src Source, progress Progress) error {
	read, write := io.Pipe()
	total := packSize(files)
	done := make(chan error, 1)
	go func() {
		err := writePack(ctx, &meter{w: write, total: total, tell: progress}, files, src)
		write.CloseWithError(err)
		done <- err
	}()
	k := post("workspaces", ws, "snapshots", "pack")
	k.once, k.length = true, total
	k.stream = func() (io.Reader, error) { return read, nil }
	k.header = http.Header{"Content-Type": {"application/x-tar"}}
	resp, err := c.send(ctx, k)
	if err == nil {
		resp.Body.Close()
	}
	read.Close() // the server may answer without reading to the end
	if ours, ok := errors.AsType[*Fault](<-done); ok {
		return ours // why the stream broke off
	}
	return err
}

const block = 512 // of a tar archive

func packSize(files []File) int64 {
	n := int64(2 * block) // the end mark
	for _, f := range files {
		n += block + (f.Size+block-1)/block*block
	}
	return n
}

func writePack(ctx context.Context, w io.Writer, files []File, src Source) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{Name: f.Hash, Mode: 0o600, Size: f.Size, Format: tar.FormatGNU}); err != nil {
			return err
		}
		if err := copyFile(ctx, t, f, src); err != nil {
			return err
		}
	}
	return t.Close()
}

func copyFile(ctx context.Context, w io.Writer, f File, src Source) error {
	r, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, r) // to its end, where a Source may find that the file changed
	if err == nil && n == f.Size {
		return nil
	}
	if err == nil || errors.Is(err, tar.ErrWriteTooLong) {
		return &Fault{
			Code: CodePrecondition, Reason: "FileChanged", Title: fmt.Sprintf("the file %q changed while it was sent", f.Path),
			Detail: fmt.Sprintf("it is no longer %d bytes long", f.Size), Fix: "submit again when nothing writes to the folder",
		}
	}
	return err
}

// meter counts what passes.
type meter struct {
	w           io.Writer
	sent, total int64
	tell        Progress
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.sent += int64(n)
	if m.tell != nil {
		m.tell(m.sent, m.total)
	}
	return n, err
}
