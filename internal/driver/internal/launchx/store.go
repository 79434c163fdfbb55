// Package launchx runs jobs where an engine starts a Python program for us: the launcher, which finds what to do in
// a folder that we can write, and leaves there what came of it. Kinds say where the folder is, and have the
// launcher started.
package launchx

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Store is a folder that we and the engine see. Names are relative to it; what is not there is fault.NotFound.
type Store interface {
	// Put writes a whole file, over what there was, with its folders. open may be called several times.
	Put(ctx context.Context, name string, open func() (io.ReadCloser, error), size int64) error
	// Read opens a file at an offset; at or behind its end there is nothing to read.
	Read(ctx context.Context, name string, offset int64) (io.ReadCloser, error)
	// List returns what a folder holds, in the order of the names.
	List(ctx context.Context, folder string) ([]Entry, error)
	// Remove deletes a file or a whole folder; one that is not there is removed.
	Remove(ctx context.Context, name string) error
}

// Entry is a file or folder in a store.
type Entry struct {
	Name   string // the last part
	Size   int64
	Folder bool
}

// Folder is what a target has in its store:
//
//	launch/<hash>.py         the launcher
//	packs/<name>.zip, .json  code by hash
//	runs/<run>/<attempt>     attempts that were started
//	jobs/<job>/spec.json     what to do; its presence says that the job is ours
//	jobs/<job>/began         when the launcher began: its first, and in a container only one may
//	jobs/<job>/log/<offset>  the log, in pieces
//	jobs/<job>/out/<number>  the outputs
//	jobs/<job>/end.json      how it ended, and the outputs' names
//	jobs/<job>/cancel        asks the launcher to end the job
//
// Its methods may be called from several goroutines.
type Folder struct {
	Store Store
	// Asks has the launcher look for AskToEnd, and for the end of the process that started it: where the
	// engine does not end jobs by itself.
	Asks bool
	// Python is by what a Python command of a job that names no interpreter of its own is run, in a process of its own.
	// "": the launcher runs it itself, where the engine's Spark is.
	Python string

	mu      sync.Mutex
	packs   map[string][]string // hashes in each pack, by its name
	carried bool                // the launcher is there
}

// New returns the folder of a target in its store.
func New(s Store) *Folder { return &Folder{Store: s, packs: map[string][]string{}} }

// Forget takes back what is known of the folder: it was removed.
func (f *Folder) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.packs, f.carried = map[string][]string{}, false
}

// PutBytes writes a small file.
func (f *Folder) PutBytes(ctx context.Context, name string, b []byte) error {
	return f.Store.Put(ctx, name, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, int64(len(b)))
}

// PutJSON writes a value.
func (f *Folder) PutJSON(ctx context.Context, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.PutBytes(ctx, name, b)
}

// maxJSON bounds what is read of a file of ours.
const maxJSON = 64 << 20

// ReadJSON reads a value. It fails with fault.NotFound, and fault.Precondition, Reason "FileSpoiled".
func (f *Folder) ReadJSON(ctx context.Context, name string, v any) error {
	r, err := f.Store.Read(ctx, name, 0)
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
			Code: fault.Precondition, Reason: "FileSpoiled", What: "a file of zaffre on the target cannot be read",
			Why: name + " is not what was written: somebody changed it", Fix: "submit the run again; run: zaffre run submit --help", Err: err,
		}
	}
	return nil
}

// Listed is Store.List, with nothing for a folder that is not there.
func (f *Folder) Listed(ctx context.Context, folder string) ([]Entry, error) {
	list, err := f.Store.List(ctx, folder)
	if missing(err) {
		return nil, nil
	}
	return list, err
}

func missing(err error) bool { return fault.CodeOf(err) == fault.NotFound }
