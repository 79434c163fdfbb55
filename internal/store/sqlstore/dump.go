package sqlstore

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/zaffre-ml/zaffre/internal/fault"
)

// A dump is JSON lines: a head, then per row the table's name and the values by column, and at the
// end the number of rows, so that a cut one is noticed.
const dumpFormat = "zaffre-dump"

// tables are those of a dump, and the columns that order their rows.
var tables = []struct{ name, order string }{
	{"setting", "name"},
	{"workspace", "workspace, name"},
	{"token", "workspace, name"},
	{"principal", "workspace, name"},
	{"linked_service", "workspace, name"},
	{"inventory", "workspace, name"},
	{"target", "workspace, name"},
	{"environment", "workspace, name"},
	{"build", "workspace, name"},
	{"experiment", "workspace, name"},
	{"run", "workspace, name"},
	{"run_label", "run, kind, name"},
	{"artifact", "workspace, name"},
	{"loose_blob", "name"},
	{"model", "workspace, name"},
	{"model_version", "workspace, name"},
	{"logged_model", "workspace, name"},
	{"asset", "workspace, name"},
	{"content", "workspace, name"},
	{"vault", "workspace, name"},
	{"image_manifest", "workspace, name"},
	{"image_tag", "workspace, name"},
	{"image_layer", "workspace, name"},
	{"metric", "run, name"},
	{"metric_part", "run, name, part"},
	{"metric_run", "run"},
	{"work", "kind, id"},
	{"claim", "space, name"},
	{"fence", "run"},
	{"spool", "run, lane"},
	{"event", "sequence"},
}

type dumpLine struct {
	Format  string         `json:"format,omitempty"`  // of the head
	Version int64          `json:"version,omitempty"` // of the tables
	Table   string         `json:"table,omitempty"`
	Row     map[string]any `json:"row,omitempty"`
	Rows    *int64         `json:"rows,omitempty"` // of the end
}

// Dump writes all that the database holds, as it is at one moment, in a form that Load reads on
// either engine. Others go on writing meanwhile.
func (d *DB) Dump(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	err := d.engine.snapshot(ctx, func(q querier) error {
		if err := write(enc, dumpLine{Format: dumpFormat, Version: schemaVersion}); err != nil {
			return err
		}
		var total int64
		for _, t := range tables {
			n, err := dumpTable(ctx, q, enc, t.name, t.order)
			if err != nil {
				return fmt.Errorf("dump table %s: %w", t.name, err)
			}
			total += n
		}
		return write(enc, dumpLine{Rows: &total})
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return dumpFailed(err)
	}
	return nil
}

func dumpTable(ctx context.Context, q querier, enc *json.Encoder, table, order string) (n int64, err error) {
	text := `SELECT * FROM ` + table + ` ORDER BY ` + order
	err = each(ctx, q, text, nil, func(rows *sql.Rows) error {
		names, err := rows.Columns()
		if err != nil {
			return err
		}
		row, err := scanRow(rows, names)
		if err != nil {
			return err
		}
		n++
		return write(enc, dumpLine{Table: table, Row: row})
	})
	return n, err
}

// write encodes a line; what the writer says is no error of the database.
func write(enc *json.Encoder, line dumpLine) error {
	if err := enc.Encode(line); err != nil {
		return dumpFailed(err)
	}
	return nil
}

func dumpFailed(err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Reason: "DumpFailed", What: "cannot write the backup",
		Why: "its file cannot be written", Fix: "free space there, or write it elsewhere", Err: err,
	}
}

// packed is a value that JSON has no form for: bytes in base64, or a number that need not be whole in
// the form of strconv, whose NaN and infinities JSON lacks.
type packed struct {
	Bytes *string `json:"bytes,omitempty"`
	Float string  `json:"float,omitempty"`
}

