// Package object keeps files of many owners: those that runs left, those of models. A file is a row
// that names its bytes, and the bytes are a blob that never changes.
//
// How bytes and rows stay together, whoever dies when:
//   - Each upload writes a blob of its own name, never over another. Before its first byte a row says
//     that the blob is loose: being written, or left. The row of the file and the end of that note are
//     one transaction, so a file is there with all its bytes or not at all.
//   - Files may share a blob. Sharing copies rows in one transaction with their reading.
//   - What is replaced or deleted makes its blob loose in the same transaction. Sweep first marks a
//     loose blob as doomed, unless a file names it; then nobody can name it any more, and only then its
//     bytes go.
//   - Files of a Waiting are there for somebody to go on with. Where nobody does, Sweep removes them as well.
package object

import (
	"context"
	"time"

	"github.com/zaffre-ml/zaffre/internal/store"
)

// File is a file of an owner.
type File struct {
	Owner   string // the ID of a run, of a version of a model, or of a logged model, or that of a Waiting
	Path    string // "outputs/model.pkl"
	Size    int64
	Hash    string // SHA-256, hex
	Blob    string // the bytes' name; "": the one that older versions made of Owner and Path
	Created time.Time
}

// Key returns the record's key: the owner and the path.
func (f File) Key() store.Key { return store.Key{Workspace: f.Owner, Name: f.Path} }

// Filter selects the files of an owner, below a prefix of their paths.
type Filter struct {
	Owner, Prefix string
	From          string // only paths that sort at or after this one
}

// Link says which files of one owner become files of another as well.
type Link struct {
	From string // owner
	Path string // a file, or the folder of all files below it; "" is all
	To   string // owner
	At   string // folder of To; "" is its root
}

// Rows keeps the files' rows, in the order of owner and path. Insert and Update do not look after
// bytes: Store writes with Keep. Delete makes the blob loose.
type Rows interface {
	store.Repo[File, Filter]
	// Begin notes that a blob is about to be written and is loose until then; again, it moves the time.
	// It fails with fault.Conflict, Reason "UploadExpired", when the blob is doomed.
	Begin(ctx context.Context, blob string, until time.Time) error
	// Keep makes the file appear, in place of one at its path, and its blob is loose no more. It fails
	// with fault.Conflict, Reason "UploadExpired", unless the blob is loose and not doomed.
	Keep(ctx context.Context, f File) error
	// Share makes the files of a link appear, and returns how many those are. Again, it changes nothing.
	Share(ctx context.Context, l Link) (int, error)
	// Clear removes all files of an owner.
	Clear(ctx context.Context, owner string) error
	// Owners returns at most n owners whose names begin with a prefix that ends in a slash, in their order and
	// after one of them, or after the prefix itself.
	Owners(ctx context.Context, prefix, after string, n int) ([]string, error)
	// Expire is Clear, if all files of the owner were made before a time.
	Expire(ctx context.Context, owner string, before time.Time) error
	// Doom returns at most n loose blobs whose time is over, and that no file names: none can from now
	// on. Those that a file names are not loose any more.
	Doom(ctx context.Context, now time.Time, n int) ([]string, error)
	// Forget forgets a doomed blob whose bytes are gone.
	Forget(ctx context.Context, blob string) error
}
