package rowfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
)

// Extraction is a file that is read for its rows.
type Extraction struct {
	Name    string // that faults call the file by
	Format  Format
	Columns []Column
	// Fixed has the values of the columns that the file's name has; a column without a key is in the file.
	Fixed map[int]string
}

// Exchange reads the rows of src and writes them for DuckDB, and returns how many. It streams. It fails with
// fault.Invalid at the first row that does not fit: Reason "RowHasOtherColumns", "ValueInvalid",
// "QuoteNotClosed", "QuoteNotAtEnd", "FileEncodingWrong" or "RowTooLong".
func (x Extraction) Exchange(dst io.Writer, src io.Reader) (rows int64, err error) {
	e := extractor{Extraction: x, in: newScanner(src, x.Name, x.Format), out: bufio.NewWriterSize(dst, firstBuffer)}
	if err := e.fix(); err != nil {
		return 0, err
	}
	for {
		fields, err := e.in.next()
		if errors.Is(err, io.EOF) {
			return rows, e.flush()
		}
		wrong := fault.CodeOf(err) == fault.Invalid && fault.ReasonOf(err) != "RowTooLong"
		if err == nil && e.in.row > x.Format.Skip {
			err = e.row(fields)
			wrong = err != nil
			if err == nil {
				rows++
				_, err = e.out.Write(e.line)
			}
		}
		if err != nil && !(wrong && (x.Format.Silent || e.in.row <= x.Format.Skip)) {
			return rows, err
		}
	}
}

type extractor struct {
	Extraction
	in    *scanner
	out   *bufio.Writer
	fixed [][]byte // ready to be written; nil: the column is in the file
	inner int      // columns that are in the file
	line  []byte
}

func (e *extractor) flush() error {
	if err := e.out.Flush(); err != nil {
		return fmt.Errorf("write rows for DuckDB: %w", err)
	}
	return nil
}

// fix writes the values of the file's name once.
func (e *extractor) fix() error {
	e.fixed = make([][]byte, len(e.Columns))
	e.inner = len(e.Columns) - len(e.Fixed)
	for i, v := range e.Fixed {
		out, ok := e.value(nil, e.Columns[i], Field{Text: []byte(v)})
		if !ok {
			return e.invalid(i, v, "take a type for it that the file's name fits")
		}
		e.fixed[i] = out
	}
	return nil
}

// row writes one row into line.
func (e *extractor) row(fields []Field) error {
	if len(fields) != e.inner {
		return e.miscounted(len(fields))
	}
	e.line = e.line[:0]
	at := 0
	for i, c := range e.Columns {
		if i > 0 {
			e.line = append(e.line, ',')
		}
		if e.fixed[i] != nil {
			e.line = append(e.line, e.fixed[i]...)
			continue
		}
		from := len(e.line)
		out, ok := e.value(e.line, c, fields[at])
		if !ok {
			if !e.Format.Silent || !c.Nullable {
				return e.invalid(i, string(fields[at].Text), "correct the file, make the column a string, or name silent: true")
			}
			out = append(out[:from], null...)
		}
		e.line = out
		at++
	}
	e.line = append(e.line, '\n')
	return nil
}

const null = `\N`

func (e *extractor) value(dst []byte, c Column, f Field) ([]byte, bool) {
	text := c.Kind == dotnet.String || c.Kind == dotnet.Char
	if f.Null || len(f.Text) == 0 && !f.Quoted && c.Kind != dotnet.String {
		return append(dst, null...), c.Nullable
	}
	if !text {
		if len(f.Text) == 0 {
			return dst, false
		}
		return dotnet.Append(dst, c.Kind, f.Text)
	}
	if c.Kind == dotnet.Char {
		if _, ok := dotnet.Append(nil, c.Kind, f.Text); !ok {
			return dst, false
		}
	}
	return appendQuoted(dst, f.Text), true
}

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		n := bytes.IndexByte(s, '"')
		if n < 0 {
			return append(append(dst, s...), '"')
		}
		dst = append(append(dst, s[:n+1]...), '"')
		s = s[n+1:]
	}
}

func (e *extractor) miscounted(n int) error {
	return &fault.Error{
		Code: fault.Invalid, Reason: "RowHasOtherColumns", What: fmt.Sprintf("cannot read row %d of %s", e.in.row, e.Name),
		Why: fmt.Sprintf("it has %d columns, and EXTRACT names %d", n, e.inner),
		Fix: "name the columns that the file has, name another delimiter, or name silent: true", Field: e.Name,
	}
}

func (e *extractor) invalid(i int, value, fix string) error {
	c := e.Columns[i]
	if len(value) > 60 {
		value = value[:60] + "…"
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ValueInvalid", What: fmt.Sprintf("cannot read row %d of %s", e.in.row, e.Name),
		Why: fmt.Sprintf("column %d, %q: %s is no %s", i+1, c.Name, strconv.Quote(value), c.Kind), Fix: fix, Field: e.Name,
	}
}
