package sqlstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// pageSize applies the limits of store.Page.
func pageSize(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}

// cursor returns the position of a record in its list, for the page after it.
func cursor(position []any) string {
	b, err := json.Marshal(position)
	if err != nil {
		panic(err) // strings and integers
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// after selects what comes after a cursor in a list.
func (w *where) after(order []string, newest bool, cursor string) error {
	if cursor == "" {
		return nil
	}
	position, err := parseCursor(cursor, len(order))
	if err != nil {
		return err
	}
	marks := make([]string, len(position))
	for i, v := range position {
		marks[i] = w.arg(v)
	}
	compare := " > "
	if newest {
		compare = " < "
	}
	w.and("(" + strings.Join(order, ", ") + ")" + compare + "(" + strings.Join(marks, ", ") + ")")
	return nil
}

func parseCursor(cursor string, size int) ([]any, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	var position []any
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		err = d.Decode(&position)
	}
	for i, v := range position {
		switch n := v.(type) {
		case json.Number:
			if position[i], err = n.Int64(); err != nil {
				return nil, badCursor(err)
			}
		case string:
		default:
			size = -1
		}
	}
	if err != nil || len(position) != size {
		return nil, badCursor(err)
	}
	return position, nil
}

func badCursor(err error) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "CursorInvalid", What: "cannot go on with this list",
		Why: "the cursor is not one that an earlier page gave", Fix: "start from the first page, without a cursor",
		Field: "cursor", Err: err,
	}
}
