package databricks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// store is our folder in the workspace. Names are relative to it; what is not there is fault.NotFound.
type store interface {
	// put writes a whole file, over what there was. open may be called several times.
	put(ctx context.Context, name string, open func() (io.ReadCloser, error), size int64) error
	// read opens a file at an offset; at or behind its end there is nothing to read.
	read(ctx context.Context, name string, offset int64) (io.ReadCloser, error)
	// list returns what a folder holds, in the order of the names.
	list(ctx context.Context, folder string) ([]entry, error)
	// remove deletes a file or a whole folder; one that is not there is removed.
	remove(ctx context.Context, name string) error
	// seenAs returns the path by which a cluster has a file.
	seenAs(name string) string
	// uri returns the path by which the Jobs API has a file.
	uri(name string) string
	// above returns the folder, for list, that must be there before ours.
	above() string
}

// entry is a file or folder in the store.
type entry struct {
	name   string // the last part
	size   int64
	folder bool
}

func putBytes(ctx context.Context, s store, name string, b []byte) error {
	return s.put(ctx, name, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, int64(len(b)))
}

func putJSON(ctx context.Context, s store, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return putBytes(ctx, s, name, b)
}

// maxJSON bounds what is read of a file of ours.
const maxJSON = 64 << 20

func readJSON(ctx context.Context, s store, name string, v any) error {
	r, err := s.read(ctx, name, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxJSON))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return &fault.Error{
			Code: fault.Precondition, Reason: "FileSpoiled", What: "a file of zaffre in the workspace cannot be read",
			Why: name + " is not what was written: somebody changed it", Fix: "submit the run again; run: zaffre run submit --help", Err: err,
		}
	}
	return nil
}

// listed is list, with nothing for a folder that is not there.
func listed(ctx context.Context, s store, folder string) ([]entry, error) {
	list, err := s.list(ctx, folder)
	if missing(err) {
		return nil, nil
	}
	return list, err
}

func lastOf(path string) string {
	return path[strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1:]
}
