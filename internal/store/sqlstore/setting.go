package sqlstore

import (
	"context"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// Setting returns what SetSetting stored under a name, such as the installation's ID. It fails with
// fault.NotFound.
func (d *DB) Setting(ctx context.Context, name string) (value string, err error) {
	found, err := one(ctx, d.engine.read(), `SELECT value FROM setting WHERE name = $1`, []any{name}, &value)
	if err == nil && !found {
		return "", &fault.Error{
			Code: fault.NotFound, Reason: "SettingNotFound", What: "there is no setting " + name,
			Why: "nothing was stored under this name", Fix: "start the server once: it stores its settings",
		}
	}
	return value, err
}

// SetSetting stores a value under a name, replacing what was there.
func (d *DB) SetSetting(ctx context.Context, name, value string) error {
	const text = `INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	return d.write(ctx, func(t *tx) error {
		_, err := t.exec(text, name, value)
		return err
	})
}
