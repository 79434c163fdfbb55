package client

import (
	"context"
	"errors"
	"io"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/source"
)

// FolderOptions say how to read a folder. The zero value is ready to use.
type FolderOptions struct {
	// Cache is a folder for the hashes of files, by which an unchanged file is not read again; "" is
	// none: then each file is read.
	Cache string
	Files int   // at most; 0 is 50,000
	Bytes int64 // at most; 0 is 2 GiB
}

// Folder is a folder of code as Upload sends it: without what .amlignore or .gitignore names, with
// links as links, and with the executable bit.
type Folder struct {
	tree  *source.Tree
	files []File
}

// ReadFolder reads the folder dir. It fails with CodeNotFound if there is none, and with CodeInvalid on
// what cannot be sent: Reason "FolderTooLarge" names the largest files.
func ReadFolder(ctx context.Context, dir string, o FolderOptions) (*Folder, error) {
	tree, err := source.Walk(ctx, dir, source.Options{Cache: o.Cache, Files: o.Files, Bytes: o.Bytes})
	if err != nil {
		return nil, toFault(err)
	}
	f := &Folder{tree: tree, files: make([]File, len(tree.Files))}
	for i, e := range tree.Files {
		f.files[i] = File{Path: e.Path, Mode: e.Mode, Size: e.Size, Hash: e.Hash}
	}
	return f, nil
}

// Files returns the entries in the order of their paths.
func (f *Folder) Files() []File { return f.files }

// Open opens a file to send it. A file that is not as ReadFolder saw it fails with CodePrecondition,
// Reason "FileChanged": here, or at the end of reading.
func (f *Folder) Open(ctx context.Context, file File) (io.ReadCloser, error) {
	r, err := f.tree.Open(ctx, file.Path)
	if err != nil {
		return nil, toFault(err)
	}
	return &folderFile{r}, nil
}

// folderFile makes the errors of reading Faults.
type folderFile struct{ io.ReadCloser }

func (f *folderFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	return n, toFault(err)
}

// toFault turns an error of the packages that client stands on into a Fault; others stay.
func toFault(err error) error {
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	f := &Fault{Title: e.What, Detail: e.Why, Code: string(e.Code), Reason: e.Reason, Fix: e.Fix, Evidence: e.Evidence, Field: e.Field}
	if e.Err != nil {
		f.Evidence = append(f.Evidence, e.Err.Error())
	}
	return f
}
