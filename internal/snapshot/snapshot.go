// Package snapshot keeps code snapshots, content-addressed.
package snapshot

import (
	"context"
	"io"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// ID is the SHA-256 of a snapshot's manifest, in hex: the same files always have the same ID.
type ID string

// Store keeps files by hash: a file is stored once, however many runs use it.
type Store interface {
	// Missing returns the hashes it does not have, so that a client sends only those.
	Missing(ctx context.Context, hashes []string) ([]string, error)
	// PutFile stores one file. It fails with fault.Invalid if the bytes do not hash to hash.
	PutFile(ctx context.Context, hash string, r io.Reader) error
	// Commit makes a snapshot of files that are all present. It fails with fault.Invalid on a path
	// that is not clean, leaves the folder, stands twice or runs through a link, and with
	// fault.Precondition, Reason "FilesMissing", if a file is not there.
	Commit(ctx context.Context, files []driver.File) (ID, error)
	// Files opens a snapshot for a job. It fails with fault.NotFound.
	Files(ctx context.Context, id ID) (driver.Files, error)
}
