package artifact

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// collect finds the files to send: one, or all of a folder, without links and special files. A single
// file is sent to at itself, or under its own name if at is "".
func collect(from, at string) (files []local, total int64, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, 0, unreadable(from, err)
	}
	if !info.IsDir() {
		if at == "" {
			at = filepath.Base(from)
		}
		return []local{{from, at}}, info.Size(), nil
	}
	err = filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		files, total = append(files, local{name, rel}.below(at)), total+info.Size()
		return err
	})
	if err == nil && len(files) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, 0, unreadable(from, err)
	}
	return files, total, nil
}

func unreadable(name string, err error) error {
	return &fault.Error{
		Code: fault.NotFound, Reason: "UploadFileMissing", What: fmt.Sprintf("the file %q cannot be read", name),
		Why: err.Error(), Fix: "name a file or a folder that is there", Err: err,
	}
}

// Check fails unless there is a file to send, or a folder with files.
func Check(from string) error {
	_, _, err := collect(from, "")
	return err
}
