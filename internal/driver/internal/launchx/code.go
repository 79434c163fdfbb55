package launchx

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

// carriedFile is a file of a job's code, for the launcher.
type carriedFile struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	Hash string `json:"hash"`
	Pack string `json:"pack"`
}

// carry puts the files into packs, and says where each is.
func (f *Folder) carry(ctx context.Context, files driver.Files) ([]carriedFile, error) {
	if files == nil {
		return nil, nil
	}
	manifest, err := files.Manifest(ctx)
	if err != nil || len(manifest) == 0 {
		return nil, err
	}
	place, err := f.packed(ctx)
	if err != nil {
		return nil, err
	}
	var lacks []string
	for _, m := range manifest {
		if place[m.Hash] == "" && !slices.Contains(lacks, m.Hash) {
			lacks = append(lacks, m.Hash)
		}
	}
	if len(lacks) > 0 {
		name, err := f.pack(ctx, files, lacks)
		if err != nil {
			return nil, err
		}
		for _, h := range lacks {
			place[h] = name
		}
	}
	list := make([]carriedFile, len(manifest))
	for i, m := range manifest {
		list[i] = carriedFile{Path: m.Path, Mode: m.Mode, Hash: m.Hash, Pack: place[m.Hash]}
	}
	return list, nil
}

// packed returns the pack of each hash that is there.
func (f *Folder) packed(ctx context.Context) (map[string]string, error) {
	list, err := f.Listed(ctx, packsFolder)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range list {
		name, isList := strings.CutSuffix(e.Name, packList)
		if !isList {
			continue
		}
		hashes, err := f.hashesOf(ctx, name)
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
func (f *Folder) hashesOf(ctx context.Context, name string) ([]string, error) {
	f.mu.Lock()
	hashes, known := f.packs[name]
	f.mu.Unlock()
	if known {
		return hashes, nil
	}
	if err := f.ReadJSON(ctx, packsFolder+"/"+name+packList, &hashes); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.packs[name] = hashes
	return hashes, nil
}

// pack sends files that no pack has. Its name says what it holds, so that two who pack the same write the same.
func (f *Folder) pack(ctx context.Context, files driver.Files, hashes []string) (string, error) {
	slices.Sort(hashes)
	sum := sha256.Sum256([]byte(strings.Join(hashes, "\n")))
	name := hex.EncodeToString(sum[:16])
	z, err := os.CreateTemp("", "zaffre-pack-")
	if err != nil {
		return "", err
	}
	defer os.Remove(z.Name())
	defer z.Close()
	if err := zipInto(ctx, z, files, hashes); err != nil {
		return "", err
	}
	size, err := z.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	open := func() (io.ReadCloser, error) { return os.Open(z.Name()) }
	if err := f.Store.Put(ctx, packsFolder+"/"+name+packZip, open, size); err != nil {
		return "", err
	}
	return name, f.PutJSON(ctx, packsFolder+"/"+name+packList, hashes)
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
