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
	"path"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
)

// Restore makes a data folder of a backup. The folder appears whole, every checksum compared, or not at
// all; one that holds something is refused: fault.Precondition, Reason "DataNotEmpty". A PostgreSQL
// database that cfg names must be empty.
func Restore(ctx context.Context, cfg config.Config, r io.Reader) error {
	const what = "cannot restore"
	if err := checkEmpty(cfg.Data); err != nil {
		return fault.Doing(what, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(cfg.Data), "."+filepath.Base(cfg.Data)+"-restore-*") // 0700
	if err != nil {
		return fault.Doing(what, dirFault(cfg.Data, err))
	}
	defer os.RemoveAll(dir)
	taken, err := unpack(ctx, dir, r)
	if err != nil {
		return fault.Doing(what, restoreFault(err))
	}
	if err := loadDump(ctx, databaseURL(cfg, dir), dir, taken); err != nil {
		return fault.Doing(what, restoreFault(err))
	}
	return fault.Doing(what, restoreFault(publish(dir, cfg.Data)))
}

// RestoreFile is Restore from a file.
func RestoreFile(ctx context.Context, cfg config.Config, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fault.Doing("cannot restore", restoreFault(err))
	}
	defer f.Close()
	return Restore(ctx, cfg, f)
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return dirFault(dir, err)
		}
		return nil
	case err != nil:
		return dirFault(dir, err)
	case len(entries) == 0:
		return nil
	}
	return &fault.Error{
		Code: fault.Precondition, Reason: "DataNotEmpty", What: "cannot restore",
		Why: "the folder " + dir + " holds " + entries[0].Name(), Fix: "restore into a folder of its own; run: zaffre restore --data DIR FILE",
	}
}

func restoreFault(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok || err == nil {
		return err
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "BackupUnusable", What: "cannot restore",
		Why: err.Error(), Fix: "use another backup, and see that the disk has space; run: zaffre restore --data DIR FILE", Err: err,
	}
}

// unpack writes the entries below dir and compares their checksums. It returns when the backup was taken.
func unpack(ctx context.Context, dir string, r io.Reader) (taken time.Time, err error) {
	z, err := zstd.NewReader(r)
	if err != nil {
		return taken, err
	}
	defer z.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return taken, err
	}
	defer root.Close()
	var sums bytes.Buffer
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if err == io.EOF {
			return taken, errors.New("it ends before its checksums: it was cut off")
		}
		if err != nil {
			return taken, err
		}
		if err := context.Cause(ctx); err != nil {
			return taken, err
		}
		if h.Name == sumsEntry {
			return taken, compareSums(in, h.Size, sums.Bytes())
		}
		if h.Name == dumpEntry {
			taken = h.ModTime
		}
		if err := unpackFile(root, h, in, &sums); err != nil {
			return taken, err
		}
	}
}

func unpackFile(root *os.Root, h *tar.Header, in io.Reader, sums io.Writer) error {
	if h.Typeflag != tar.TypeReg || !expected(h.Name) {
		return fmt.Errorf("it holds %q, which no backup has", h.Name)
	}
	if err := root.MkdirAll(path.Dir(h.Name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), in)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), h.Name)
	return err
}

// compareSums compares the list of checksums with that of what was written; their order is the same.
func compareSums(r io.Reader, size int64, got []byte) error {
	if size != int64(len(got)) {
		return errors.New("it does not hold the files that its list of checksums names")
	}
	want, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if bytes.Equal(want, got) {
		return nil
	}
	w, g := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(w), len(g)) {
		if !bytes.Equal(w[i], g[i]) {
			return fmt.Errorf("it is damaged: the checksum of %q differs", g[i])
		}
	}
	return errors.New("it is damaged: its checksums differ")
}

// loadDump fills the database, which then says of what time it is, and takes the dump away.
func loadDump(ctx context.Context, database, dir string, taken time.Time) error {
	name := filepath.Join(dir, dumpEntry)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it holds no database")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := sqlstore.Open(ctx, database, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = db.Load(ctx, f)
	if err == nil {
		err = db.SetSetting(ctx, restoredSetting, taken.UTC().Format(time.RFC3339))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return os.Remove(name)
}

// publish puts the folder where it belongs, once all of it is on disk. Only an empty folder is
// replaced by the rename.
func publish(dir, data string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		return err
	}
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(dir, data); err != nil {
		return err
	}
	return syncDir(filepath.Dir(data))
}
