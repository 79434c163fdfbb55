// Package rowfile reads and writes the text files of U-SQL: what Extractors.Text and Outputters.Text do.
package rowfile

import (
	"github.com/zaffre-ml/zaffre/internal/usql/dotnet"
)

// Encoding is how the characters of a file are bytes.
type Encoding string

// The encodings. A byte order mark is read over; only files in UTF-16 are written with one.
const (
	UTF8    Encoding = "utf-8"
	UTF16   Encoding = "utf-16"
	UTF16BE Encoding = "utf-16be"
	ASCII   Encoding = "ascii"
)

// Format is the parameters of an extractor or an outputter. Its zero value is no format: see Default.
type Format struct {
	Delimiter    string // one character
	Encoding     Encoding
	Quoting      bool
	Escape       string  // one character; "": none
	Null         *string // what stands for null
	RowDelimiter string  // "": to read, any of \r\n, \n and \r
	Silent       bool    // to read: rows that do not fit are left out
	Skip         int     // to read: rows at the top that are left out
	Header       bool    // to write
	DateTime     string  // to write; "": O
}

// Default returns what Text has where nothing is named.
func Default() Format { return Format{Delimiter: ",", Encoding: UTF8, Quoting: true} }

// Exchange is the format in which rows go to DuckDB and come back: each string in quotes, \N for null.
func Exchange() Format {
	null := `\N`
	return Format{Delimiter: ",", Encoding: UTF8, Quoting: true, RowDelimiter: "\n", Null: &null}
}

// Column is a column of a file.
type Column struct {
	Name     string
	Kind     dotnet.Kind
	Nullable bool
}

// Field is a value of a row, as it is between the delimiters, without quotes and escapes.
type Field struct {
	Text   []byte
	Quoted bool
	Null   bool // it is what stands for null
}
