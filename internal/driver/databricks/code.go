package databricks

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// Code is carried in packs: a zip of files named by their hashes, with the list of them beside it. What some
// pack of the target has is not sent again.
const (
	packsFolder = "packs"
	packZip     = ".zip"
	packList    = ".json" // written last: a pack that has it is whole
)

// carried is a file of a job's code, for the launcher.
type carriedFile struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	Hash string `json:"hash"`
	Pack string `json:"pack"`
}

// carry has the files in packs, and says where each is.
func (c *conn) carry(ctx context.Context, files driver.Files) ([]carriedFile, error) {
	if files == nil {
		return nil, nil
	}
	manifest, err := files.Manifest(ctx)
	if err != nil || len(manifest) == 0 {
		return nil, err
	}
	place, err := c.packed(ctx)
	if err != nil {
		return nil, err
	}
	var lacks []string
	for _, f := range manifest {
		if place[f.Hash] == "" && !slices.Contains(lacks, f.Hash) {
			lacks = append(lacks, f.Hash)
		}
	}
	if len(lacks) > 0 {
		name, err := c.pack(ctx, files, lacks)
		if err != nil {
			return nil, err
		}
		for _, h := range lacks {
			place[h] = name
		}
	}
	list := make([]carriedFile, len(manifest))
	for i, f := range manifest {
		list[i] = carriedFile{Path: f.Path, Mode: f.Mode, Hash: f.Hash, Pack: place[f.Hash]}
	}
	return list, nil
}

// packed returns the pack of each hash that is there.
func (c *conn) packed(ctx context.Context) (map[string]string, error) {
	list, err := listed(ctx, c.files, packsFolder)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range list {
		name, isList := strings.CutSuffix(e.name, packList)
		if !isList {
			continue
		}
		hashes, err := c.hashesOf(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, h := range hashes {
			out[h] = name
		}
	}
	return out, nil
}

// hashesOf returns what a pack holds. A pack never changes.
func (c *conn) hashesOf(ctx context.Context, name string) ([]string, error) {
	c.mu.Lock()
	hashes, known := c.packs[name]
	c.mu.Unlock()
	if known {
		return hashes, nil
	}
	if err := readJSON(ctx, c.files, packsFolder+"/"+name+packList, &hashes); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packs[name] = hashes
	return hashes, nil
}

// pack sends files that no pack has. Its name says what it holds, so that two who pack the same write the same.
func (c *conn) pack(ctx context.Context, files driver.Files, hashes []string) (string, error) {
	slices.Sort(hashes)
	sum := sha256.Sum256([]byte(strings.Join(hashes, "\n")))
	name := hex.EncodeToString(sum[:16])
	f, err := os.CreateTemp("", "zaffre-pack-")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := zipInto(ctx, f, files, hashes); err != nil {
		return "", err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	open := func() (io.ReadCloser, error) { return os.Open(f.Name()) }
	if err := c.files.put(ctx, packsFolder+"/"+name+packZip, open, size); err != nil {
		return "", err
	}
	return name, putJSON(ctx, c.files, packsFolder+"/"+name+packList, hashes)
}

func zipInto(ctx context.Context, w io.Writer, files driver.Files, hashes []string) error {
	z := zip.NewWriter(w)
	for _, h := range hashes {
		if err := addTo(ctx, z, files, h); err != nil {
			return err
		}
	}
	return z.Close()
}

func addTo(ctx context.Context, z *zip.Writer, files driver.Files, hash string) error {
	r, err := files.OpenHash(ctx, hash)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := z.Create(hash)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	return err
}