func scanRow(rows *sql.Rows, names []string) (map[string]any, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	values := make([]any, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	row := make(map[string]any, len(names))
	for i, name := range names {
		row[name] = dumpValue(values[i], types[i].DatabaseTypeName())
	}
	return row, nil
}

func dumpValue(v any, column string) any {
	switch v := v.(type) {
	case float64:
		return packed{Float: strconv.FormatFloat(v, 'g', -1, 64)}
	case []byte:
		if column == "BLOB" || column == "BYTEA" {
			return packed{Bytes: new(base64.StdEncoding.EncodeToString(v))}
		}
		return string(v)
	}
	return v
}

// Load fills an empty database from a dump; all of it or nothing. It fails with fault.Precondition,
// Reason "DatabaseNotEmpty" or "DatabaseNewer", and with fault.Invalid, Reason "DumpInvalid". Records that
// were being worked on are due at once.
func (d *DB) Load(ctx context.Context, r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	return d.write(ctx, func(t *tx) error {
		if err := t.mustBeEmpty(); err != nil {
			return err
		}
		if err := readHead(in); err != nil {
			return err
		}
		if err := t.loadRows(in); err != nil {
			return err
		}
		return t.afterLoad(d.Engine())
	})
}

func (t *tx) mustBeEmpty() error {
	for _, table := range tables {
		var n int64
		if _, err := t.one(`SELECT COUNT(*) FROM (SELECT 1 FROM `+table.name+` LIMIT 1) AS rows`, nil, &n); err != nil {
			return err
		}
		if n > 0 {
			return &fault.Error{
				Code: fault.Precondition, Reason: "DatabaseNotEmpty", What: "cannot restore into this database",
				Why: "it holds data already: the table " + table.name + " has rows", Fix: "restore into a new data directory or an empty database",
			}
		}
	}
	return nil
}

func readLine(in *bufio.Reader) (line dumpLine, err error) {
	b, err := in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return line, badDump("it ends early", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&line); err != nil {
		return line, badDump("a line is not JSON", err)
	}
	return line, nil
}

func readHead(in *bufio.Reader) error {
	head, err := readLine(in)
	if err != nil {
		return err
	}
	if head.Format != dumpFormat {
		return badDump("it does not start as a dump does", nil)
	}
	if head.Version > schemaVersion {
		return newer(head.Version)
	}
	return nil
}

func (t *tx) loadRows(in *bufio.Reader) error {
	var n int64
	for {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		if line.Rows != nil {
			if *line.Rows != n {
				return badDump(fmt.Sprintf("it holds %d rows and says %d", n, *line.Rows), nil)
			}
			return nil
		}
		if err := t.loadRow(line); err != nil {
			return err
		}
		n++
	}
}

func (t *tx) loadRow(line dumpLine) error {
	if line.Table == "once" {
		return nil // of before version 9, whose writes were known by it for a time
	}
	known := slices.ContainsFunc(tables, func(t struct{ name, order string }) bool { return t.name == line.Table })
	if !known {
		return badDump(fmt.Sprintf("there is no table %q", line.Table), nil)
	}
	names, marks, args := []string{}, []string{}, []any{}
	for _, name := range sortedKeys(line.Row) {
		if strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
			return badDump(fmt.Sprintf("there is no column %q", name), nil)
		}
		v, err := loadValue(line.Row[name])
		if err != nil {
			return err
		}
		names, args = append(names, name), append(args, v)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	_, err := t.exec(`INSERT INTO `+line.Table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, args...)
	return err
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func loadValue(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return nil, badDump("a number is not whole", err)
		}
		return n, nil
	case map[string]any:
		return loadPacked(v)
	case nil:
		return nil, nil //nolint:nilnil // NULL
	}
	return nil, badDump("a value is neither text nor a number", nil)
}

func loadPacked(v map[string]any) (any, error) {
	if text, ok := v["bytes"].(string); ok {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, badDump("bytes are not in base64", err)
		}
		return b, nil
	}
	text, _ := v["float"].(string)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, badDump("a number cannot be read", err)
	}
	return f, nil
}

// What runs that go on are fenced by, where a dump of before version 9 does not say: as migration 00009 does.
var fencesOfRuns = map[string]string{
	"sqlite": `INSERT INTO fence (run, attempt) SELECT id, json_array_length(doc, '$.status.attempts') FROM run
WHERE active = 1 AND json_array_length(doc, '$.status.attempts') > 0 ON CONFLICT DO NOTHING`,
	"postgres": `INSERT INTO fence (run, attempt) SELECT id, jsonb_array_length(replace(doc, '\u0000', '\u0001')::jsonb #> '{status,attempts}') FROM run
WHERE active = 1 AND jsonb_typeof(replace(doc, '\u0000', '\u0001')::jsonb #> '{status,attempts}') = 'array' ON CONFLICT DO NOTHING`,
}

// afterLoad gives leases back and lets new events follow the old ones.
func (t *tx) afterLoad(engine string) error {
	if _, err := t.exec(fencesOfRuns[engine]); err != nil {
		return err
	}
	if err := releaseLeases(t); err != nil || engine == "sqlite" {
		return err
	}
	_, err := t.exec(`SELECT setval(pg_get_serial_sequence('event', 'sequence'), (SELECT COALESCE(MAX(sequence), 0) + 1 FROM event), false)`)
	return err
}

func badDump(why string, err error) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "DumpInvalid", What: "cannot restore from this file",
		Why: why, Fix: "take another backup", Err: err,
	}
}
