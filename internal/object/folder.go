package object

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store"
)

// Entry is a file or a folder, as Folder lists them.
type Entry struct {
	Path string // of the whole; a folder's has no slash at its end
	Dir  bool
	File File // the zero File for a folder
}

// Folder lists one level: the files in a folder and the folders in it, in the order of the files'
// paths; dir "" is the root. A folder that holds a million files costs one more query, not a million
// rows. One that does not exist is empty.
func (s *Store) Folder(ctx context.Context, owner, dir string, p store.Page) (entries []Entry, next string, err error) {
	prefix := ""
	if dir != "" {
		prefix = strings.TrimSuffix(dir, "/") + "/"
	}
	from, err := folderCursor(p.Cursor)
	if err != nil {
		return nil, "", err
	}
	limit := p.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	f := &folding{prefix: prefix, from: from, limit: limit}
	for !f.full {
		const page = 200
		files, _, err := s.rows.List(ctx, Filter{Owner: owner, Prefix: prefix, From: f.from}, store.Page{Limit: page})
		if err != nil {
			return nil, "", err
		}
		f.add(files)
		if len(files) < page && !f.full {
			return f.entries, "", nil
		}
	}
	return f.entries, base64.RawURLEncoding.EncodeToString([]byte(f.from)), nil
}

// folding makes entries of files. from is where the next file may lie that makes an entry.
type folding struct {
	prefix, from string
	limit        int
	full         bool // another entry would be too many
	entries      []Entry
}

func (f *folding) add(files []File) {
	for _, file := range files {
		if file.Path < f.from {
			continue // of a folder that is an entry already
		}
		if len(f.entries) == f.limit {
			f.full = true
			return
		}
		name, _, deep := strings.Cut(file.Path[len(f.prefix):], "/")
		if deep {
			f.entries = append(f.entries, Entry{Path: f.prefix + name, Dir: true})
			f.from = f.prefix + name + "0" // '0' follows '/'
			continue
		}
		f.entries = append(f.entries, Entry{Path: file.Path, File: file})
		f.from = file.Path + "\x01" // no path holds one, or sorts between
	}
}

func folderCursor(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", &fault.Error{
			Code: fault.Invalid, Reason: "CursorInvalid", What: "cannot go on with this list",
			Why: "the cursor is not one that an earlier page gave", Fix: "start from the first page, without a cursor",
			Field: "cursor", Err: err,
		}
	}
	return string(b), nil
}
