package snapshot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Limits bound one snapshot. A zero field takes its value from DefaultLimits.
type Limits struct {
	Files int   // entries in a snapshot, or in one stream of Receive
	Bytes int64 // of all files of a snapshot, of one file, and of one stream
}

// DefaultLimits are about seven times what the Azure ML SDK lets a client send (300 MB, 2000 files).
func DefaultLimits() Limits { return Limits{Files: 50_000, Bytes: 2 << 30} }

// Blobs is a Store on blobs: a file is the blob files/ab/<hash>, with the hash's first two
// characters between, and a snapshot is snapshots/<id>.json, whose SHA-256 is its ID. It may be
// used from several goroutines, and several servers may share the blobs.
type Blobs struct {
	blobs  blob.Store
	limits Limits
}

var _ Store = (*Blobs)(nil)

// New returns a Store on blobs.
func New(blobs blob.Store, limits Limits) *Blobs {
	d := DefaultLimits()
	return &Blobs{blobs: blobs, limits: Limits{Files: cmp.Or(limits.Files, d.Files), Bytes: cmp.Or(limits.Bytes, d.Bytes)}}
}

func fileName(hash string) string { return "files/" + hash[:2] + "/" + hash }

func manifestName(id ID) string { return "snapshots/" + string(id) + ".json" }

// Missing names each hash once, in the order of its first appearance. It fails with fault.Invalid,
// Reason "HashInvalid", on one that is not 64 lower-case hex digits.
func (s *Blobs) Missing(ctx context.Context, hashes []string) ([]string, error) {
	missing := []string{}
	seen := make(map[string]bool, len(hashes))
	for _, h := range hashes {
		if seen[h] {
			continue
		}
		seen[h] = true
		size, err := s.size(ctx, h)
		if err != nil {
			return nil, err
		}
		if size < 0 {
			missing = append(missing, h)
		}
	}
	return missing, nil
}

// size returns a stored file's length, and -1 if it is not stored.
func (s *Blobs) size(ctx context.Context, hash string) (int64, error) {
	if err := checkHash(hash); err != nil {
		return 0, err
	}
	n, err := s.blobs.Size(ctx, fileName(hash))
	if fault.CodeOf(err) == fault.NotFound {
		return -1, nil
	}
	return n, err
}

// PutFile reads r to its end. Besides fault.Invalid, Reason "HashMismatch", it fails with
// fault.Invalid, Reason "SnapshotTooLarge", on a file over the limit. A file that is there already
// is not stored again, but its bytes are checked all the same.
func (s *Blobs) PutFile(ctx context.Context, hash string, r io.Reader) error {
	size, err := s.size(ctx, hash)
	if err != nil {
		return err
	}
	v := &verifier{r: r, sum: sha256.New(), want: hash, left: s.limits.Bytes, limit: s.limits.Bytes}
	if size >= 0 {
		_, err = io.Copy(io.Discard, v)
		return err
	}
	_, err = s.blobs.Put(ctx, fileName(hash), v)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f // without the blob's words around it
	}
	return err
}

// Commit may be repeated, in any order of files: the ID follows from the content alone. Of a
// file's mode it keeps whether the file may be executed, so the umask of the sender does not
// matter. It fails with fault.Invalid, Reason "SnapshotTooLarge", on more than the limits allow.
func (s *Blobs) Commit(ctx context.Context, files []driver.File) (ID, error) {
	if err := s.checkLimits(files); err != nil {
		return "", err
	}
	files, err := canonical(files)
	if err != nil {
		return "", err
	}
	id, text, err := encode(files)
	if err != nil {
		return "", err
	}
	if _, err := s.blobs.Size(ctx, manifestName(id)); fault.CodeOf(err) != fault.NotFound {
		return id, err // it was checked when it was committed first
	}
	if err := s.checkPresent(ctx, files); err != nil {
		return "", err
	}
	if err := s.checkLinks(ctx, files); err != nil {
		return "", err
	}
	return id, s.putManifest(ctx, id, text)
}

// checkPresent reports files that are not stored, or whose stored size is not the one declared.
func (s *Blobs) checkPresent(ctx context.Context, files []driver.File) error {
	var missing []string
	for _, f := range files {
		n, err := s.size(ctx, f.Hash)
		if err != nil {
			return err
		}
		if n < 0 {
			missing = append(missing, f.Path)
		} else if n != f.Size {
			return invalidFile("SizeMismatch", f.Path, fmt.Sprintf("it has %d bytes, not the %d declared", n, f.Size), "hash and send the folder again")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "FilesMissing", What: "cannot make the snapshot",
		Why: fmt.Sprintf("%d of its %d files were not sent: %s", len(missing), len(files), few(missing)),
		Fix: "ask which hashes are missing, send those files, then commit again",
	}
}

// Files reads the manifest and checks it against the ID.
func (s *Blobs) Files(ctx context.Context, id ID) (driver.Files, error) {
	if checkHash(string(id)) != nil {
		return nil, notFound(id)
	}
	text, err := s.readManifest(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != string(id) {
		return nil, damaged(id, nil)
	}
	files, err := decode(text)
	if err != nil {
		return nil, damaged(id, err)
	}
	return newOpened(s.blobs, files), nil
}

// opened is a snapshot that is open for a job.
type opened struct {
	blobs  blob.Store
	files  []driver.File
	hashes map[string]bool
}

func newOpened(blobs blob.Store, files []driver.File) *opened {
	o := &opened{blobs: blobs, files: files, hashes: make(map[string]bool, len(files))}
	for _, f := range files {
		o.hashes[f.Hash] = true
	}
	return o
}

// Manifest returns the files in the order of their paths. The slice is the caller's.
func (o *opened) Manifest(context.Context) ([]driver.File, error) {
	return slices.Clone(o.files), nil
}

// OpenHash opens a file of this snapshot and of no other.
func (o *opened) OpenHash(ctx context.Context, hash string) (io.ReadCloser, error) {
	if !o.hashes[hash] {
		return nil, &fault.Error{
			Code: fault.NotFound, Reason: "FileNotFound", What: fmt.Sprintf("cannot open the file %.64q", hash),
			Why: "no file of this snapshot has that hash", Fix: "use a hash of the snapshot's manifest",
		}
	}
	return o.blobs.Open(ctx, fileName(hash), 0)
}
