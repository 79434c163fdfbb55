package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/object"
	"github.com/zaffre-ml/zaffre/internal/store"
)

type artifactRow struct {
	Owner   string `json:"run"` // runs were the first owners
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	Hash    string `json:"hash"`
	Blob    string `json:"blob,omitempty"`
	Created micros `json:"created,omitempty"`
}

// artifacts keeps files, and knows which of their blobs are loose.
type artifacts struct {
	*repo[object.File, object.Filter, artifactRow]
}

// Artifacts returns the store of artifacts.
func (d *DB) Artifacts() object.Rows {
	return artifacts{newRepo(d, &table[object.File, object.Filter, artifactRow]{
		name: "artifact", noun: "artifact", reason: "ArtifactNotFound", show: "zaffre artifact list RUN",
		key: object.File.Key,
		encode: func(a object.File) artifactRow {
			return artifactRow{a.Owner, a.Path, a.Size, a.Hash, a.Blob, toMicros(a.Created)}
		},
		decode: func(r artifactRow) object.File {
			return object.File{Owner: r.Owner, Path: r.Path, Size: r.Size, Hash: r.Hash, Blob: r.Blob, Created: r.Created.time()}
		},
		columns: []column[object.File]{{"blob", false, func(f *object.File) any { return f.Blob }}},
		filter: func(w *where, f object.Filter) {
			w.equal("workspace", f.Owner)
			w.prefix("name", f.Prefix)
			if f.From != "" {
				w.and("name >=", f.From)
			}
		},
		order:    []string{"workspace", "name"},
		position: func(a object.File) []any { return []any{a.Owner, a.Path} },
	})}
}

const beginSQL = `INSERT INTO loose_blob (name, until, doomed) VALUES ($1, $2, 0)
ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE loose_blob.doomed = 0`

// Begin implements object.Rows.
func (a artifacts) Begin(ctx context.Context, blob string, until time.Time) error {
	return a.db.write(ctx, func(t *tx) error {
		n, err := t.exec(beginSQL, blob, until.UnixMicro())
		if err == nil && n == 0 {
			err = expired()
		}
		return err
	})
}

func expired() error {
	return &fault.Error{
		Code: fault.Conflict, Reason: "UploadExpired", What: "the file did not arrive in time",
		Why: "no byte of it came for an hour, or another upload took its name", Fix: "send it again: nothing of it was kept",
	}
}

