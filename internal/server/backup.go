package server

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// A backup is a tar archive, compressed by zstd: the database's dump, the files that are in every data
// folder, the blobs, and at its end a file of checksums, without which it is not whole.
const (
	dumpEntry = "database.dump"
	sumsEntry = "SHA256SUMS"
	blobData  = blobDir + "/data" // where blob.Dir keeps them
)

// keptFiles are those of a data folder besides database and blobs.
var keptFiles = []string{keyFile, "ca.pem", "tls/ca-with-key.pem", "tls/server-with-key.pem", "client.json", config.FileName}

// Backup writes everything that a server keeps, while it runs or not. The database comes first, as it is
// at one moment, and the blobs after it, so that all that it names are there; logs may be longer than
// it says. The backup holds the keys: whoever has it can read every secret.
func Backup(ctx context.Context, cfg config.Config, w io.Writer) error {
	const what = "cannot back up"
	z, err := zstd.NewWriter(w)
	if err != nil {
		return fault.Doing(what, err)
	}
	b := &backup{ctx: ctx, data: cfg.Data, tar: tar.NewWriter(z)}
	err = b.write(databaseURL(cfg, cfg.Data))
	if err == nil {
		err = errors.Join(b.tar.Close(), z.Close())
	}
	return fault.Doing(what, backupFault(err))
}

// BackupFile is Backup into a file that only its owner can read. The file appears whole, or not at all.
func BackupFile(ctx context.Context, cfg config.Config, file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".backup-*") // 0600
	if err != nil {
		return fault.Doing("cannot back up", backupFault(err))
	}
	defer os.Remove(f.Name())
	if err := errors.Join(Backup(ctx, cfg, f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return fault.Doing("cannot back up", backupFault(errors.Join(os.Rename(f.Name(), file), syncDir(filepath.Dir(file)))))
}

func backupFault(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil {
		return err
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "BackupFailed", What: "cannot back up",
		Why: err.Error(), Fix: "see that the data folder can be read and the backup's folder has space; run: zaffre backup FILE", Err: err,
	}
}

type backup struct {
	ctx  context.Context // of the one call that it is made for
	data string
	tar  *tar.Writer
	sums bytes.Buffer
}

func (b *backup) write(database string) error {
	if err := b.addDump(database); err != nil {
		return err
	}
	root, err := os.OpenRoot(b.data)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range keptFiles {
		if err := b.addFile(root, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := b.addBlobs(root); err != nil {
		return err
	}
	sums := bytes.Clone(b.sums.Bytes())
	return b.add(sumsEntry, time.Now(), int64(len(sums)), bytes.NewReader(sums))
}

// addDump goes through a file: a tar entry starts with its size. The entry's time is that of the backup.
func (b *backup) addDump(database string) error {
	db, err := sqlstore.OpenReader(b.ctx, database, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	f, err := os.CreateTemp(b.data, ".dump-*") // 0600, and where there is space for the database
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	taken := time.Now()
	if err := db.Dump(b.ctx, f); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return b.add(dumpEntry, taken, size, f)
}

func (b *backup) addBlobs(root *os.Root) error {
	err := fs.WalkDir(root.FS(), blobData, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != blobData {
			return nil // deleted meanwhile: nothing in the dump names it
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if err := b.addFile(root, name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no blobs yet
	}
	return err
}

// addFile adds a file as long as it is now; a log may go on growing.
func (b *backup) addFile(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.add(name, info.ModTime(), info.Size(), f)
}

func (b *backup) add(name string, modified time.Time, size int64, r io.Reader) error {
	if err := context.Cause(b.ctx); err != nil {
		return err
	}
	if err := b.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: modified.Truncate(time.Second), Format: tar.FormatPAX}); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(b.tar, h), r, size); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	fmt.Fprintf(&b.sums, "%s  %s\n", hex.EncodeToString(h.Sum(nil)), name)
	return nil
}

// expected reports whether a backup may have an entry of this name.
func expected(name string) bool {
	return name == dumpEntry || slices.Contains(keptFiles, name) || strings.HasPrefix(name, blobData+"/") && filepath.IsLocal(name)
}
