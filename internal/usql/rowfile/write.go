package rowfile

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
)

// Output is a file that rows are written to.
type Output struct {
	Format  Format
	Columns []Column
}

// Write reads rows that DuckDB wrote in the format Exchange, and writes them as the outputter does. It
// streams, and returns how many rows there were.
func (o Output) Write(dst io.Writer, src io.Reader) (rows int64, err error) {
	w, err := o.begin(dst)
	if err != nil {
		return 0, err
	}
	in := newScanner(src, "what DuckDB gave", Exchange())
	for {
		fields, err := in.next()
		if errors.Is(err, io.EOF) {
			return rows, w.out.Flush()
		}
		if err == nil && len(fields) != len(o.Columns) {
			err = fmt.Errorf("DuckDB gave a row of %d columns, and not %d", len(fields), len(o.Columns))
		}
		if err == nil {
			err = w.row(fields)
		}
		if err != nil {
			return rows, err
		}
		rows++
	}
}

type writer struct {
	Output
	out  *bufio.Writer
	enc  *encoder
	date dotnet.Format
	line []byte
	tmp  []byte
}

func (o Output) begin(dst io.Writer) (*writer, error) {
	date, err := dotnet.ParseFormat(cmp.Or(o.Format.DateTime, "O"))
	if err != nil {
		return nil, err
	}
	if o.Format.RowDelimiter == "" {
		o.Format.RowDelimiter = "\r\n"
	}
	w := &writer{Output: o, out: bufio.NewWriterSize(dst, firstBuffer), date: date}
	w.enc = &encoder{dst: w.out, e: o.Format.Encoding}
	if e := o.Format.Encoding; e == UTF16 || e == UTF16BE {
		if _, err := w.enc.Write([]byte("\ufeff")); err != nil {
			return nil, err
		}
	}
	if o.Format.Header {
		return w, w.header()
	}
	return w, nil
}

func (w *writer) header() error {
	for i, c := range w.Columns {
		if i > 0 {
			w.line = append(w.line, w.Format.Delimiter...)
		}
		w.line = w.text(w.line, []byte(c.Name))
	}
	return w.end()
}

func (w *writer) end() error {
	w.line = append(w.line, w.Format.RowDelimiter...)
	_, err := w.enc.Write(w.line)
	w.line = w.line[:0]
	return err
}

func (w *writer) row(fields []Field) (err error) {
	for i, c := range w.Columns {
		if i > 0 {
			w.line = append(w.line, w.Format.Delimiter...)
		}
		f := fields[i]
		switch {
		case f.Null && w.Format.Null != nil:
			w.line = append(w.line, *w.Format.Null...)
		case f.Null:
		case c.Kind == dotnet.String || c.Kind == dotnet.Char:
			w.line = w.text(w.line, f.Text)
		default:
			w.tmp, err = dotnet.AppendText(w.tmp[:0], c.Kind, f.Text, w.date)
			if err != nil {
				return err
			}
			w.line = append(w.line, w.tmp...)
		}
	}
	return w.end()
}

// text writes a string: in quotes, or with escapes where there are no quotes.
func (w *writer) text(dst, s []byte) []byte {
	quote := w.Format.Quoting
	if quote {
		dst = append(dst, '"')
	}
	for len(s) > 0 {
		n := 1
		switch {
		case quote && s[0] == '"':
			dst = append(dst, '"')
		case w.Format.Escape != "":
			n = w.special(s, quote)
			if n > 0 {
				dst = append(dst, w.Format.Escape...)
			}
			n = max(n, 1)
		}
		dst, s = append(dst, s[:n]...), s[n:]
	}
	if quote {
		dst = append(dst, '"')
	}
	return dst
}

// special returns how many bytes of what s begins with take one escape.
func (w *writer) special(s []byte, quoted bool) int {
	if bytes.HasPrefix(s, []byte(w.Format.Escape)) {
		return len(w.Format.Escape)
	}
	if quoted {
		return 0
	}
	if bytes.HasPrefix(s, []byte(w.Format.Delimiter)) {
		return len(w.Format.Delimiter)
	}
	if s[0] == '\r' || s[0] == '\n' || bytes.HasPrefix(s, []byte(w.Format.RowDelimiter)) {
		return 1
	}
	return 0
}