// Keep implements object.Rows.
func (a artifacts) Keep(ctx context.Context, f object.File) error {
	if err := a.checkKey(f.Key()); err != nil {
		return err
	}
	part := a.part(ctx, f.Key())
	return a.db.write(ctx, func(t *tx) error {
		if err := t.admit(part); err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM loose_blob WHERE name = $1 AND doomed = 0`, f.Blob)
		if err != nil {
			return err
		}
		if n == 0 {
			return expired()
		}
		return a.put(t, f)
	})
}

// put writes a file's row, in place of one at its path, whose blob is loose then.
func (a artifacts) put(t *tx, f object.File) error {
	doc, err := json.Marshal(a.encode(f))
	if err != nil {
		return fmt.Errorf("encode an artifact: %w", err)
	}
	for {
		n, err := t.exec(a.insertSQL, f.Owner, f.Path, string(doc), f.Blob)
		if err != nil || n > 0 {
			return err
		}
		old, found, err := a.locked(t, f.Key())
		if err != nil {
			return err
		}
		if !found {
			continue // it was deleted since the insert met it
		}
		if old.Blob == f.Blob {
			return nil
		}
		if _, err := t.exec(a.updateSQL, f.Owner, f.Path, string(doc), f.Blob); err != nil {
			return err
		}
		return loosen(t, old)
	}
}

func (a artifacts) locked(t *tx, k store.Key) (f object.File, found bool, err error) {
	var doc []byte
	found, err = t.one(a.getSQL+" FOR UPDATE", []any{k.Workspace, k.Name}, &doc)
	if err != nil || !found {
		return f, false, err
	}
	f, err = a.parse(doc)
	return f, true, err
}

// loosen notes that a file's blob may be nobody's any more. Its bytes stay for a while: somebody may be
// reading them.
func loosen(t *tx, f object.File) error {
	_, err := t.exec(beginSQL, object.BlobOf(f), time.Now().Add(object.Grace).UnixMicro())
	return err
}

// Delete implements store.Repo.
func (a artifacts) Delete(ctx context.Context, k store.Key, then ...store.Effect) error {
	part := a.part(ctx, k)
	return a.db.write(ctx, func(t *tx) error {
		f, found, err := a.locked(t, k)
		if err != nil {
			return err
		}
		if !found {
			return errUndo
		}
		if err := t.admit(part); err != nil {
			return err
		}
		if err := a.remove(t, f); err != nil {
			return err
		}
		return t.apply(then)
	})
}

func (a artifacts) remove(t *tx, f object.File) error {
	if _, err := t.exec(a.deleteSQL, f.Owner, f.Path); err != nil {
		return err
	}
	return loosen(t, f)
}

// Share implements object.Rows.
func (a artifacts) Share(ctx context.Context, l object.Link) (n int, err error) {
	err = a.db.write(ctx, func(t *tx) error {
		n, err = a.share(t, l)
		return err
	})
	return n, err
}

// share locks the rows that it copies: none of them can be removed, and its blob doomed, before the
// copies are there.
func (a artifacts) share(t *tx, l object.Link) (int, error) {
	files, err := a.below(t, l.From, l.Path)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if f.Blob == "" { // its name is the owner's: from now on it says so
			f.Blob = object.BlobOf(f)
			if err := a.rewrite(t, f); err != nil {
				return 0, err
			}
		}
		f.Owner, f.Path = l.To, l.Target(f.Path)
		if err := a.put(t, f); err != nil {
			return 0, err
		}
	}
	return len(files), nil
}

func (a artifacts) rewrite(t *tx, f object.File) error {
	doc, err := json.Marshal(a.encode(f))
	if err != nil {
		return fmt.Errorf("encode an artifact: %w", err)
	}
	_, err = t.exec(a.updateSQL, f.Owner, f.Path, string(doc), f.Blob)
	return err
}

// below returns the files of an owner that are at a path or below it, locked; "" is all.
func (a artifacts) below(t *tx, owner, path string) (files []object.File, err error) {
	w := where{}
	w.and("workspace =", owner)
	if path != "" {
		w.and("(name = " + w.arg(path) + " OR name >= " + w.arg(path+"/") + " AND name < " + w.arg(path+"0") + ")") // '0' follows '/'
	}
	err = each(t.ctx, t.q, `SELECT doc FROM artifact`+w.text()+` ORDER BY name FOR UPDATE`, w.args, func(rows *sql.Rows) error {
		var doc sql.RawBytes
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		f, err := a.parse(doc)
		files = append(files, f)
		return err
	})
	return files, err
}

// Clear implements object.Rows.
func (a artifacts) Clear(ctx context.Context, owner string) error {
	return a.db.write(ctx, func(t *tx) error { return a.clear(t, owner) })
}

func (a artifacts) clear(t *tx, owner string) error {
	files, err := a.below(t, owner, "")
	if err != nil {
		return err
	}
	return a.removeAll(t, files)
}

func (a artifacts) removeAll(t *tx, files []object.File) error {
	for _, f := range files {
		if err := a.remove(t, f); err != nil {
			return err
		}
	}
	return nil
}

// Owners implements object.Rows.
func (a artifacts) Owners(ctx context.Context, prefix, after string, n int) (owners []string, err error) {
	const text = `SELECT DISTINCT workspace FROM artifact WHERE workspace > $1 AND workspace < $2 ORDER BY workspace LIMIT $3`
	end := strings.TrimSuffix(prefix, "/") + "0" // '0' follows '/'
	err = each(ctx, a.db.engine.read(), text, []any{after, end, n}, func(rows *sql.Rows) error {
		var owner string
		err := rows.Scan(&owner)
		owners = append(owners, owner)
		return err
	})
	return owners, err
}

// Expire implements object.Rows. A file that comes meanwhile is none of those that it removes.
func (a artifacts) Expire(ctx context.Context, owner string, before time.Time) error {
	return a.db.write(ctx, func(t *tx) error {
		files, err := a.below(t, owner, "")
		if err != nil || slices.ContainsFunc(files, func(f object.File) bool { return !f.Created.Before(before) }) {
			return err
		}
		return a.removeAll(t, files)
	})
}

// A blob that a file names is no more loose. Whoever removes the last such file makes it loose again,
// with a new time: that is why the time is compared once more with each row.
const namedSQL = `DELETE FROM loose_blob WHERE until <= $1 AND doomed = 0
  AND EXISTS (SELECT 1 FROM artifact WHERE artifact.blob = loose_blob.name)`

const doomSQL = `UPDATE loose_blob SET doomed = 1 WHERE until <= $1
  AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.blob = loose_blob.name)
  AND name IN (SELECT name FROM loose_blob WHERE until <= $1 ORDER BY until, name LIMIT $2)
RETURNING name`

// Doom implements object.Rows.
func (a artifacts) Doom(ctx context.Context, now time.Time, n int) (blobs []string, err error) {
	err = a.db.write(ctx, func(t *tx) error {
		blobs = nil
		if _, err := t.exec(namedSQL, now.UnixMicro()); err != nil {
			return err
		}
		return each(t.ctx, t.q, doomSQL, []any{now.UnixMicro(), n}, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			blobs = append(blobs, name)
			return err
		})
	})
	slices.Sort(blobs)
	return blobs, err
}

// Forget implements object.Rows.
func (a artifacts) Forget(ctx context.Context, blob string) error {
	return a.db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM loose_blob WHERE name = $1 AND doomed = 1`, blob)
		return err
	})
}
